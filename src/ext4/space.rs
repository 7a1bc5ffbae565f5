//! How much room there is, as the kernel's `statfs` counts it (Linux `fs/ext4/super.c`, `ext4_statfs`).

use crate::bytes::u16_at;
use crate::device::Device;
use crate::group;
use crate::inode::Inode;
use crate::orphans::Orphans;
use crate::superblock::Superblock;
use vfs::{NodeId, Result};

/// Block groups whose free counts are added up: those of a file system of 128 TiB. With more of them, the counts of the
/// superblock are taken.
const GROUPS_MAX: u64 = 1 << 20;

/// Blocks and inodes, used and free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) blocks: u64,
    pub(crate) blocks_free: u64,
    pub(crate) blocks_available: u64,
    pub(crate) inodes_free: u64,
}

impl Space {
    /// That of the file system on `device`, whose `orphans` count as free.
    pub(crate) fn of(device: &Device, orphans: Orphans) -> Self {
        let superblock = &device.superblock;
        let (blocks_free, inodes_free) = match free_in_groups(device) {
            Ok(Some(counts)) => counts,
            // What the superblock says was right when it was last written.
            Ok(None) | Err(_) => (superblock.free_blocks, superblock.free_inodes),
        };
        let blocks_free = blocks_free.saturating_add(orphans.blocks);
        let inodes_free = inodes_free.saturating_add(orphans.inodes);
        let held = superblock.reserved_blocks.saturating_add(kept_back(superblock));
        Self {
            blocks: superblock.blocks.saturating_sub(overhead(device)),
            blocks_free,
            blocks_available: blocks_free.saturating_sub(held),
            inodes_free,
        }
    }
}

/// Free blocks and inodes by the group descriptors, as the kernel counts when it mounts.
fn free_in_groups(device: &Device) -> Result<Option<(u64, u64)>> {
    const FREE_BLOCKS_LO: usize = 0x0C;
    const FREE_INODES_LO: usize = 0x0E;
    const FREE_BLOCKS_HI: usize = 0x2C;
    const FREE_INODES_HI: usize = 0x2E;
    let superblock = &device.superblock;
    if superblock.groups() > GROUPS_MAX {
        return Ok(None);
    }
    let wide = |bytes: &[u8], low, high| {
        let high = u16_at(bytes, high).filter(|_| superblock.features.is_64bit()).unwrap_or(0);
        u64::from(high) << 16 | u64::from(u16_at(bytes, low).unwrap_or(0))
    };
    let (mut clusters, mut inodes) = (0_u64, 0_u64);
    group::each_descriptor(device, &mut |bytes| {
        clusters = clusters.saturating_add(wide(bytes, FREE_BLOCKS_LO, FREE_BLOCKS_HI));
        inodes = inodes.saturating_add(wide(bytes, FREE_INODES_LO, FREE_INODES_HI));
    })?;
    Ok(Some((clusters << superblock.cluster_shift, inodes)))
}

/// Blocks that the kernel keeps back for itself when it mounts (Linux `ext4_calculate_resv_clusters`).
fn kept_back(superblock: &Superblock) -> u64 {
    if !superblock.features.extents() {
        return 0;
    }
    (superblock.blocks >> superblock.cluster_shift).div_euclid(50).min(4096) << superblock.cluster_shift
}

/// Blocks that the file system uses for itself, which `statfs` does not count (Linux `ext4_calculate_overhead`).
fn overhead(device: &Device) -> u64 {
    let superblock = &device.superblock;
    let recorded = superblock.overhead_clusters << superblock.cluster_shift;
    if superblock.features.bigalloc() && recorded != 0 && recorded <= superblock.blocks {
        return recorded;
    }
    let inode_bytes = u64::try_from(superblock.inode_bytes).unwrap_or(u64::MAX);
    let table = superblock.inodes_per_group.saturating_mul(inode_bytes).div_ceil(superblock.block_bytes());
    // The inode table and two bitmaps.
    let own = table.saturating_add(2).saturating_mul(superblock.groups());
    let copies = group::superblocks_before(superblock, superblock.groups());
    [own, copies, descriptor_blocks(superblock), superblock.first_data_block, journal_blocks(device)]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Blocks of group descriptors, copies and reserved ones included (Linux `ext4_bg_num_gdb`).
fn descriptor_blocks(superblock: &Superblock) -> u64 {
    let per_block = superblock.descriptors_per_block();
    let groups = superblock.groups();
    let table = groups.div_ceil(per_block);
    if !superblock.features.meta_bg() {
        let copies = group::superblocks_before(superblock, groups);
        return table.saturating_add(superblock.reserved_gdt_blocks).saturating_mul(copies);
    }
    // Below first_meta_bg as without the feature; from there on, the first, second and last group of each meta group
    // have a copy.
    let first = superblock.first_meta_bg.min(table);
    let plain_groups = first.saturating_mul(per_block).min(groups);
    let copies = group::superblocks_before(superblock, plain_groups);
    let plain = first.saturating_add(superblock.reserved_gdt_blocks).saturating_mul(copies);
    let rest = groups.saturating_sub(plain_groups);
    let whole = rest.checked_div(per_block).unwrap_or(0).saturating_mul(per_block.min(3));
    let partial = rest.checked_rem(per_block).unwrap_or(0).min(2);
    plain.saturating_add(whole).saturating_add(partial)
}

/// Blocks of the journal, if it is on this volume.
fn journal_blocks(device: &Device) -> u64 {
    let superblock = &device.superblock;
    if !superblock.features.has_journal() || superblock.journal_inode == 0 {
        return 0;
    }
    let journal = Inode::read(device, NodeId(superblock.journal_inode));
    journal.map_or(0, |journal| journal.attr.size >> superblock.block_shift)
}
