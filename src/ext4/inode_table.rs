//! Inode tables, which are read in runs: files of one directory mostly have neighbouring inodes.

use crate::device::Device;
use crate::group;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use vfs::{Error, ErrorKind, Kept, NodeId, Result};

/// Bytes that are read at a time; a power of two, and at least a block.
const RUN_BYTES: u64 = 1 << 16;
/// Runs that are kept, and groups of which it is known where their tables are.
const RUNS_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();
const GROUPS_MAX: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// What was read of the inode tables.
pub(crate) struct InodeTables {
    runs: Kept<u64, Vec<u8>>,
    starts: Kept<u64, u64>,
}

/// Where an inode is.
struct Place {
    /// Its byte of the volume.
    at: u64,
    /// The bytes of the volume that its group's table takes.
    table: Range<u64>,
}

impl InodeTables {
    pub(crate) fn new() -> Self {
        Self { runs: Kept::new(RUNS_MAX), starts: Kept::new(GROUPS_MAX) }
    }
}

/// The bytes of an inode, in use or not.
pub(crate) fn read_record(device: &Device, number: NodeId) -> Result<Vec<u8>> {
    let place = place(device, number)?;
    let mut record = vec![0; device.superblock.inode_bytes];
    let run = run(&place);
    let read = |run: &Range<u64>| {
        let length = usize::try_from(run.end.saturating_sub(run.start)).unwrap_or(0);
        let mut bytes = vec![0; length];
        device.read(run.start, &mut bytes).map(|()| bytes)
    };
    // A run with an unreadable place in it says nothing of the inodes beside that.
    if let Ok(bytes) = device.inode_tables.runs.get_or_read(run.start, || read(&run))
        && let Some(found) = usize::try_from(place.at.saturating_sub(run.start)).ok().and_then(|from| bytes.get(from..))
        && let Some(found) = found.get(..record.len())
    {
        record.copy_from_slice(found);
        return Ok(record);
    }
    device.read(place.at, &mut record)?;
    Ok(record)
}

/// Hints that these inodes are wanted soon.
pub(crate) fn will_need(device: &Device, numbers: impl Iterator<Item = NodeId>) {
    // A hint never fails: whoever reads the inode is told.
    let runs: BTreeSet<_> = numbers
        .filter_map(|number| place(device, number).ok())
        .map(|place| run(&place))
        .map(|run| (run.start, run.end))
        .collect();
    let runs: Vec<_> = runs.into_iter().map(|(start, end)| start..end).collect();
    device.will_need(&runs);
}

/// The part of a table that is read for one inode.
fn run(place: &Place) -> Range<u64> {
    let in_table = place.at.saturating_sub(place.table.start);
    let start = place.table.start.saturating_add(in_table & !RUN_BYTES.wrapping_sub(1));
    start..start.saturating_add(RUN_BYTES).min(place.table.end)
}

fn place(device: &Device, number: NodeId) -> Result<Place> {
    let superblock = &device.superblock;
    let missing = || Error::new(ErrorKind::NotFound, format!("inode {} does not exist", number.0));
    let index = number.0.checked_sub(1).filter(|index| *index < superblock.inodes).ok_or_else(missing)?;
    let group = index.checked_div(superblock.inodes_per_group).ok_or_else(missing)?;
    let in_group = index.checked_rem(superblock.inodes_per_group).ok_or_else(missing)?;
    let inode_bytes = u64::try_from(superblock.inode_bytes).map_err(|_| missing())?;
    let block = *device.inode_tables.starts.get_or_read(group, || group::inode_table(device, group))?;
    let table_bytes = superblock.inodes_per_group.checked_mul(inode_bytes).ok_or_else(missing)?;
    let in_table = in_group.checked_mul(inode_bytes).ok_or_else(missing)?;
    let start = device.offset(block, (in_table >> superblock.block_shift).saturating_add(1), "an inode table")?;
    let end = start.saturating_add(table_bytes).min(superblock.blocks << superblock.block_shift);
    Ok(Place { at: start.checked_add(in_table).ok_or_else(missing)?, table: start..end })
}
