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

/// Block groups whose clusters are looked at one by one: 1 TiB with blocks of 1 KiB, 128 TiB with 4 KiB and clusters.
const CLUSTERED_GROUPS_MAX: u64 = 1 << 16;

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
    if superblock.features.bigalloc() {
        let recorded = superblock.overhead_clusters << superblock.cluster_shift;
        let is_recorded = recorded != 0 && recorded <= superblock.blocks;
        return if is_recorded {
            recorded
        } else {
            overhead_of_clusters(device).saturating_add(journal_blocks(device))
        };
    }
    // The inode table and two bitmaps.
    let own = inode_table_blocks(superblock).saturating_add(2).saturating_mul(superblock.groups());
    let copies = group::superblocks_before(superblock, superblock.groups());
    [own, copies, descriptor_blocks(superblock), superblock.first_data_block, journal_blocks(device)]
        .into_iter()
        .fold(0, u64::saturating_add)
}

fn inode_table_blocks(superblock: &Superblock) -> u64 {
    let inode_bytes = u64::try_from(superblock.inode_bytes).unwrap_or(u64::MAX);
    superblock.inodes_per_group.saturating_mul(inode_bytes).div_ceil(superblock.block_bytes())
}

/// Blocks of the clusters that the file system has something of its own in, whose number mke2fs did not write down
/// (Linux `count_overhead`). None are counted where there are very many groups, or a descriptor is damaged.
fn overhead_of_clusters(device: &Device) -> u64 {
    let superblock = &device.superblock;
    if superblock.groups() > CLUSTERED_GROUPS_MAX {
        return 0;
    }
    let (table_blocks, mut group, mut clusters) = (inode_table_blocks(superblock), 0_u64, Vec::new());
    let counted = group::each_descriptor(device, &mut |bytes| {
        let head =
            u64::from(group::has_superblock(superblock, group)).saturating_add(descriptor_blocks_in(superblock, group));
        let first = group.saturating_mul(superblock.blocks_per_group).saturating_add(superblock.first_data_block);
        let places = group::bitmaps_and_table(superblock, bytes);
        for (block, blocks) in places.into_iter().zip([1, 1, table_blocks]).chain([(first, head)]) {
            let start = block.saturating_sub(superblock.first_data_block);
            let end = start.saturating_add(blocks).min(superblock.blocks);
            clusters.push(start >> superblock.cluster_shift..end.div_ceil(1 << superblock.cluster_shift));
        }
        group = group.saturating_add(1);
    });
    if counted.is_err() {
        return 0;
    }
    clusters.sort_unstable_by_key(|range| range.start);
    let (mut count, mut end) = (0_u64, 0);
    for range in clusters {
        count = count.saturating_add(range.end.saturating_sub(range.start.max(end)));
        end = end.max(range.end);
    }
    count << superblock.cluster_shift
}

/// Blocks of group descriptors that lie in `group` (Linux `ext4_bg_num_gdb`): in clusters the kernel does not count
/// reserved ones.
fn descriptor_blocks_in(superblock: &Superblock, group: u64) -> u64 {
    let per_block = superblock.descriptors_per_block();
    let (meta_group, in_meta_group) = (group.checked_div(per_block), group.checked_rem(per_block));
    if superblock.features.meta_bg() && meta_group.is_some_and(|number| number >= superblock.first_meta_bg) {
        return in_meta_group.map_or(0, |index| u64::from(index < 2 || index == per_block.saturating_sub(1)));
    }
    if !group::has_superblock(superblock, group) {
        return 0;
    }
    let table = superblock.groups().div_ceil(per_block);
    if superblock.features.meta_bg() { superblock.first_meta_bg.min(table) } else { table }
}

/// Blocks of group descriptors, copies and reserved ones included.
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
