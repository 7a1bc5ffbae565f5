//! Layouts with parity: RAID 4, 5 and 6.
//!
//! A stripe is a chunk of each member. Which of them is P, which is Q, and in which order the others hold the data, turns
//! from stripe to stripe: the [`Rotation`].

use super::{Layout, Piece, Place, Source, Stripe, Unit};
use block::ReadError;
use std::num::NonZeroU64;

/// How parity and data turn from stripe to stripe. Source: Linux, `drivers/md/raid5.h` (`ALGORITHM_*`) and
/// `raid5_compute_sector` of `raid5.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// P goes from the last member to the first; data go from the first member on. RAID 5, `left-asymmetric`.
    LeftAsymmetric,
    /// P goes from the first member to the last; data go from the first member on. RAID 5, `right-asymmetric`.
    RightAsymmetric,
    /// P goes from the last member to the first; data go from the member behind P on. RAID 5, `left-symmetric`.
    LeftSymmetric,
    /// P goes from the first member to the last; data go from the member behind P on. RAID 5, `right-symmetric`.
    RightSymmetric,
    /// P is the first member. RAID 5, `parity-first`.
    ParityFirst,
    /// P is the last member. RAID 4; RAID 5, `parity-last`.
    ParityLast,
    /// As [`Self::LeftAsymmetric`], Q behind P. RAID 6, `left-asymmetric`.
    LeftAsymmetricPq,
    /// As [`Self::RightAsymmetric`], Q behind P. RAID 6, `right-asymmetric`.
    RightAsymmetricPq,
    /// P goes from the last member to the first, Q is behind P, data go from the member behind Q on. RAID 6, `left-symmetric`.
    LeftSymmetricPq,
    /// P goes from the first member to the last, Q is behind P, data go from the member behind Q on. RAID 6,
    /// `right-symmetric`.
    RightSymmetricPq,
    /// P and Q are the first members. RAID 6, `parity-first`.
    ParityFirstPq,
    /// P and Q are the last members. RAID 6, `parity-last`.
    ParityLastPq,
    /// As [`Self::RightAsymmetricPq`], with another order of Q's powers. RAID 6, `ddf-zero-restart`.
    ZeroRestart,
    /// As [`Self::LeftAsymmetricPq`] a stripe further on, with another order of Q's powers. RAID 6, `ddf-N-restart`.
    NRestart,
    /// As [`Self::LeftSymmetric`], Q before P, with another order of Q's powers. RAID 6, `ddf-N-continue`.
    NContinue,
    /// As [`Self::LeftAsymmetric`], and Q is one more member behind all. RAID 6, `left-asymmetric-6`.
    LeftAsymmetricQLast,
    /// As [`Self::RightAsymmetric`], and Q is one more member behind all. RAID 6, `right-asymmetric-6`.
    RightAsymmetricQLast,
    /// As [`Self::LeftSymmetric`], and Q is one more member behind all. RAID 6, `left-symmetric-6`.
    LeftSymmetricQLast,
    /// As [`Self::RightSymmetric`], and Q is one more member behind all. RAID 6, `right-symmetric-6`.
    RightSymmetricQLast,
    /// As [`Self::ParityFirst`], and Q is one more member behind all. RAID 6, `parity-first-6`.
    ParityFirstQLast,
}

/// A rotation with its numbers and names.
struct Known {
    rotation: Rotation,
    /// How md numbers it.
    layout: u32,
    /// What mdadm calls it.
    mdadm: &'static str,
    /// What LVM calls it; empty where it has no word for it.
    lvm: &'static str,
}

const fn known(rotation: Rotation, layout: u32, mdadm: &'static str, lvm: &'static str) -> Known {
    Known { rotation, layout, mdadm, lvm }
}

/// Sources: Linux, `drivers/md/raid5.h`; mdadm, `maps.c`; LVM2, `lib/metadata/segtype.h`, and `raid_types` of Linux,
/// `drivers/md/dm-raid.c`.
const KNOWN: [Known; 20] = [
    known(Rotation::LeftAsymmetric, 0, "left-asymmetric", "raid5_la"),
    known(Rotation::RightAsymmetric, 1, "right-asymmetric", "raid5_ra"),
    known(Rotation::LeftSymmetric, 2, "left-symmetric", "raid5_ls"),
    known(Rotation::RightSymmetric, 3, "right-symmetric", "raid5_rs"),
    known(Rotation::ParityFirst, 4, "parity-first", ""),
    known(Rotation::ParityLast, 5, "parity-last", "raid5_n"),
    known(Rotation::LeftAsymmetricPq, 0, "left-asymmetric", ""),
    known(Rotation::RightAsymmetricPq, 1, "right-asymmetric", ""),
    known(Rotation::LeftSymmetricPq, 2, "left-symmetric", ""),
    known(Rotation::RightSymmetricPq, 3, "right-symmetric", ""),
    known(Rotation::ParityFirstPq, 4, "parity-first", ""),
    known(Rotation::ParityLastPq, 5, "parity-last", "raid6_n_6"),
    known(Rotation::ZeroRestart, 8, "ddf-zero-restart", "raid6_zr"),
    known(Rotation::NRestart, 9, "ddf-N-restart", "raid6_nr"),
    known(Rotation::NContinue, 10, "ddf-N-continue", "raid6_nc"),
    known(Rotation::LeftAsymmetricQLast, 16, "left-asymmetric-6", "raid6_la_6"),
    known(Rotation::RightAsymmetricQLast, 17, "right-asymmetric-6", "raid6_ra_6"),
    known(Rotation::LeftSymmetricQLast, 18, "left-symmetric-6", "raid6_ls_6"),
    known(Rotation::RightSymmetricQLast, 19, "right-symmetric-6", "raid6_rs_6"),
    known(Rotation::ParityFirstQLast, 20, "parity-first-6", ""),
];

impl Rotation {
    /// Every rotation, in the order of md's numbers, those of RAID 5 first.
    pub const ALL: [Self; 20] = {
        let mut all = [Self::ParityLast; 20];
        let (mut to, mut from): (&mut [Self], &[Known]) = (&mut all, &KNOWN);
        while let ([slot, to_rest @ ..], [one, from_rest @ ..]) = (to, from) {
            *slot = one.rotation;
            (to, from) = (to_rest, from_rest);
        }
        all
    };

    /// What md's superblocks call so: `level` is 4, 5 or 6, `layout` the number of the algorithm, which RAID 4 does not
    /// look at. `None` for anything else.
    #[must_use]
    pub fn from_md(level: u32, layout: u32) -> Option<Self> {
        let parities = match level {
            4 => return Some(Self::ParityLast),
            5 => 1,
            6 => 2,
            _ => return None,
        };
        let found = KNOWN.iter().find(|known| known.layout == layout && known.rotation.parities() == parities)?;
        Some(found.rotation)
    }

    /// What LVM's type of a segment calls so: `raid5_ls`, `raid6_zr`, … `None` for anything else.
    ///
    /// A segment of type `raid4` has P last with kernels since 4.9, and had P first before; the superblock in its
    /// metadata volumes tells which, as a level and a layout of md.
    #[must_use]
    pub fn from_lvm(segment_type: &str) -> Option<Self> {
        let name = match segment_type {
            "raid4" => "raid5_n",
            "raid5" => "raid5_ls",
            "raid6" => "raid6_zr",
            name => name,
        };
        Some(KNOWN.iter().find(|known| !name.is_empty() && known.lvm == name)?.rotation)
    }

    /// What mdadm calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().map_or("", |known| known.mdadm)
    }

    /// What LVM calls it; `None` where LVM does not know it.
    #[must_use]
    pub fn lvm_name(self) -> Option<&'static str> {
        self.known().map(|known| known.lvm).filter(|name| !name.is_empty())
    }

    /// How many members of each stripe are parity: 1 or 2.
    #[must_use]
    pub const fn parities(self) -> u64 {
        match self {
            Self::LeftAsymmetric
            | Self::RightAsymmetric
            | Self::LeftSymmetric
            | Self::RightSymmetric
            | Self::ParityFirst
            | Self::ParityLast => 1,
            _ => 2,
        }
    }

    fn known(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.rotation == self)
    }

    /// Where P and Q are in this stripe, of as many members.
    fn places(self, stripe: u64, members: NonZeroU64) -> Turn {
        let last = members.get().saturating_sub(1);
        let from_first = |members: NonZeroU64| stripe % members;
        let from_last =
            |members: NonZeroU64, stripe: u64| members.get().saturating_sub(1).saturating_sub(stripe % members);
        // Where Q does not turn with them, the others are as if it were not there.
        let fewer = NonZeroU64::new(last).unwrap_or(members);
        let (p, data) = match self {
            Self::LeftAsymmetric | Self::LeftAsymmetricPq => (from_last(members, stripe), Data::FromFirst),
            Self::RightAsymmetric | Self::RightAsymmetricPq | Self::ZeroRestart => {
                (from_first(members), Data::FromFirst)
            }
            Self::NRestart => (from_last(members, stripe.saturating_add(1)), Data::FromFirst),
            Self::LeftSymmetric | Self::LeftSymmetricPq | Self::NContinue => {
                (from_last(members, stripe), Data::BehindParity)
            }
            Self::RightSymmetric | Self::RightSymmetricPq => (from_first(members), Data::BehindParity),
            Self::ParityFirst | Self::ParityFirstPq | Self::ParityFirstQLast => (0, Data::FromFirst),
            Self::ParityLast => (last, Data::FromFirst),
            Self::ParityLastPq => (last.saturating_sub(1), Data::FromFirst),
            Self::LeftAsymmetricQLast => (from_last(fewer, stripe), Data::FromFirst),
            Self::RightAsymmetricQLast => (from_first(fewer), Data::FromFirst),
            Self::LeftSymmetricQLast => (from_last(fewer, stripe), Data::BehindParity),
            Self::RightSymmetricQLast => (from_first(fewer), Data::BehindParity),
        };
        let q = match self {
            _ if self.parities() == 1 => None,
            Self::NContinue => Some(p.checked_sub(1).unwrap_or(last)),
            Self::LeftAsymmetricQLast
            | Self::RightAsymmetricQLast
            | Self::LeftSymmetricQLast
            | Self::RightSymmetricQLast
            | Self::ParityFirstQLast => Some(last),
            _ => Some(p.saturating_add(1) % members),
        };
        Turn { p, q, data }
    }

    /// Whether Q's powers are those of members, counted from the first, and not those of data units behind Q. Source:
    /// `raid6_d0` and `raid6_idx_to_slot` of `raid5.c`, where this is `ddf_layout`.
    const fn counts_members(self) -> bool {
        matches!(self, Self::ZeroRestart | Self::NRestart | Self::NContinue)
    }
}

/// What is where in one stripe.
struct Turn {
    p: u64,
    q: Option<u64>,
    data: Data,
}

/// Where the data of a stripe begin.
#[derive(Clone, Copy)]
enum Data {
    /// With the first member that is no parity.
    FromFirst,
    /// With the first member behind the parity that is no parity.
    BehindParity,
}

/// RAID 4, 5 or 6.
pub struct Parity {
    rotation: Rotation,
    members: NonZeroU64,
    /// Members of a stripe that are no parity.
    data: NonZeroU64,
    chunk: NonZeroU64,
    size: u64,
}

impl Parity {
    /// More members than md takes.
    const MEMBERS_MAX: u64 = 4096;
    /// The powers of the generator repeat after so many.
    const MEMBERS_WITH_Q_MAX: u64 = 255;

    /// A volume of `size` bytes over members `0..members`, in chunks of `chunk` bytes, a multiple of 512. `None` when
    /// there is no such volume: it has no data members, or more members than Q can be computed of.
    #[must_use]
    pub fn new(rotation: Rotation, members: u64, chunk: u64, size: u64) -> Option<Self> {
        let most = if rotation.parities() == 1 { Self::MEMBERS_MAX } else { Self::MEMBERS_WITH_Q_MAX };
        let data = NonZeroU64::new(members.checked_sub(rotation.parities())?)?;
        let chunk = NonZeroU64::new(chunk).filter(|chunk| chunk.get().is_multiple_of(512))?;
        data.checked_mul(chunk)?;
        (members <= most).then_some(Self { rotation, members: NonZeroU64::new(members)?, data, chunk, size })
    }

    /// The stripe that holds byte `offset`, from that byte on.
    fn stripe(&self, offset: u64) -> Option<Stripe> {
        let chunk = offset / self.chunk;
        let stripe = chunk / self.data;
        let at = stripe.checked_mul(self.chunk.get())?.checked_add(offset % self.chunk)?;
        let place = |member: u64| Some(Place { member: usize::try_from(member).ok()?, offset: at });
        let Turn { p, q, data } = self.rotation.places(stripe, self.members);
        let is_data = |member: &u64| *member != p && Some(*member) != q;
        let first = match data {
            Data::FromFirst => 0,
            Data::BehindParity => p,
        };
        let power_from = match q {
            Some(q) if !self.rotation.counts_members() => q.saturating_add(1),
            _ => 0,
        };
        let unit = |member: u64| {
            let power = if self.rotation.counts_members() {
                member
            } else {
                let before = self.distance(power_from, member);
                before.saturating_sub(u64::from(self.distance(power_from, p) < before))
            };
            // Where there is no Q the power does not matter; where there is, it is below 255.
            Some(Unit { place: place(member)?, power: u8::try_from(power).unwrap_or(0) })
        };
        let data: Option<Vec<Unit>> = self.members_from(first).filter(is_data).map(unit).collect();
        let q = if let Some(q) = q { Some(place(q)?) } else { None };
        Some(Stripe { data: data?, p: Some(place(p)?), q, wanted: usize::try_from(chunk % self.data).ok()? })
    }

    /// All members, from one on and round.
    fn members_from(&self, first: u64) -> impl Iterator<Item = u64> {
        let first = first % self.members;
        (first..self.members.get()).chain(0..first)
    }

    /// How many members on from one another is.
    fn distance(&self, from: u64, to: u64) -> u64 {
        let from = from % self.members;
        to.saturating_add(self.members.get()).saturating_sub(from) % self.members
    }
}

impl Layout for Parity {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let left = self.chunk.get().saturating_sub(offset % self.chunk).min(self.size.saturating_sub(offset));
        let Some(stripe) = self.stripe(offset) else { return Ok(Piece { length: 0, source: Source::Zeros }) };
        Ok(Piece { length: left, source: Source::Stripe(stripe) })
    }
}

#[cfg(test)]
mod tests;
