//! What a kernel finishes after the replay of a log, kept as differences: the mappings, sizes and attributes of the
//! files that are concerned. Trees of free space, of reverse mappings and of references are not looked at by anybody
//! who reads files, so intents about them are not carried out. Where a kernel would give up the whole file system, only
//! the files concerned are refused.
//!
//! Sources: Linux `fs/xfs/libxfs/xfs_bmap.c` (`xfs_bmap_finish_one`), `libxfs/xfs_exchmaps.c`,
//! `fs/xfs/xfs_attr_item.c`.

mod extent_lists;
mod pieces;

use crate::filesystem::Xfs;
use crate::fork::{Fork, Which};
use crate::inode::Inode;
use crate::log::{AttributeChange, AttributeIntent, ExchangeIntent, Intent, MapIntent};
use crate::mapping::{self, BLOCKS_END, Place, Run};
use crate::xattr;
use pieces::Pieces;
use std::collections::HashMap;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, NodeId, Result};

/// The differences, by inode.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    inodes: HashMap<NodeId, Changes>,
    /// Runs of blocks that were looked at.
    steps: usize,
}

/// What is different about an inode.
#[derive(Debug, Default)]
struct Changes {
    data: Pieces,
    attributes: Pieces,
    size: Option<u64>,
    /// Blocks that it gained and lost.
    gained: u64,
    lost: u64,
    named: Vec<Named>,
    /// Why it cannot be shown.
    refused: Option<String>,
}

/// An attribute that was set or, without a value, removed.
#[derive(Debug)]
pub(crate) struct Named {
    /// Its namespace, as the flags of attributes on the disk say it.
    pub(crate) flags: u8,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// Runs of blocks that all intents of a log may concern: a piece of a file may be kept in memory for each.
const STEPS_MAX: usize = 1 << 20;
/// Attributes of a file that were being changed: a kernel changes one after the other.
const NAMED_MAX: usize = 1 << 10;

impl Changes {
    fn pieces(&self, which: Which) -> &Pieces {
        if which == Which::Data { &self.data } else { &self.attributes }
    }

    fn put(&mut self, which: Which, start: u64, run: Run) {
        let pieces = if which == Which::Data { &mut self.data } else { &mut self.attributes };
        pieces.put(start, run);
    }

    /// Sets or removes an attribute, whatever was done to it before.
    fn name(&mut self, named: Named) -> Result<()> {
        self.named.retain(|other| (other.flags, &other.name) != (named.flags, &named.name));
        if self.named.len() >= NAMED_MAX {
            return Err(Error::new(ErrorKind::Unsupported, "it changes more attributes than are kept in memory"));
        }
        self.named.push(named);
        Ok(())
    }

    /// Counts a run that was `before` and is `after`.
    fn count(&mut self, before: Run, after: Run) {
        let blocks = |run: Run| if run.place == Place::Hole { 0 } else { run.count };
        self.lost = self.lost.saturating_add(blocks(before));
        self.gained = self.gained.saturating_add(blocks(after));
    }
}

impl Finished {
    /// The parts of a fork that are mapped otherwise; `None` when none are.
    pub(crate) fn pieces(&self, inode: NodeId, which: Which) -> Option<&Pieces> {
        self.inodes.get(&inode).map(|changes| changes.pieces(which)).filter(|pieces| !pieces.is_empty())
    }

    /// The attributes that were set or removed, in that order.
    pub(crate) fn named(&self, inode: NodeId) -> &[Named] {
        self.inodes.get(&inode).map_or(&[], |changes| &changes.named)
    }

    /// An inode as it was read, with what is different about it.
    pub(crate) fn apply(&self, inode: Inode, block_shift: u32) -> Result<Inode> {
        let Some(changes) = self.inodes.get(&inode.number) else { return Ok(inode) };
        if let Some(why) = &changes.refused {
            let message = format!("{}: the log ends in the middle of a change of it, and {why}", inode.name());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let mut inode = inode;
        inode.attr.size = changes.size.unwrap_or(inode.attr.size);
        let bytes = |blocks: u64| blocks.checked_shl(block_shift).unwrap_or(u64::MAX);
        inode.attr.allocated =
            inode.attr.allocated.saturating_add(bytes(changes.gained)).saturating_sub(bytes(changes.lost));
        Ok(inode)
    }

    /// The forks that are mapped otherwise.
    fn forks(&self) -> Vec<(NodeId, Which)> {
        let shown = self.inodes.iter().filter(|(_, changes)| changes.refused.is_none());
        let forks = shown.flat_map(|(inode, changes)| {
            let forks = [Which::Data, Which::Attributes].into_iter();
            forks.filter(|which| !changes.pieces(*which).is_empty()).map(|which| (*inode, which))
        });
        forks.collect()
    }

    /// Counts a run of blocks.
    fn step(&mut self) -> Result<()> {
        self.steps = self.steps.saturating_add(1);
        if self.steps <= STEPS_MAX {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "it is one of changes that concern more blocks than are kept in memory"))
    }

    fn of(&mut self, inode: u64) -> &mut Changes {
        self.inodes.entry(NodeId(inode)).or_default()
    }

    fn refuse(&mut self, inode: u64, error: &Error) {
        self.of(inode).refused.get_or_insert_with(|| error.message.clone());
    }
}

/// Finishes the intents of a log, in its order. An error is one of the disk.
pub(crate) fn finish(fs: &mut Xfs, intents: Vec<Intent>) -> Result<()> {
    for intent in intents {
        let (inodes, result) = match intent {
            Intent::Space(_) => continue,
            Intent::Map(map) => (vec![map.owner], finish_map(fs, &map)),
            Intent::Exchange(exchange) => (exchange.inodes.to_vec(), finish_exchange(fs, &exchange)),
            Intent::Attribute(attribute) => (vec![attribute.inode], finish_attribute(fs, attribute)),
        };
        match result {
            Ok(()) => {}
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::NotFound) => {
                inodes.into_iter().for_each(|inode| fs.finished.refuse(inode, &error));
            }
            Err(error) => return Err(error),
        }
    }
    extent_lists::count_blocks(fs)
}

const fn fork_of(is_attr_fork: bool) -> Which {
    if is_attr_fork { Which::Attributes } else { Which::Data }
}

/// A range of a fork, which has to end where forks do.
fn checked_range(offset: u64, count: u64) -> Result<()> {
    if count == 0 || offset.checked_add(count).is_none_or(|end| end > BLOCKS_END) {
        return Err(corrupt(format!("it maps {count} blocks from block {offset} on")));
    }
    Ok(())
}

/// A fork whose blocks can be mapped otherwise.
fn check_fork(inode: &Inode, which: Which) -> Result<()> {
    match inode.fork(which) {
        Some(Fork::Extents(_) | Fork::Tree(_)) => Ok(()),
        _ => Err(corrupt("it maps blocks of a fork that has none")),
    }
}

/// Maps an extent or unmaps it (Linux `xfs_bui_recover_work`).
fn finish_map(fs: &mut Xfs, map: &MapIntent) -> Result<()> {
    let (which, count) = (fork_of(map.is_attr_fork), u64::from(map.length));
    checked_range(map.offset, count)?;
    let inode = Inode::read(&fs.device, NodeId(map.owner))?;
    check_fork(&inode, which)?;
    let part = inode.part(which);
    if map.is_realtime != (part == crate::device::Part::Realtime) {
        return Err(corrupt("it maps blocks of another device than those of the file"));
    }
    fs.device.address(part, map.start_block, count, &|| "it".to_owned())?;
    let place = match (map.is_map, map.is_unwritten) {
        (false, _) => Place::Hole,
        (true, true) => Place::Unwritten(map.start_block),
        (true, false) => Place::Stored(map.start_block),
    };
    let end = map.offset.saturating_add(count);
    let mut at = map.offset;
    // Ends: a run has a block at least, and an extent as many as fit 32 bits; only holes are that many in one.
    while at < end {
        fs.finished.step()?;
        let before = mapping::run(fs, &inode, which, at)?;
        let before = Run { count: before.count.min(end.saturating_sub(at)), ..before };
        if map.is_map && before.place != Place::Hole {
            return Err(corrupt(format!("it maps block {at}, which is mapped already")));
        }
        fs.finished.of(map.owner).count(before, Run { count: 0, place: Place::Hole });
        at = at.saturating_add(before.count);
    }
    let run = Run { count, place };
    let changes = fs.finished.of(map.owner);
    changes.count(Run { count: 0, place: Place::Hole }, run);
    changes.put(which, map.offset, run);
    Ok(())
}

/// Exchanges what is left of a range of two files (Linux `xfs_exchmaps_recover_work`).
fn finish_exchange(fs: &mut Xfs, exchange: &ExchangeIntent) -> Result<()> {
    const KNOWN: u64 = 0x1F;
    let which = fork_of(exchange.is_attr_fork());
    if exchange.flags & !KNOWN != 0 {
        return Err(corrupt(format!("it is an exchange with the flags {:#x}", exchange.flags)));
    }
    let inodes = exchange.inodes.map(|inode| Inode::read(&fs.device, NodeId(inode)));
    let [first, second] = inodes;
    let inodes = [first?, second?];
    for ((inode, offset), generation) in inodes.iter().zip(exchange.offsets).zip(exchange.generations) {
        if exchange.blocks > 0 {
            checked_range(offset, exchange.blocks)?;
        }
        check_fork(inode, which)?;
        if inode.generation() != generation {
            return Err(corrupt("it exchanges a file that is not there any more"));
        }
    }
    if inodes[0].part(which) != inodes[1].part(which) {
        return Err(corrupt("it exchanges blocks of two devices"));
    }
    let rounds = fs.device.superblock.realtime.is_some_and(|realtime| realtime.extent_blocks > 1);
    if exchange.only_written() && rounds && inodes[0].part(which) == crate::device::Part::Realtime {
        return Err(Error::new(ErrorKind::Unsupported, "it exchanges what is written of realtime extents"));
    }
    exchange_pieces(fs, exchange, &inodes, which)?;
    if exchange.sets_sizes() && which == Which::Data {
        for (inode, size) in exchange.inodes.into_iter().zip(exchange.sizes) {
            if i64::try_from(size).is_err() {
                return Err(corrupt(format!("it sets a size of {size} bytes")));
            }
            fs.finished.of(inode).size = Some(size);
        }
    }
    Ok(())
}

/// Linux `xfs_exchmaps_find_mappings`, `xfs_exchmaps_one_step`.
fn exchange_pieces(fs: &mut Xfs, exchange: &ExchangeIntent, inodes: &[Inode; 2], which: Which) -> Result<()> {
    let [first, second] = inodes;
    let mut done = 0;
    while done < exchange.blocks {
        fs.finished.step()?;
        let offsets = exchange.offsets.map(|offset| offset.saturating_add(done));
        let left = exchange.blocks.saturating_sub(done);
        let runs = [mapping::run(fs, first, which, offsets[0])?, mapping::run(fs, second, which, offsets[1])?];
        let count = runs[0].count.min(runs[1].count).min(left);
        let [one, two] = runs.map(|run| Run { count, ..run });
        done = done.saturating_add(count);
        let is_kept = exchange.only_written() && !matches!(one.place, Place::Stored(_));
        if is_kept || (one.place == Place::Hole && two.place == Place::Hole) {
            continue;
        }
        for ((inode, offset), (before, after)) in exchange.inodes.into_iter().zip(offsets).zip([(one, two), (two, one)])
        {
            let changes = fs.finished.of(inode);
            changes.count(before, after);
            changes.put(which, offset, after);
        }
    }
    Ok(())
}

/// Sets or removes an attribute (Linux `xfs_attri_recover_work`). Parent pointers are shown to nobody.
fn finish_attribute(fs: &mut Xfs, intent: AttributeIntent) -> Result<()> {
    /// `XFS_ATTR_ROOT` and `XFS_ATTR_SECURE`; a change may be marked as one of an incomplete attribute.
    const NAMESPACES: u32 = 0x2 | 0x4;
    const INCOMPLETE: u32 = 0x80;
    let value = match intent.change {
        AttributeChange::Set | AttributeChange::Replace => Some(intent.value),
        AttributeChange::Remove => None,
        AttributeChange::SetParent | AttributeChange::RemoveParent | AttributeChange::ReplaceParent => return Ok(()),
    };
    if !xattr::is_name(&intent.name) {
        return Err(corrupt("it changes an attribute with a damaged name"));
    }
    if intent.filter & !(NAMESPACES | INCOMPLETE) != 0 || intent.filter & NAMESPACES == NAMESPACES {
        return Err(corrupt(format!("it changes an attribute of the namespace {:#x}", intent.filter)));
    }
    let flags = u8::try_from(intent.filter & NAMESPACES).unwrap_or(0);
    fs.finished.of(intent.inode).name(Named { flags, name: intent.name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_the_runs_of_blocks_that_a_log_changes() {
        let mut finished = Finished::default();
        assert!((0..STEPS_MAX).all(|_| finished.step().is_ok()));
        assert_eq!(finished.step().unwrap_err().kind, ErrorKind::Unsupported);
    }

    #[test]
    fn of_changes_of_attributes_the_last_counts_and_there_is_an_end_to_them() {
        let mut changes = Changes::default();
        let mut name = |number: usize, value: Option<Vec<u8>>| {
            changes.name(Named { flags: 0, name: number.to_string().into_bytes(), value }).is_ok()
        };
        assert!((0..NAMED_MAX).all(|number| name(number, None)));
        assert!(name(0, Some(b"set again".to_vec())));
        assert!(!name(NAMED_MAX, None));
        assert_eq!(changes.named.len(), NAMED_MAX);
        assert_eq!(changes.named.last().unwrap().value.as_deref(), Some(&b"set again"[..]));
    }
}
