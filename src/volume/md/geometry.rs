//! What a level, a layout and a chunk size mean: how an array's bytes lie on its members. Shared by md's own
//! superblocks and by DDF and IMSM, which name the same layouts in other words.

use crate::Error;
use crate::map::{Copies, Layout, Linear, Mirror, Parity, Place, Raid10, Rotation, Segment, Striped, ZoneOrder, Zones};

/// How an array keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// One member after another.
    Linear,
    /// Chunks in turn.
    Raid0,
    /// The same on every member.
    Raid1,
    /// Chunks in turn, parity on the last member.
    Raid4,
    /// Chunks in turn, parity in turn.
    Raid5,
    /// The same with two parities.
    Raid6,
    /// Chunks in turn, each of them several times.
    Raid10,
}

impl Level {
    /// The level with this number (Linux `drivers/md/md.h`, `LEVEL_*`).
    ///
    /// # Errors
    /// When it is one that cannot be read, by name.
    pub(crate) fn from_number(number: i32) -> Result<Self, Error> {
        let unknown = |what: String| Error::Damaged(format!("the array is {what}, which cannot be read here"));
        match number {
            -1 => Ok(Self::Linear),
            0 => Ok(Self::Raid0),
            1 => Ok(Self::Raid1),
            4 => Ok(Self::Raid4),
            5 => Ok(Self::Raid5),
            6 => Ok(Self::Raid6),
            10 => Ok(Self::Raid10),
            -4 => Err(unknown("multipath (one disk over several ways)".to_owned())),
            -5 => Err(unknown("of the level \"faulty\" (for tests)".to_owned())),
            other => Err(unknown(format!("of the unknown level {other}"))),
        }
    }

    /// How many members may be missing for the parities' sake.
    pub(crate) const fn parities(self) -> u64 {
        match self {
            Self::Linear | Self::Raid0 | Self::Raid1 | Self::Raid10 => 0,
            Self::Raid4 | Self::Raid5 => 1,
            Self::Raid6 => 2,
        }
    }

    /// What users call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Raid0 => "RAID 0",
            Self::Raid1 => "RAID 1",
            Self::Raid4 => "RAID 4",
            Self::Raid5 => "RAID 5",
            Self::Raid6 => "RAID 6",
            Self::Raid10 => "RAID 10",
        }
    }

    /// Whether the members of an array of this level may be of different use: all of each is used.
    pub(crate) const fn uses_all_of_each_member(self) -> bool {
        matches!(self, Self::Linear | Self::Raid0)
    }
}

/// How the bytes of an array lie on its members, whose data all begin at 0 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) level: Level,
    /// The layout as md numbers those of the level; `None` where the level has several and it is not known which it is.
    pub(crate) layout: Option<u32>,
    /// Size of a chunk in bytes; 0 where the level needs none.
    pub(crate) chunk: u64,
    /// How many members there are when none is missing.
    pub(crate) members: u64,
    /// Bytes that are used of each member; nobody asks where all of each member is used.
    pub(crate) component: u64,
}

impl Geometry {
    /// What the array's bytes are, where its members have so many bytes for data each.
    ///
    /// # Errors
    /// When these numbers make no array, or one that cannot be read.
    pub(crate) fn layout(&self, data: &[u64]) -> Result<Box<dyn Layout>, Error> {
        if u64::try_from(data.len()) != Ok(self.members) || data.is_empty() {
            return Err(self.wrong("the number of its members"));
        }
        match self.level {
            Level::Linear => Ok(self.linear(data)),
            Level::Raid0 => self.striped(data),
            Level::Raid1 => Ok(Box::new(Mirror::new(data.len(), self.component))),
            Level::Raid4 | Level::Raid5 | Level::Raid6 => self.parity(),
            Level::Raid10 => self.copies(),
        }
    }

    fn wrong(&self, what: &str) -> Error {
        Error::Damaged(format!("{what} cannot be that of {}", self.description()))
    }

    /// `bytes` without what is left over by whole chunks.
    fn whole_chunks(&self, bytes: u64) -> u64 {
        bytes.saturating_sub(bytes.checked_rem(self.chunk).unwrap_or(0))
    }

    fn linear(&self, data: &[u64]) -> Box<dyn Layout> {
        let segment =
            |(member, bytes): (usize, &u64)| Segment::of(Place { member, offset: 0 }, self.whole_chunks(*bytes));
        Box::new(Linear::new(data.iter().enumerate().map(segment).collect()))
    }

    /// Members one after another, as far as their places are known: the size of member `missing` is a guess.
    pub(crate) fn linear_without(&self, data: &[u64], missing: usize) -> Box<dyn Layout> {
        let why = "it lies on or behind a member that is missing, whose size is not known";
        let segment = |(member, bytes): (usize, &u64)| match member < missing {
            true => Segment::of(Place { member, offset: 0 }, self.whole_chunks(*bytes)),
            false => Segment::lost(self.whole_chunks(*bytes), why),
        };
        Box::new(Linear::new(data.iter().enumerate().map(segment).collect()))
    }

    /// Linux `raid0.c`, `create_strip_zones`.
    fn striped(&self, data: &[u64]) -> Result<Box<dyn Layout>, Error> {
        let data: Vec<_> = data.iter().map(|bytes| self.whole_chunks(*bytes)).collect();
        let smallest = data.iter().min().copied().unwrap_or(0);
        if data.iter().all(|bytes| *bytes == smallest) {
            let size = smallest.checked_mul(self.members);
            let striped = size.and_then(|size| Striped::new(self.members, self.chunk, size));
            return striped
                .map(|striped| -> Box<dyn Layout> { Box::new(striped) })
                .ok_or_else(|| self.wrong("the size of its chunks"));
        }
        let zones = |order| Zones::new(&data, self.chunk, order).ok_or_else(|| self.wrong("the size of its chunks"));
        let order = self.layout.and_then(ZoneOrder::from_md);
        let layout = zones(order.unwrap_or(ZoneOrder::Original))?;
        if order.is_none() && layout.order_matters() {
            return Err(Error::Damaged(
                "its members differ in size, and it is not recorded in which of two ways they are used, that of Linux \
                 before 3.14 or that since then (mdadm --assemble --update=layout-original or layout-alternate \
                 records it)"
                    .to_owned(),
            ));
        }
        Ok(Box::new(layout))
    }

    fn rotation(&self) -> Option<Rotation> {
        let level = match self.level {
            Level::Raid4 => 4,
            Level::Raid5 => 5,
            Level::Raid6 => 6,
            Level::Linear | Level::Raid0 | Level::Raid1 | Level::Raid10 => return None,
        };
        Rotation::from_md(level, self.layout?)
    }

    fn parity(&self) -> Result<Box<dyn Layout>, Error> {
        let rotation = self.rotation().ok_or_else(|| self.unknown_layout())?;
        let data = self.members.checked_sub(rotation.parities());
        let size = data.and_then(|data| self.whole_chunks(self.component).checked_mul(data));
        let parity = size.and_then(|size| Parity::new(rotation, self.members, self.chunk, size));
        let parity = parity.ok_or_else(|| self.wrong("the number of its members or the size of its chunks"))?;
        Ok(Box::new(parity))
    }

    fn copies(&self) -> Result<Box<dyn Layout>, Error> {
        let way = self.layout.and_then(Raid10::from_md).ok_or_else(|| self.unknown_layout())?;
        let sizes = way.stride_and_size(self.members, self.chunk, self.component);
        let copies = sizes.and_then(|(stride, size)| Copies::new(way, self.members, self.chunk, stride, size));
        let copies = copies.ok_or_else(|| self.wrong("the number of its members or the size of its chunks"))?;
        Ok(Box::new(copies))
    }

    fn unknown_layout(&self) -> Error {
        let layout = self.layout.unwrap_or_default();
        Error::Damaged(format!("{} has no layout {layout:#x} that is known here", self.level.name()))
    }

    /// It in words: `RAID 5 of 3, left-symmetric, chunks of 64 KiB`.
    pub(crate) fn description(&self) -> String {
        let mut text = format!("{} of {}", self.level.name(), self.members);
        let layout = match (self.level, self.layout) {
            (Level::Raid5 | Level::Raid6, _) => self.rotation().map(|rotation| rotation.name().to_owned()),
            (Level::Raid10, Some(layout)) => Some(copies_name(layout)),
            _ => None,
        };
        if let Some(layout) = layout {
            text.push_str(", ");
            text.push_str(&layout);
        }
        if self.chunk > 0 && self.level != Level::Raid1 {
            text.push_str(&format!(", chunks of {}", chunk_size(self.chunk)));
        }
        text
    }
}

/// A size of a chunk for people.
fn chunk_size(bytes: u64) -> String {
    match (bytes.checked_rem(1024), bytes.checked_div(1024)) {
        (Some(0), Some(kibibytes)) => format!("{kibibytes} KiB"),
        _ => format!("{bytes} bytes"),
    }
}

/// What a layout of RAID 10 keeps (Linux `raid10.c`, `setup_geo`).
fn copies_name(layout: u32) -> String {
    let (near, far) = (layout & 0xff, (layout >> 8) & 0xff);
    let way = if layout & (1 << 16) == 0 { "far" } else { "offset" };
    match (near, far) {
        (near, 1) => format!("near {near}"),
        (1, far) => format!("{way} {far}"),
        (near, far) => format!("near {near}, {way} {far}"),
    }
}
