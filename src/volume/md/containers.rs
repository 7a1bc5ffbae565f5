//! What the arrays in containers of RAID firmware have in common, whoever wrote the metadata (Intel, DDF).

use crate::map::{self, Excluded, Faults, Layout, Linear, Segment, Trusted};
use crate::md::geometry::{Geometry, Level};
use crate::{Error, Health, Purpose, Volume, VolumeKind};
use block::{BlockSize, ReadAt, Slice};
use sha1::{Digest, Sha1};
use std::iter;
use std::ops::Range;
use std::sync::Arc;

/// What is told of an array with parity that is degraded and was not shut down.
pub(super) const DIRTY: &str = "it was not shut down and a disk is missing: where it was being written to, what that disk \
                                held may be out of date";

/// The UUID that mdadm makes up where metadata has none: of a hash of what the metadata does have.
pub(super) fn sha1_uuid(parts: &[&[u8]]) -> String {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    let digest = hash.finalize();
    let (words, _) = digest.as_chunks::<4>();
    let words: Vec<_> = words.iter().take(4).map(|word| format!("{:08x}", u32::from_le_bytes(*word))).collect();
    words.join(":")
}

/// An array that has no metadata of its own on its members.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) geometry: Geometry,
    /// Bytes that each member gives.
    pub(super) data: Vec<u64>,
    /// What its metadata says of its size, in bytes.
    pub(super) size: u64,
    /// The byte of each member up to which parity was made; `None` when all of it was.
    pub(super) parity_up_to: Option<u64>,
}

/// The part of a device that an array lies on.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) data: Arc<dyn ReadAt>,
    /// Where the array begins.
    pub(super) start: u64,
    /// Bytes of the device that its owner could not read or write.
    pub(super) bad: Vec<Range<u64>>,
    /// How far it was filled, in bytes from `start`; `None` when it is whole.
    pub(super) filled: Option<u64>,
}

impl Array {
    /// Where its bytes lie.
    ///
    /// # Errors
    /// When its numbers contradict each other.
    pub(super) fn layout(&self) -> Result<Box<dyn Layout>, Error> {
        let layout = self.geometry.layout(&self.data)?;
        let size = self.size.min(layout.size());
        let has_parity = self.geometry.level.parities() > 0;
        let parity_up_to = self.parity_up_to.filter(|_| has_parity).unwrap_or(u64::MAX);
        if size == 0 {
            return Err(Error::Damaged(format!("{} of no size", self.geometry.description())));
        }
        Ok(Box::new(Trusted { layout, size, parity_up_to }))
    }

    /// How many of the groups that are copies of each other there are: a group for each member where none are.
    fn copies(&self) -> usize {
        let copies = match (self.geometry.level, self.geometry.layout) {
            (Level::Raid1, _) => self.geometry.members,
            (Level::Raid10, Some(layout)) => u64::from(layout & 0xFF),
            _ => 1,
        };
        usize::try_from(copies).unwrap_or(usize::MAX).max(1)
    }

    /// Whether these two members hold the same bytes.
    pub(super) fn are_copies(&self, one: usize, other: usize) -> bool {
        one.checked_div(self.copies()) == other.checked_div(self.copies())
    }

    /// What is left of it when only these members are whole.
    pub(super) fn health(&self, is_whole: &[bool]) -> Health {
        let there = is_whole.iter().filter(|whole| **whole).count();
        let missing = u64::try_from(is_whole.len().saturating_sub(there)).unwrap_or(u64::MAX);
        let parities = self.geometry.level.parities();
        let is_readable = match self.copies() {
            1 => missing <= parities && self.parity_up_to.is_none(),
            copies => is_whole.chunks(copies).all(|group| group.contains(&true)),
        };
        match (missing, is_readable, there) {
            (0, ..) => Health::Whole,
            (_, true, _) => Health::Degraded,
            (_, false, 0) => Health::Unreadable,
            (_, false, _) => Health::Partial,
        }
    }

    /// The volume that it is, of these members by slot, each with what messages call it.
    pub(super) fn volume(
        &self,
        name: &str,
        members: Vec<(String, Option<Part>)>,
        block_size: BlockSize,
        faults: &Arc<Faults>,
    ) -> Result<Volume, Error> {
        let is_whole = |part: &Part| part.filled.is_none();
        let whole: Vec<_> = members.iter().map(|(_, part)| part.as_ref().is_some_and(is_whole)).collect();
        let mut legs = Vec::with_capacity(members.len());
        for ((name, part), bytes) in members.into_iter().zip(&self.data) {
            legs.push(map::Leg { name, data: part.map(|part| part.slice(*bytes)).transpose()? });
        }
        let kind = VolumeKind::Layout(self.geometry.description());
        let data = Arc::new(map::Map::new(self.layout()?, legs, faults));
        Ok(Volume { health: self.health(&whole), ..Volume::new(name, kind, block_size, data) })
    }
}

/// A volume of `bytes` bytes that is there and cannot be read.
pub(super) fn refused(name: &str, what: &str, bytes: u64, block_size: BlockSize, why: &str) -> Volume {
    let layout = Box::new(Linear::new(vec![Segment::lost(bytes, why)]));
    let data = Arc::new(map::Map::new(layout, Vec::new(), &Arc::default()));
    let volume = Volume::new(name, VolumeKind::Layout(what.to_owned()), block_size, data);
    Volume { purpose: Purpose::Refused(why.to_owned()), health: Health::Unreadable, ..volume }
}

impl Part {
    /// The bytes that the array lies on, `bytes` of them. Of a device that is cut short there are fewer.
    pub(super) fn slice(&self, bytes: u64) -> Result<Arc<dyn ReadAt>, Error> {
        let start = self.start.min(self.data.size());
        let left = self.data.size().saturating_sub(start);
        let mut part: Arc<dyn ReadAt> = Arc::new(Slice::new(Arc::clone(&self.data), start, bytes.min(left))?);
        if !self.bad.is_empty() {
            let inside = |range: &Range<u64>| {
                range.start.saturating_sub(self.start)..range.end.saturating_sub(self.start).min(bytes)
            };
            part = Arc::new(Excluded::bad_blocks(part, self.bad.iter().map(inside).collect()));
        }
        if let Some(filled) = self.filled {
            part = Arc::new(Excluded::not_rebuilt(part, iter::once(filled..u64::MAX).collect()));
        }
        Ok(part)
    }
}
