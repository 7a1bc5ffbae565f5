//! What a record changes on the volume: it is read from where its clusters are, changed, and kept in memory with a new
//! update sequence (`do_action` of Linux `fs/ntfs3/fslog.c`).

use super::edit::{put, put_data};
use super::file::{self, Change};
use super::index_block;
use super::lsn::Lsn;
use super::operation::{Action, Data, FileOperation, Operation};
use super::table::OpenAttribute;
use crate::boot::{Geometry, MIRRORED};
use crate::bytes::{index, length, u16_at, u32_at, u64_at};
use crate::fixup;
use vfs::Result;
use vfs::reader::corrupt;
use vfs::replay::{Memory, SECTOR, SECTOR_SHIFT, Volume};

/// Bytes that one record may set or clear bits in; Windows stays within a page.
const BITS_BYTES_MAX: usize = 1 << 20;
/// Offset of the LSN in records and blocks.
const LSN: usize = 8;

/// The volume, and what was changed on it so far.
pub(super) struct Target<'a> {
    pub(super) volume: Volume,
    pub(super) memory: &'a mut Memory,
    pub(super) geometry: &'a Geometry,
    /// Operations that were left out because what they change is torn on the volume: it stays unreadable.
    pub(super) torn: u64,
}

/// An operation that is to be done.
pub(super) struct Step<'a> {
    pub(super) action: &'a Action<'a>,
    pub(super) operation: Operation,
    pub(super) data: Data<'a>,
    /// How much the opposite operation holds.
    pub(super) other_len: usize,
    pub(super) attribute: OpenAttribute,
    /// Where the clusters of the attribute are; `None` for those that were freed.
    pub(super) lcn_of: &'a dyn Fn(u64) -> Option<u64>,
    /// Whether what has this LSN or a later one already is left alone, and gets it otherwise.
    pub(super) lsn: Option<Lsn>,
}

/// A part of what is changed that lies in one place.
struct Piece {
    /// The first sector; `None` where the cluster was freed.
    sector: Option<u64>,
    bytes: usize,
}

impl Step<'_> {
    fn does_not_fit(&self) -> vfs::Error {
        corrupt(format!("record {:#x} of the log does not fit what it changes", self.action.lsn.0))
    }
}

impl Target<'_> {
    /// Does what `step` says. Returns whether that changed anything.
    pub(super) fn apply(&mut self, step: &Step<'_>) -> Result<bool> {
        match (step.operation, step.attribute) {
            (Operation::File(operation), OpenAttribute::Mft) => self.file(step, operation),
            (Operation::Index(operation), OpenAttribute::Index(bytes)) => {
                let change: IndexChange<'_> = &|block, action| {
                    let fits = action.record_offset == 0;
                    fits.then(|| index_block::change(block, operation, action.attribute_offset, step.data)).flatten()
                };
                self.block(step, bytes, false, change)
            }
            (Operation::UpdateNonresidentValue, OpenAttribute::Index(bytes)) => {
                // The whole block, as it is when it is new, is written without regard to what was there.
                let is_new =
                    step.action.record_offset == 0 && step.data.bytes().is_some_and(|data| data.starts_with(b"INDX"));
                let change: IndexChange<'_> = &|block, action| {
                    put_data(block, action.record_offset, step.data)?;
                    index_block::is_sound(block).then_some(())
                };
                self.block(step, bytes, is_new, change)
            }
            (Operation::UpdateNonresidentValue, OpenAttribute::Other) => {
                let data = step.data;
                self.raw(step, 0, data.len(), &|bytes| data.write(0, bytes))
            }
            (Operation::Bits(is_set), OpenAttribute::Other) => self.bits(step, is_set),
            _ => Err(step.does_not_fit()),
        }
    }

    fn file(&mut self, step: &Step<'_>, operation: FileOperation) -> Result<bool> {
        let bytes = self.geometry.record_bytes;
        let at = self.start(step)?;
        let number = at.checked_div(bytes.into()).ok_or_else(|| step.does_not_fit())?;
        if at.checked_rem(bytes.into()) != Some(0) {
            return Err(step.does_not_fit());
        }
        let action = step.action;
        let change = Change {
            at: action.record_offset,
            in_attribute: action.attribute_offset,
            data: step.data,
            other_len: step.other_len,
        };
        let is_new = operation == FileOperation::Initialize;
        let structure = Structure { at, bytes: index(bytes), magic: b"FILE", is_new, keeps_rest: true };
        let done = self.structure(step, &structure, &|record: &mut [u8]| {
            let is_it = |record: &[u8]| has_number(record, number).unwrap_or(false);
            let was_it = is_new || is_it(record);
            (was_it && file::change(record, operation, change).is_some() && is_it(record)).then_some(())
        })?;
        if let Some(new) = &done
            && number < MIRRORED
        {
            self.mirror(number, new)?;
        }
        Ok(done.is_some())
    }

    /// Changes the copy of one of the first records as the record itself.
    fn mirror(&mut self, number: u64, record: &[u8]) -> Result<()> {
        let at = self.geometry.mirror_address(number);
        let (sector, count) = (at.unwrap_or(u64::MAX) >> SECTOR_SHIFT, length(record) >> SECTOR_SHIFT);
        let old = self.volume.read(sector, count)?;
        self.volume.write(sector, &old, record, self.memory)
    }

    fn block(&mut self, step: &Step<'_>, bytes: u32, is_new: bool, change: IndexChange<'_>) -> Result<bool> {
        let unit_shift = self.geometry.index_unit_shift(bytes).ok_or_else(|| step.does_not_fit())?;
        let at = self.start(step)?;
        let vcn = at >> unit_shift;
        let structure = Structure { at, bytes: index(bytes), magic: b"INDX", is_new, keeps_rest: false };
        let done = self.structure(step, &structure, &|block: &mut [u8]| {
            let was_it = is_new || u64_at(block, 0x10) == Some(vcn);
            change(block, step.action).filter(|()| was_it && u64_at(block, 0x10) == Some(vcn))
        })?;
        Ok(done.is_some())
    }

    /// Changes something with an update sequence and an LSN. Returns what it is then, `None` when it was left alone.
    fn structure(
        &mut self,
        step: &Step<'_>,
        structure: &Structure,
        change: &dyn Fn(&mut [u8]) -> Option<()>,
    ) -> Result<Option<Vec<u8>>> {
        let pieces = self.pieces(step, structure.at, structure.bytes)?;
        let gone = pieces.iter().filter(|piece| piece.sector.is_none()).count();
        if gone == pieces.len() {
            return Ok(None);
        }
        if gone > 0 {
            return Err(step.does_not_fit());
        }
        let old = self.read(&pieces)?;
        let mut new = old.clone();
        let is_whole = new.starts_with(structure.magic) && fixup::undo(&mut new).is_ok();
        if !is_whole && !structure.is_new {
            self.torn = self.torn.saturating_add(1);
            return Ok(None);
        }
        if !is_whole || (structure.is_new && !structure.keeps_rest) {
            new.fill(0);
        }
        let is_checked = is_whole && (structure.keeps_rest || !structure.is_new);
        if let Some(lsn) = step.lsn
            && is_checked
            && u64_at(&new, LSN).is_some_and(|there| there >= lsn.0)
        {
            return Ok(None);
        }
        change(&mut new).ok_or_else(|| step.does_not_fit())?;
        if let Some(lsn) = step.lsn {
            put(&mut new, LSN, &lsn.0.to_le_bytes()).ok_or_else(|| step.does_not_fit())?;
        }
        fixup::redo(&mut new).map_err(|_| step.does_not_fit())?;
        self.write(&pieces, &old, &new)?;
        Ok(Some(new))
    }

    fn bits(&mut self, step: &Step<'_>, is_set: bool) -> Result<bool> {
        let range = step.data.bytes().filter(|data| data.len() == 8).ok_or_else(|| step.does_not_fit())?;
        let first = u32_at(range, 0).map_or(0, index);
        let count = u32_at(range, 4).map_or(0, index);
        let end = first.saturating_add(count);
        let first_byte = first / 8;
        let bytes = end.div_ceil(8).saturating_sub(first_byte);
        if bytes > BITS_BYTES_MAX {
            return Err(step.does_not_fit());
        }
        self.raw(step, first_byte, bytes, &|raw| {
            for (number, byte) in (first_byte..).zip(raw) {
                let bit = number.saturating_mul(8);
                let from = first.saturating_sub(bit).min(8);
                let to = end.saturating_sub(bit).min(8);
                let mask = (from..to).fold(0_u8, |mask, bit| mask | 1 << bit);
                *byte = if is_set { *byte | mask } else { *byte & !mask };
            }
        })
    }

    /// Changes bytes of an attribute that has neither update sequences nor LSNs: once more is the same as once.
    fn raw(&mut self, step: &Step<'_>, skip: usize, count: usize, change: &dyn Fn(&mut [u8])) -> Result<bool> {
        if step.action.attribute_offset != 0 {
            return Err(step.does_not_fit());
        }
        let skip = step.action.record_offset.saturating_add(skip);
        let from = self.start(step)?.checked_add(u64::try_from(skip).unwrap_or(u64::MAX));
        let from = from.ok_or_else(|| step.does_not_fit())?;
        let in_sector = usize::try_from(from).map_or(0, |from| from & SECTOR.wrapping_sub(1));
        let start = from.saturating_sub(u64::try_from(in_sector).unwrap_or(0));
        let whole = in_sector.saturating_add(count).next_multiple_of(SECTOR);
        if count == 0 {
            return Ok(false);
        }
        let pieces = self.pieces(step, start, whole)?;
        let old = self.read(&pieces)?;
        let mut new = old.clone();
        let place = new.get_mut(in_sector..).and_then(|rest| rest.get_mut(..count));
        change(place.ok_or_else(|| step.does_not_fit())?);
        self.write(&pieces, &old, &new)?;
        Ok(old != new)
    }

    /// Where in its attribute the record or block begins that is changed.
    fn start(&self, step: &Step<'_>) -> Result<u64> {
        let start = step.action.vcn.checked_mul(self.geometry.cluster_bytes());
        start.and_then(|start| start.checked_add(step.action.cluster_offset)).ok_or_else(|| step.does_not_fit())
    }

    /// Where `count` bytes of the attribute are.
    fn pieces(&self, step: &Step<'_>, mut at: u64, mut count: usize) -> Result<Vec<Piece>> {
        let cluster_bytes = self.geometry.cluster_bytes();
        let mut pieces = Vec::new();
        while count > 0 {
            let in_cluster = at & cluster_bytes.wrapping_sub(1);
            let rest = usize::try_from(cluster_bytes.saturating_sub(in_cluster)).unwrap_or(usize::MAX);
            let bytes = rest.min(count);
            let sector = match (step.lcn_of)(at >> self.geometry.cluster_shift) {
                Some(lcn) if lcn < self.geometry.clusters => {
                    Some((lcn << self.geometry.cluster_shift).saturating_add(in_cluster) >> SECTOR_SHIFT)
                }
                Some(_) => return Err(step.does_not_fit()),
                None => None,
            };
            pieces.push(Piece { sector, bytes });
            at = at.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            count = count.saturating_sub(bytes);
        }
        Ok(pieces)
    }

    /// What is in these places; zeros where the cluster was freed.
    fn read(&self, pieces: &[Piece]) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for piece in pieces {
            match piece.sector {
                Some(sector) => {
                    let sectors = u64::try_from(piece.bytes).unwrap_or(u64::MAX) >> SECTOR_SHIFT;
                    all.append(&mut self.volume.read(sector, sectors)?);
                }
                None => all.resize(all.len().saturating_add(piece.bytes), 0),
            }
        }
        Ok(all)
    }

    fn write(&mut self, pieces: &[Piece], mut old: &[u8], mut new: &[u8]) -> Result<()> {
        for piece in pieces {
            let (old_now, old_rest) = old.split_at_checked(piece.bytes).unwrap_or_default();
            let (new_now, new_rest) = new.split_at_checked(piece.bytes).unwrap_or_default();
            if let Some(sector) = piece.sector {
                self.volume.write(sector, old_now, new_now, self.memory)?;
            }
            (old, new) = (old_rest, new_rest);
        }
        Ok(())
    }
}

/// What an operation does to a block.
type IndexChange<'a> = &'a dyn Fn(&mut [u8], &Action<'_>) -> Option<()>;

/// Something with an update sequence.
struct Structure {
    /// Where in its attribute it begins.
    at: u64,
    bytes: usize,
    magic: &'static [u8],
    /// Whether it is written anew, whatever was there.
    is_new: bool,
    /// Whether what the new one does not cover stays; then a later one is left alone, as it is a later life of the same
    /// record.
    keeps_rest: bool,
}

/// Whether a record has the number that its place gives it. Versions before 3.1 did not note it: their update sequence
/// is where it would be.
fn has_number(record: &[u8], number: u64) -> Option<bool> {
    const NUMBER: usize = 0x2C;
    let has_it = usize::from(u16_at(record, 4)?) >= NUMBER.checked_add(4)?;
    Some(!has_it || u64::from(u32_at(record, NUMBER)?) == number & u64::from(u32::MAX))
}
