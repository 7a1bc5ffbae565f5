//! Who is a member of an array, by what all superblocks together say (Linux `drivers/md/md.c`, `analyze_sbs` and
//! `super_1_validate`; mdadm `Assemble.c`).
//!
//! The superblock that was written most often is right about who is what. As for Linux and `mdadm`, a member may be one
//! behind: superblocks are written to one member after the other, and before any data that depends on them.

use super::geometry::Geometry;
use super::superblock::{Role, Superblock};
use crate::{Device, Error, Member, MemberState};

mod times;
mod twins;

/// A device that says that it belongs to an array.
pub(super) struct Candidate<'a> {
    /// Its position in the list that the manager was given.
    pub(super) position: usize,
    pub(super) device: &'a Device,
    pub(super) superblock: Superblock,
}

impl Candidate<'_> {
    /// Whether it holds all that the array has on it: it is filled, and its device is as long as it was.
    pub(super) fn is_whole(&self, geometry: &Geometry) -> bool {
        let superblock = &self.superblock;
        let used = match geometry.level.uses_all_of_each_member() {
            true => superblock.data_bytes,
            false => geometry.component,
        };
        let start = superblock.data_offset.max(superblock.new_data_offset);
        superblock.recovered_to.is_none() && start.saturating_add(used) <= self.device.data.size()
    }
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is what it says.
    Accepted(Role),
    /// It is behind the others.
    Behind,
    /// The others say that it failed.
    Failed,
    /// It says that others failed, which say the same of it.
    Apart,
    /// It describes another array.
    Different,
    /// This other one has the same role, and nothing tells which is right.
    Twice(usize),
    /// It is this other one once more: a copy of the same disk.
    Same(usize),
    /// This other one has the same role, and was written later.
    Older(usize),
}

/// The members of an array.
pub(super) struct Members<'a> {
    /// The superblock that is right about the array.
    pub(super) freshest: Superblock,
    /// By role: who holds it, and who is to replace that one; nobody where it is missing.
    pub(super) seats: Vec<Seat<'a>>,
    pub(super) journal: Option<&'a Candidate<'a>>,
    /// All of them as users see them.
    pub(super) list: Vec<Member>,
    pub(super) notices: Vec<String>,
    /// Whether what is read was last written at different times.
    pub(super) is_mixed: bool,
}

/// A role of an array.
#[derive(Clone, Copy, Default)]
pub(super) struct Seat<'a> {
    pub(super) holder: Option<&'a Candidate<'a>>,
    pub(super) replacement: Option<&'a Candidate<'a>>,
}

/// The candidate whose superblock is right.
pub(super) fn freshest<'a>(candidates: &'a [Candidate<'a>]) -> Option<&'a Candidate<'a>> {
    let holds_data = |candidate: &Candidate<'_>| matches!(candidate.superblock.role(), Role::Active(_));
    let rank = |candidate: &&Candidate<'_>| {
        let superblock = &candidate.superblock;
        (holds_data(candidate), superblock.events, superblock.updated)
    };
    // Of equals the first, so that the order of disks does not matter more than it has to.
    candidates.iter().rev().max_by_key(rank)
}

impl<'a> Members<'a> {
    /// Seats the candidates.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn new(candidates: &'a [Candidate<'a>]) -> Result<Self, Error> {
        let none = || Error::Damaged("none of its members can be used".to_owned());
        let best = freshest(candidates).ok_or_else(none)?;
        let mut verdicts: Vec<_> = candidates.iter().map(|candidate| verdict(candidate, best)).collect();
        twins::settle(candidates, &mut verdicts);
        let roles = usize::try_from(best.superblock.members()).unwrap_or(usize::MAX);
        let seats = vec![Seat::default(); roles];
        let freshest = best.superblock.clone();
        let (journal, list, notices) = (None, Vec::new(), Vec::new());
        let mut members = Self { freshest, seats, journal, list, notices, is_mixed: false };
        for (candidate, verdict) in candidates.iter().zip(verdicts) {
            members.seat(candidate, verdict, candidates);
        }
        members.tell_missing();
        members.tell_times();
        Ok(members)
    }

    fn seat(&mut self, candidate: &'a Candidate<'a>, verdict: Verdict, all: &[Candidate<'_>]) {
        let superblock = &candidate.superblock;
        let number = match (verdict, superblock.role()) {
            (Verdict::Accepted(Role::Active(role)), _) | (_, Role::Active(role)) => Some(role),
            _ => None,
        };
        let role = number.map_or_else(String::new, |role| format!("device {role}"));
        let mut entry = Member {
            device: Some(candidate.position),
            uuid: superblock.device_uuid(),
            role,
            state: MemberState::Stale,
        };
        match verdict {
            Verdict::Accepted(Role::Active(role)) => {
                entry.state = match superblock.recovered_to {
                    Some(_) => MemberState::Rebuilding,
                    None => MemberState::Active,
                };
                if superblock.is_replacement {
                    entry.role.push_str(" (replacement)");
                }
                self.take_seat(candidate, role);
            }
            Verdict::Accepted(Role::Journal) => {
                (entry.role, entry.state) = ("journal".to_owned(), MemberState::Journal);
                self.journal = Some(candidate);
            }
            Verdict::Accepted(Role::Spare | Role::Faulty) => {
                (entry.role, entry.state) = ("spare".to_owned(), MemberState::Spare);
            }
            Verdict::Behind
            | Verdict::Failed
            | Verdict::Apart
            | Verdict::Different
            | Verdict::Twice(_)
            | Verdict::Same(_)
            | Verdict::Older(_) => {}
        }
        self.tell(candidate, verdict, all);
        self.list.push(entry);
    }

    fn take_seat(&mut self, candidate: &'a Candidate<'a>, role: u64) {
        let seat = usize::try_from(role).ok().and_then(|role| self.seats.get_mut(role));
        match seat {
            Some(seat) if candidate.superblock.is_replacement => seat.replacement = Some(candidate),
            Some(seat) => seat.holder = Some(candidate),
            None => {
                self.notices.push(format!("{} says that it is device {role}, of which there is none", name(candidate)));
            }
        }
    }

    /// Says why a candidate is left out.
    fn tell(&mut self, candidate: &Candidate<'_>, verdict: Verdict, all_candidates: &[Candidate<'_>]) {
        let other = |rival: usize| all_candidates.get(rival).map_or("another disk", name);
        let (name, superblock) = (candidate.device.name.as_str(), &candidate.superblock);
        let (own, all) = (superblock.events, self.freshest.events);
        let why = match verdict {
            Verdict::Accepted(_) => return,
            Verdict::Behind => {
                format!("{name} is out of date (its event count is {own}, that of others {all}) and is not read")
            }
            Verdict::Failed => format!("{name} failed, as other members say, and is not read"),
            Verdict::Apart => format!(
                "{name} was used without the others and they without it: they hold different data since then. The \
                 others are read (their event count is {all}, its own {own}); to see what it has, open it without them"
            ),
            Verdict::Different => format!("{name} describes another array under the same UUID, and is not read"),
            Verdict::Twice(rival) => {
                let other = other(rival);
                format!(
                    "{name} and {other} have the same place in the array, nothing tells which is right, and neither is \
                     read: open the array again without {name}, or without {other}"
                )
            }
            Verdict::Same(first) => {
                let first = other(first);
                format!(
                    "{name} is the same member as {first}, with the same superblock: {first} is read, and {name} is not"
                )
            }
            Verdict::Older(newer) => format!(
                "{name} is the same member as {newer}, as it was earlier ({} instead of {}), and is not read",
                times::utc(superblock.updated),
                times::utc(all_candidates.get(newer).map_or(0, |newer| newer.superblock.updated)),
                newer = other(newer),
            ),
        };
        self.notices.push(why);
    }

    fn tell_missing(&mut self) {
        for (role, seat) in self.seats.iter().enumerate() {
            let role = format!("device {role}");
            let is_named = self.list.iter().any(|member| member.role == role);
            if seat.holder.is_none() && seat.replacement.is_none() && !is_named {
                self.list.push(Member { device: None, uuid: None, role, state: MemberState::Missing });
            }
        }
        let has_journal = self.freshest.extras.has_journal;
        if has_journal && self.journal.is_none() {
            let role = "journal".to_owned();
            self.list.push(Member { device: None, uuid: None, role, state: MemberState::Missing });
        }
    }
}

fn name<'a>(candidate: &Candidate<'a>) -> &'a str {
    &candidate.device.name
}

fn verdict(candidate: &Candidate<'_>, best: &Candidate<'_>) -> Verdict {
    let (own, best) = (&candidate.superblock, &best.superblock);
    if std::ptr::eq(own, best) {
        return Verdict::Accepted(own.role());
    }
    let same = |one: &Superblock, other: &Superblock| {
        let (one, other) = (&one.geometry, &other.geometry);
        (one.level, one.layout, one.chunk) == (other.level, other.layout, other.chunk)
    };
    let role = if own.events < best.events { best.role_of(own.number) } else { own.role() };
    let is_behind = own.events.saturating_add(1) < best.events;
    match (own.role(), role) {
        // Spares are not told of everything.
        (Role::Spare, _) => return Verdict::Accepted(Role::Spare),
        (Role::Active(_), _) if is_apart(own, best) => return Verdict::Apart,
        _ if is_behind => return Verdict::Behind,
        (Role::Faulty, _) | (_, Role::Faulty) => return Verdict::Failed,
        // It was taken out of the array after its last word.
        (Role::Active(_), Role::Spare) => return Verdict::Behind,
        _ => {}
    }
    if same(own, best) { Verdict::Accepted(role) } else { Verdict::Different }
}

/// Whether this member says that the freshest one is none, and did not just miss that it became one.
fn is_apart(own: &Superblock, best: &Superblock) -> bool {
    let (Role::Active(own_role), Role::Active(best_role)) = (own.role(), best.role()) else { return false };
    let is_alone = !own.knows(best_role) && !best.is_replacement && !own.is_replacement;
    is_alone && (own.events >= best.events.saturating_sub(1) || !best.knows(own_role))
}
