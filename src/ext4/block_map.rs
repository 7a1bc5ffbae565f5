//! Block maps of ext2 and ext3: twelve direct blocks, then three levels of indirection.

use crate::bytes::u32_at;
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::mapping::{Place, Run};
use vfs::Result;
use vfs::reader::corrupt;

const DIRECT: usize = 12;
const LEVELS: usize = 3;

/// The run that begins at block `logical`.
pub(crate) fn run(fs: &Ext4, inode: &Inode, logical: u32) -> Result<Run> {
    let too_far = || corrupt(format!("{}: block {logical} is more than its block map can have", inode.name()));
    let pointers: Vec<u32> =
        (0..DIRECT.saturating_add(LEVELS)).map_while(|index| u32_at(&inode.i_block, index.checked_mul(4)?)).collect();
    let direct = pointers.get(..DIRECT).ok_or_else(too_far)?;
    let mut rest = u64::from(logical);
    match usize::try_from(rest) {
        Ok(index) if index < DIRECT => return in_table(fs, inode, direct, index),
        _ => rest = rest.saturating_sub(12),
    }
    // Pointers in one indirect block: at most 2^14, so that three levels stay far below 2^64.
    let per_block = fs.device.superblock.block_bytes() >> 2;
    let mut span = per_block;
    for root in pointers.iter().skip(DIRECT) {
        if rest < span {
            return below(fs, inode, *root, span, rest);
        }
        rest = rest.saturating_sub(span);
        span = span.saturating_mul(per_block);
    }
    Err(too_far())
}

/// The run at block `rest` of the `span` blocks below the indirect block `pointer`.
fn below(fs: &Ext4, inode: &Inode, mut pointer: u32, mut span: u64, mut rest: u64) -> Result<Run> {
    let bad = || corrupt(format!("{}: its block map is damaged", inode.name()));
    let per_block = fs.device.superblock.block_bytes() >> 2;
    for _ in 0..LEVELS {
        if pointer == 0 {
            return Ok(Run { count: span.saturating_sub(rest), place: Place::Hole });
        }
        let table = fs.indirect_block(inode, pointer.into())?;
        span = span.checked_div(per_block).ok_or_else(bad)?;
        let index = rest.checked_div(span).and_then(|index| usize::try_from(index).ok()).ok_or_else(bad)?;
        rest = rest.checked_rem(span).ok_or_else(bad)?;
        if span == 1 {
            return in_table(fs, inode, &table, index);
        }
        pointer = *table.get(index).ok_or_else(bad)?;
    }
    Err(bad())
}

/// The run at pointer `index` of a table: pointers that follow each other, or that are all zero.
fn in_table(fs: &Ext4, inode: &Inode, table: &[u32], index: usize) -> Result<Run> {
    let rest = table.get(index..).unwrap_or(&[]);
    let first = *rest.first().ok_or_else(|| corrupt(format!("{}: its block map is cut short", inode.name())))?;
    if first == 0 {
        let count = rest.iter().take_while(|pointer| **pointer == 0).count();
        return Ok(Run { count: u64::try_from(count).unwrap_or(1), place: Place::Hole });
    }
    let count = (u64::from(first)..).zip(rest).take_while(|(wanted, found)| *wanted == u64::from(**found)).count();
    let count = u64::try_from(count).unwrap_or(1);
    fs.device.offset(first.into(), count, &inode.name())?;
    Ok(Run { count, place: Place::Stored(first.into()) })
}

/// The pointers in the indirect block `number`.
pub(crate) fn read_table(fs: &Ext4, inode: &Inode, number: u64) -> Result<Vec<u32>> {
    let block = fs.device.block(number, &inode.name())?;
    Ok(block.chunks_exact(4).filter_map(|pointer| u32_at(pointer, 0)).collect())
}
