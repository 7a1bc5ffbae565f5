//! What an array keeps beside its members, or in a part of them, against writes that were cut off: its journal and its
//! partial parity logs, laid over what the members hold as Linux would apply them when it starts the array.

use super::journal::{Journal, Replayed};
use super::members::{Candidate, Members, Seat};
use super::ppl::PartialParity;
use crate::Error;
use crate::map::{Layout, Leg};
use block::{ReadAt, Slice};
use std::sync::Arc;

/// What logs are applied to, and what they gave.
pub(super) struct Logs<'a> {
    pub(super) members: &'a Members<'a>,
    pub(super) layout: &'a dyn Layout,
    /// What users should know.
    pub(super) notices: Vec<String>,
    /// Whether parity is right though the array was not stopped.
    pub(super) is_parity_recovered: bool,
}

impl Logs<'_> {
    /// Puts right what `legs` hold; what is to lie over the array besides, if anything.
    ///
    /// # Errors
    /// When there is a journal that cannot be read: what was written last may be there alone.
    pub(super) fn apply(&mut self, legs: &mut [Leg]) -> Result<Option<Replayed>, Error> {
        let superblock = &self.members.freshest;
        if superblock.in_sync_to.is_some() && superblock.extras.ppl.is_some() && superblock.reshape.is_none() {
            self.recover_parity(legs);
        }
        if !superblock.extras.has_journal {
            return Ok(None);
        }
        let Some(journal) = self.members.journal else {
            self.notices.push(without_journal(superblock.in_sync_to.is_some()));
            return Ok(None);
        };
        if superblock.reshape.is_some() {
            return Err(Error::Damaged("it has a journal and is being reshaped, which cannot be".to_owned()));
        }
        let own = &journal.superblock;
        let name = &journal.device.name;
        let cut_short = |_| {
            Error::Damaged(format!(
                "its journal, {name}, is cut short, and the newest writes may be in what is missing of it: open the \
                 array without {name} to see what is older"
            ))
        };
        let data = Slice::new(Arc::clone(&journal.device.data), own.data_offset, own.data_bytes).map_err(cut_short)?;
        let parities = superblock.geometry.level.parities();
        let journal = Journal {
            data: Arc::new(data),
            tail: own.extras.journal_tail,
            uuid: superblock.set,
            layout: self.layout,
            chunk: superblock.geometry.chunk,
            data_members: superblock.geometry.members.saturating_sub(parities),
            parities,
        };
        let mut replayed = journal.replay()?;
        for (slot, leg) in legs.iter_mut().enumerate() {
            leg.data = leg.data.take().map(|data| replayed.member(slot, &data));
        }
        if replayed.stripes > 0 {
            self.notices.push(format!("{} stripes are completed from its journal", replayed.stripes));
        }
        self.notices.append(&mut replayed.notices);
        Ok(Some(replayed))
    }

    fn recover_parity(&mut self, legs: &mut [Leg]) {
        let members: Vec<_> = self.up_to_date(legs);
        let logs: Vec<_> = self.members.seats.iter().map(|seat| seat.holder.and_then(log)).collect();
        let geometry = &self.members.freshest.geometry;
        let log = PartialParity {
            layout: self.layout,
            chunk: geometry.chunk,
            data_members: geometry.members.saturating_sub(geometry.level.parities()),
            members: &members,
            logs: &logs,
            signature: Some(crc32c::crc32c(&self.members.freshest.set)),
            block: 512,
        };
        match log.recover() {
            Ok(recovered) => {
                for (leg, data) in legs.iter_mut().zip(recovered.members) {
                    leg.data = data.or_else(|| leg.data.take());
                }
                self.is_parity_recovered = recovered.damaged == 0;
            }
            Err(error) => self.notices.push(format!("its partial parity log cannot be read: {error}")),
        }
    }

    /// The members that hold all that they have to.
    fn up_to_date(&self, legs: &[Leg]) -> Vec<Option<Arc<dyn ReadAt>>> {
        let is_whole =
            |seat: &Seat<'_>| seat.holder.is_some_and(|candidate| candidate.superblock.recovered_to.is_none());
        let member = |(seat, leg): (&Seat<'_>, &Leg)| leg.data.clone().filter(|_| is_whole(seat));
        self.members.seats.iter().zip(legs).map(member).collect()
    }
}

/// What to know of an array whose journal is not there, or was left behind.
fn without_journal(was_in_use: bool) -> String {
    let when = match was_in_use {
        true => "it was in use",
        false => "nothing else tells whether it was in use",
    };
    format!(
        "its journal is missing or out of date: the newest writes may be there alone, and {when}. What is read may be \
         older than what was written, in some places and not in others (Linux starts it with --force only). Add the \
         journal's disk"
    )
}

/// The partial parity log of a member that is up to date.
fn log(candidate: &Candidate<'_>) -> Option<Arc<dyn ReadAt>> {
    let superblock = &candidate.superblock;
    let place = superblock.extras.ppl.filter(|_| superblock.recovered_to.is_none())?;
    let slice = Slice::new(Arc::clone(&candidate.device.data), place.at, place.bytes).ok()?;
    Some(Arc::new(slice))
}
