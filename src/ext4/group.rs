//! Block groups: where descriptors are, and the inode table that each one names.

use crate::backup;
use crate::bytes::{u16_at, u32_at, zero};
use crate::checksum::{crc16, crc32c};
use crate::device::Device;
use crate::layout::RawGroupDescriptor;
use crate::superblock::Superblock;
use vfs::reader::corrupt;
use vfs::{ErrorKind, Result};
use zerocopy::FromBytes;

/// Byte of `bg_checksum` in a descriptor.
const CHECKSUM_OFFSET: usize = 0x1E;
/// Byte of `bg_inode_table_hi` in a descriptor of the feature `64bit`.
const INODE_TABLE_HI_OFFSET: usize = 0x28;

/// The first block of the inode table of `group`.
pub(crate) fn inode_table(device: &Device, group: u64) -> Result<u64> {
    let superblock = &device.superblock;
    let bytes = match descriptor(device, group, superblock.copy_in_group) {
        Err(error) if error.kind == ErrorKind::Corrupt => substitute(device, group).ok_or(error)?,
        result => result?,
    };
    let (raw, _) =
        RawGroupDescriptor::ref_from_prefix(&bytes).map_err(|_| corrupt("a group descriptor is cut short"))?;
    Ok(wide(superblock, &bytes, raw.bg_inode_table_lo.get(), INODE_TABLE_HI_OFFSET))
}

/// A block number whose upper half, with the feature `64bit`, is at `high_offset`.
fn wide(superblock: &Superblock, descriptor: &[u8], low: u32, high_offset: usize) -> u64 {
    let high = u32_at(descriptor, high_offset).filter(|_| superblock.features.is_64bit());
    u64::from(high.unwrap_or(0)) << 32 | u64::from(low)
}

/// The first blocks of the block bitmap, the inode bitmap and the inode table that a descriptor names.
pub(crate) fn bitmaps_and_table(superblock: &Superblock, descriptor: &[u8]) -> [u64; 3] {
    [(0, 0x20), (4, 0x24), (8, INODE_TABLE_HI_OFFSET)]
        .map(|(low, high)| wide(superblock, descriptor, u32_at(descriptor, low).unwrap_or(0), high))
}

/// A descriptor to be used where the checksum of the primary one is wrong.
fn substitute(device: &Device, group: u64) -> Option<Vec<u8>> {
    let superblock = &device.superblock;
    if !superblock.features.has_descriptor_checksums() {
        // Nobody can say which of them is right.
        return None;
    }
    let copies = backup::GROUPS.into_iter().filter(|copy| has_superblock(superblock, *copy));
    let mut copies = copies.filter_map(|copy| descriptor(device, group, copy).ok());
    copies.next().or_else(|| {
        // Inodes have checksums over their own numbers: from a wrong table none of them would be taken.
        let inodes_are_verified = superblock.features.metadata_csum();
        inodes_are_verified.then(|| unverified(device, group, superblock.copy_in_group).ok()).flatten()
    })
}

/// The verified descriptor of `group` from the table in group `copy`, 0 for the primary one.
fn descriptor(device: &Device, group: u64, copy: u64) -> Result<Vec<u8>> {
    let bytes = unverified(device, group, copy)?;
    check_sum(&device.superblock, group, &bytes)?;
    Ok(bytes)
}

fn unverified(device: &Device, group: u64, copy: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; device.superblock.descriptor_bytes];
    device.read(descriptor_offset(&device.superblock, group, copy)?, &mut bytes)?;
    Ok(bytes)
}

/// Verifies the descriptor of every group and gives its bytes to `visit`.
pub(crate) fn each_descriptor(device: &Device, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
    let superblock = &device.superblock;
    let per_block = superblock.descriptors_per_block();
    let mut block = vec![0; superblock.block_len()];
    let mut group = 0;
    while group < superblock.groups() {
        // A block of descriptors begins with the one of a group that is a multiple of their number.
        device.read(descriptor_offset(superblock, group, superblock.copy_in_group)?, &mut block)?;
        let in_block = superblock.groups().saturating_sub(group).min(per_block);
        for (number, bytes) in
            (group..group.saturating_add(in_block)).zip(block.chunks_exact(superblock.descriptor_bytes))
        {
            check_sum(superblock, number, bytes)?;
            visit(bytes);
        }
        group = group.saturating_add(in_block);
    }
    Ok(())
}

/// The byte at which the descriptor of `group` begins (Linux `fs/ext4/super.c`, `descriptor_loc`), in the table behind the
/// superblock in group `copy`.
fn descriptor_offset(superblock: &Superblock, group: u64, copy: u64) -> Result<u64> {
    let bad = || corrupt(format!("block group {group} does not exist; there are {}", superblock.groups()));
    if group >= superblock.groups() {
        return Err(bad());
    }
    let bytes = u64::try_from(superblock.descriptor_bytes).map_err(|_| bad())?;
    let per_block = superblock.descriptors_per_block();
    let (table_block, index) = (group.checked_div(per_block), group.checked_rem(per_block));
    let (table_block, index) = table_block.zip(index).ok_or_else(bad)?;
    let block = if superblock.features.meta_bg() && table_block >= superblock.first_meta_bg {
        let first_group = per_block.checked_mul(table_block).ok_or_else(bad)?;
        let first_block = first_group
            .checked_mul(superblock.blocks_per_group)
            .and_then(|blocks| blocks.checked_add(superblock.first_data_block));
        // With 1 KiB blocks and no boot block in the numbering, block 0 comes before the superblock.
        let boot_block = superblock.block_shift == 10 && first_group == 0 && superblock.first_data_block == 0;
        let before = u64::from(has_superblock(superblock, first_group)).saturating_add(boot_block.into());
        first_block.and_then(|block| block.checked_add(before))
    } else {
        // The block of the primary superblock: 1 with 1 KiB blocks, else 0.
        let primary = 1024_u64 >> superblock.block_shift;
        let start = if copy == 0 { Some(primary) } else { copy.checked_mul(superblock.blocks_per_group) };
        let start = start.and_then(|start| start.checked_add(if copy == 0 { 0 } else { superblock.first_data_block }));
        start.and_then(|start| start.checked_add(table_block)).and_then(|block| block.checked_add(1))
    };
    let block = block.filter(|block| *block < superblock.blocks).ok_or_else(bad)?;
    (block << superblock.block_shift).checked_add(index.checked_mul(bytes).ok_or_else(bad)?).ok_or_else(bad)
}

/// Whether `group` begins with a copy of the superblock (Linux `ext4_bg_has_super`).
pub(crate) fn has_superblock(superblock: &Superblock, group: u64) -> bool {
    let power_of = |base: u64| {
        let mut power = base;
        while power < group {
            power = power.saturating_mul(base);
        }
        power == group
    };
    if group == 0 {
        return true;
    }
    if superblock.features.sparse_super2() {
        return superblock.backup_groups.iter().any(|backup| u64::from(*backup) == group);
    }
    group == 1 || !superblock.features.sparse_super() || power_of(3) || power_of(5) || power_of(7)
}

/// How many of the groups before `end` begin with a copy of the superblock.
pub(crate) fn superblocks_before(superblock: &Superblock, end: u64) -> u64 {
    let count = |numbers: &mut dyn Iterator<Item = u64>| {
        numbers.take_while(|number| *number < end).fold(0_u64, |count, _| count.saturating_add(1))
    };
    if superblock.features.sparse_super2() {
        let [first, second] = superblock.backup_groups.map(u64::from);
        let backups = [Some(first), Some(second).filter(|second| *second != first)].into_iter().flatten();
        let backups = backups.filter(|group| *group != 0 && *group < end).count();
        return u64::from(end > 0).saturating_add(u64::try_from(backups).unwrap_or(0));
    }
    if !superblock.features.sparse_super() {
        return end;
    }
    let powers = |base: u64| std::iter::successors(Some(base), move |power| power.checked_mul(base));
    let low = count(&mut (0..2));
    [3, 5, 7].into_iter().map(|base| count(&mut powers(base))).fold(low, u64::saturating_add)
}

/// Verifies `bg_checksum` where the format has it (Linux `ext4_group_desc_csum`).
fn check_sum(superblock: &Superblock, group: u64, bytes: &[u8]) -> Result<()> {
    let features = superblock.features;
    let number = u32::try_from(group).unwrap_or(u32::MAX).to_le_bytes();
    let expected = u16_at(bytes, CHECKSUM_OFFSET).unwrap_or(0);
    let found = if features.metadata_csum() {
        let mut bytes = bytes.to_vec();
        zero(&mut bytes, CHECKSUM_OFFSET, 2);
        let sum = crc32c(crc32c(superblock.checksum_seed, &number), &bytes);
        u16::try_from(sum & 0xFFFF).unwrap_or(0)
    } else if features.gdt_csum() {
        let before = bytes.get(..CHECKSUM_OFFSET).unwrap_or(bytes);
        let after = bytes.get(CHECKSUM_OFFSET.saturating_add(2)..).filter(|_| features.is_64bit()).unwrap_or(&[]);
        [&superblock.uuid[..], &number, before, after].iter().fold(!0, |sum, part| crc16(sum, part))
    } else {
        return Ok(());
    };
    if expected != found {
        return Err(corrupt(format!(
            "the descriptor of block group {group}: checksum {found:#06x}, not {expected:#06x}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::superblock::sample;

    #[test]
    fn copies_of_the_superblock_are_counted_as_they_are_placed() {
        for (compat, ro_compat) in [(0, 0), (0, 1), (0x200, 1)] {
            let mut superblock = sample(compat, 0, ro_compat);
            superblock.backup_groups = [1, 40];
            for end in 0..400 {
                let placed = (0..end).filter(|group| has_superblock(&superblock, *group)).count();
                assert_eq!(
                    superblocks_before(&superblock, end),
                    placed as u64,
                    "{compat:#x} {ro_compat:#x}: {end} groups"
                );
            }
        }
    }
}
