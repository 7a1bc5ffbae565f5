//! Files that were deleted while somebody still had them open: no name leads to them, and a kernel that mounts the file
//! system finishes the deletion (Linux `fs/ext4/orphan.c`). Here they stay hidden; what they take counts as free.

use crate::bytes::u32_at;
use crate::filesystem::Ext4;
use crate::inode::{self, Inode};
use crate::inode_table;
use crate::mapping::{self, Place};
use std::collections::HashSet;
use vfs::{NodeId, Result};

/// Orphans that are looked at; what more there are keeps counting as used.
const ORPHANS_MAX: usize = 10_000;
/// Blocks of the orphan file that are looked at; `mke2fs` makes 512 at most.
const BLOCKS_MAX: u64 = 4096;
/// Bytes behind the entries of a block of the orphan file: a magic number and a checksum.
const TAIL_BYTES: usize = 8;

/// What deleted files still take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orphans {
    pub(crate) inodes: u64,
    /// In units of the file system's blocks.
    pub(crate) blocks: u64,
}

/// Counts them. A list that leads nowhere ends there: it says nothing about files that have names.
pub(crate) fn count(fs: &Ext4) -> Orphans {
    let mut seen = HashSet::new();
    let mut found = Orphans::default();
    let mut next = fs.device.superblock.last_orphan;
    while next != 0 && seen.insert(next) && seen.len() <= ORPHANS_MAX {
        let Ok(record) = inode_table::read_record(&fs.device, NodeId(next)) else { break };
        add(fs, &record, &mut found);
        next = inode::next_orphan(&record);
    }
    for node in in_file(fs).unwrap_or_default() {
        if seen.insert(node.0)
            && let Ok(record) = inode_table::read_record(&fs.device, node)
        {
            add(fs, &record, &mut found);
        }
    }
    found
}

fn add(fs: &Ext4, record: &[u8], found: &mut Orphans) {
    if let Some(allocated) = inode::allocated_if_deleted(&fs.device.superblock, record) {
        found.inodes = found.inodes.saturating_add(1);
        found.blocks = found.blocks.saturating_add(allocated >> fs.device.superblock.block_shift);
    }
}

/// The inodes that the orphan file names.
fn in_file(fs: &Ext4) -> Result<Vec<NodeId>> {
    let superblock = &fs.device.superblock;
    let mut found = Vec::new();
    if superblock.orphan_file == 0 {
        return Ok(found);
    }
    let inode = Inode::read(&fs.device, NodeId(superblock.orphan_file))?;
    let blocks = (inode.attr.size >> superblock.block_shift).min(BLOCKS_MAX);
    let mut number = 0;
    while number < blocks && found.len() < ORPHANS_MAX {
        let run = mapping::run(fs, &inode, number)?;
        let Place::Stored(block) = run.place else {
            number = number.saturating_add(run.count);
            continue;
        };
        let block = fs.device.block(block, "the orphan file")?;
        let entries = block.get(..block.len().saturating_sub(TAIL_BYTES)).unwrap_or_default();
        let nodes = entries.chunks_exact(4).filter_map(|entry| u32_at(entry, 0)).filter(|node| *node != 0);
        found.extend(nodes.map(|node| NodeId(node.into())));
        number = number.saturating_add(1);
    }
    found.truncate(ORPHANS_MAX);
    Ok(found)
}
