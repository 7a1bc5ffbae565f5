//! How much room there is, as the kernel's `statfs` counts it (Linux `fs/xfs/xfs_super.c`, `xfs_fs_statfs`).

use crate::ag_header::{AGF, AGI};
use crate::device::Device;
use crate::filesystem::Xfs;
use crate::layout::{RawAgf, RawAgi};
use crate::superblock::{RealtimeGeometry, Superblock};
use crate::zoned;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

/// Allocation groups whose counts are added up; with more of them, the counts of the superblock are taken.
const GROUPS_MAX: u64 = 1 << 16;
/// Blocks of each group that are kept back for its free list and for trees to grow (Linux `xfs_alloc_set_aside`).
const SET_ASIDE: u64 = 8;
/// The greatest inode number (Linux `XFS_MAXINUMBER`).
const INODE_MAX: u64 = (1 << 56) - 1;

/// Blocks and inodes, used and free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) blocks: u64,
    pub(crate) blocks_free: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

/// What is in use or free, by whoever counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Counts {
    blocks_free: u64,
    /// Blocks of the trees of free space, roots left out: they count as free, and nobody can have them.
    tree_blocks: u64,
    inodes: u64,
    inodes_free: u64,
}

impl Space {
    /// That of a file system. The counters of the superblock are right if it is clean; otherwise the allocation groups are
    /// asked, as the kernel does (Linux `xfs_initialize_perag_data`). `is_realtime` says that what is
    /// asked for is the room for realtime files, as it is where the root directory passes that on.
    pub(crate) fn of(fs: &Xfs, is_realtime: bool) -> Self {
        let (device, superblock) = (&fs.device, &fs.device.superblock);
        let counters = superblock.counters;
        // Where a group cannot be read, what was recorded is the best that there is.
        let counted = counted(device).ok();
        let mut counts = counted.unwrap_or_default();
        if fs.is_clean || !superblock.features.lazy_count() || counted.is_none() {
            counts.blocks_free = counters.blocks_free;
            counts.inodes = counters.inodes;
            counts.inodes_free = counters.inodes_free;
        }
        let log = if superblock.log.start.is_some() { superblock.log.blocks } else { 0 };
        let kept_back = SET_ASIDE.saturating_mul(superblock.ag_count).saturating_add(counts.tree_blocks);
        let blocks_free = counts.blocks_free.saturating_sub(kept_back);
        let (inodes, inodes_free) = inodes(superblock, blocks_free, counts);
        let (blocks, blocks_free) = match superblock.realtime {
            Some(realtime) if is_realtime => (realtime.blocks, realtime_free(fs, &realtime).min(realtime.blocks)),
            _ => (superblock.blocks.saturating_sub(log), blocks_free),
        };
        Self { blocks, blocks_free, inodes, inodes_free }
    }
}

/// Free blocks of the realtime part.
fn realtime_free(fs: &Xfs, realtime: &RealtimeGeometry) -> u64 {
    let superblock = &fs.device.superblock;
    if !superblock.features.zoned() {
        return superblock.counters.realtime_extents_free.saturating_mul(realtime.extent_blocks.into());
    }
    // Where they cannot be counted, nobody may rely on there being any.
    let used = zoned::used_blocks(fs, realtime).unwrap_or(realtime.blocks);
    realtime.blocks.saturating_sub(used).saturating_sub(realtime.reserved)
}

/// Inodes, allocated or possible, and how many of those are free.
fn inodes(superblock: &Superblock, blocks_free: u64, counts: Counts) -> (u64, u64) {
    let possible = blocks_free.saturating_mul(1 << superblock.inodes_per_block_log());
    let mut all = counts.inodes.saturating_add(possible).min(INODE_MAX);
    if superblock.inode_percent_max != 0 {
        all = all.min(inodes_max(superblock));
    }
    let all = all.max(counts.inodes);
    (all, all.saturating_sub(counts.inodes.saturating_sub(counts.inodes_free)))
}

/// Inodes that may take as much of the space as the superblock allows, in whole chunks (Linux `xfs_ialloc_setup_geometry`).
fn inodes_max(superblock: &Superblock) -> u64 {
    const CHUNK: u64 = 64;
    let percent = superblock.blocks.saturating_mul(superblock.inode_percent_max.into()).div_euclid(100);
    let per_block_log = superblock.inodes_per_block_log();
    let chunk_blocks = CHUNK.max(1 << per_block_log) >> per_block_log;
    let blocks = percent.checked_div(chunk_blocks).unwrap_or(0).saturating_mul(chunk_blocks);
    blocks.saturating_mul(1 << per_block_log)
}

/// The counts of all groups.
fn counted(device: &Device) -> Result<Counts> {
    let superblock = &device.superblock;
    if superblock.ag_count > GROUPS_MAX {
        return Err(corrupt(format!("{} allocation groups are too many to count", superblock.ag_count)));
    }
    let mut counts = Counts::default();
    for group in 0..superblock.ag_count {
        let of_group = counted_in(device, group)?;
        counts.blocks_free = counts.blocks_free.saturating_add(of_group.blocks_free);
        counts.tree_blocks = counts.tree_blocks.saturating_add(of_group.tree_blocks);
        counts.inodes = counts.inodes.saturating_add(of_group.inodes);
        counts.inodes_free = counts.inodes_free.saturating_add(of_group.inodes_free);
    }
    Ok(counts)
}

fn counted_in(device: &Device, group: u64) -> Result<Counts> {
    let (agf, agi) = (AGF.read(device, group)?, AGI.read(device, group)?);
    let cut = || corrupt(format!("the headers of allocation group {group} are cut short"));
    let (agf, _) = RawAgf::ref_from_prefix(&agf).map_err(|_| cut())?;
    let (agi, _) = RawAgi::ref_from_prefix(&agi).map_err(|_| cut())?;
    let blocks = [agf.agf_freeblks, agf.agf_flcount, agf.agf_btreeblks];
    // The tree of reverse mappings is counted with them (Linux `xfs_alloc_read_agf`).
    let rmap_blocks = if device.superblock.features.rmapbt() { agf.agf_rmap_blocks.get().saturating_sub(1) } else { 0 };
    Ok(Counts {
        tree_blocks: agf.agf_btreeblks.get().saturating_sub(rmap_blocks).into(),
        blocks_free: blocks.iter().fold(0, |sum, count| sum.saturating_add(count.get().into())),
        inodes: agi.agi_count.get().into(),
        inodes_free: agi.agi_freecount.get().into(),
    })
}
