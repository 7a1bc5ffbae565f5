//! Roots of trees, which are logged as a kernel has them in memory and lie in inodes in a shorter form
//! (Linux `xfs_bmbt_to_bmdr`, `xfs_rtrmapbt_to_disk`, `xfs_rtrefcountbt_to_disk`).

use super::fields::cut_short;
use super::inode::metatype;
use super::layout::BASIC_BLOCK_SHIFT;
use super::replay::Replay;
use super::stamp::{Finish, Stamp};
use crate::bytes::{u16_at, u64_at};
use std::collections::HashSet;
use vfs::Result;
use vfs::reader::corrupt;

/// Sizes of what a tree consists of, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The header of a block.
    header: usize,
    /// What leads to one child, beside the pointer.
    key: usize,
    /// The room that there is for each child, in a block and in an inode.
    slot: usize,
    slot_in_inode: usize,
    /// A record of a leaf, if the root can be one.
    record: usize,
}

/// The header of a root in an inode (`struct xfs_bmdr_block`).
const ROOT_HEADER: usize = 4;
const POINTER: usize = 8;
/// Headers of blocks with 64-bit pointers, in versions 5 and 4.
const HEADER_V5: usize = 72;
const HEADER_V4: usize = 24;

impl Shape {
    pub(crate) fn block_map(is_v5: bool) -> Self {
        Self { header: if is_v5 { HEADER_V5 } else { HEADER_V4 }, key: 8, slot: 16, slot_in_inode: 16, record: 16 }
    }
}

/// The shape of the tree in the data fork of an inode.
pub(crate) fn shape(inode: &[u8], is_v5: bool) -> Result<Shape> {
    /// `di_format`.
    const BTREE: u8 = 3;
    const META_BTREE: u8 = 5;
    /// `di_metatype`: reverse mappings and references of a realtime group.
    const RT_RMAP: u16 = 7;
    const RT_REFCOUNT: u16 = 8;
    match (inode.get(5), metatype(inode)) {
        (Some(&BTREE), _) => Ok(Shape::block_map(is_v5)),
        (Some(&META_BTREE), RT_RMAP) => {
            Ok(Shape { header: HEADER_V5, key: 40, slot: 48, slot_in_inode: 48, record: 24 })
        }
        // In an inode the kernel leaves room for two keys and uses it for one (`xfs_rtrefcountbt_droot_maxrecs`).
        (Some(&META_BTREE), RT_REFCOUNT) => {
            Ok(Shape { header: HEADER_V5, key: 4, slot: 12, slot_in_inode: 16, record: 12 })
        }
        _ => Err(corrupt("the log is damaged: the root of a tree for an inode that has none")),
    }
}

/// Writes a logged root into the fork of an inode.
pub(crate) fn put(shape: Shape, logged: &[u8], fork: &mut [u8]) -> Result<()> {
    let (level, count) = (u16_at(logged, 4).ok_or_else(cut_short)?, u16_at(logged, 6).ok_or_else(cut_short)?);
    let count = usize::from(count);
    let header = logged.get(4..8).ok_or_else(cut_short)?;
    copy(header, 0, fork, 0, ROOT_HEADER)?;
    if level == 0 {
        return copy(logged, shape.header, fork, ROOT_HEADER, count.saturating_mul(shape.record));
    }
    // Pointers lie behind the room that there is for keys.
    let keys = |bytes: usize, header: usize, slot: usize| {
        let most = bytes.saturating_sub(header).checked_div(slot).unwrap_or(0);
        header.saturating_add(most.saturating_mul(shape.key))
    };
    let from = keys(logged.len(), shape.header, shape.slot);
    let to = keys(fork.len(), ROOT_HEADER, shape.slot_in_inode);
    if shape.header.saturating_add(count.saturating_mul(shape.key)) > from
        || ROOT_HEADER.saturating_add(count.saturating_mul(shape.key)) > to
    {
        return Err(cut_short());
    }
    copy(logged, shape.header, fork, ROOT_HEADER, count.saturating_mul(shape.key))?;
    copy(logged, from, fork, to, count.saturating_mul(POINTER))
}

fn copy(from: &[u8], at: usize, to: &mut [u8], to_at: usize, length: usize) -> Result<()> {
    let source = at.checked_add(length).and_then(|end| from.get(at..end)).ok_or_else(cut_short)?;
    let target = to_at.checked_add(length).and_then(|end| to.get_mut(to_at..end)).ok_or_else(cut_short)?;
    target.copy_from_slice(source);
    Ok(())
}

impl Replay {
    /// Marks all blocks of the block-map tree with this root in an inode as those of inode `owner`
    /// (Linux `xfs_bmbt_change_owner`).
    pub(crate) fn own_tree(&mut self, root: &[u8], owner: u64) -> Result<()> {
        /// Blocks of trees that a log may have changed: far more than fit the largest file that was ever defragmented.
        const BLOCKS_MAX: usize = 1 << 20;
        const DEPTH_MAX: u16 = 16;
        let shape = Shape { header: ROOT_HEADER, ..Shape::block_map(true) };
        let level = u16_at(root, 0).unwrap_or(0);
        if level > DEPTH_MAX {
            return Err(corrupt(format!("inode {owner}: a tree of {level} levels")));
        }
        let mut blocks = pointers(root, shape, 2);
        let mut known = HashSet::new();
        for expected in (0..level).rev() {
            let mut below = Vec::new();
            for block in blocks {
                self.owned_blocks = self.owned_blocks.saturating_add(1);
                if self.owned_blocks > BLOCKS_MAX || below.len() > BLOCKS_MAX {
                    return Err(corrupt(format!("inode {owner}: trees of more than {BLOCKS_MAX} blocks")));
                }
                // Or a few blocks that are led to over and over would keep us busy for hours.
                if !known.insert(block) {
                    return Err(corrupt(format!("inode {owner}: its tree leads to block {block} twice")));
                }
                let bytes = self.own_block(block, owner)?;
                if u16_at(&bytes, 4) != Some(expected) {
                    return Err(corrupt(format!(
                        "inode {owner}: block {block} is not of level {expected} of its tree"
                    )));
                }
                if expected > 0 {
                    below.extend(pointers(&bytes, Shape::block_map(true), 6));
                }
            }
            blocks = below;
        }
        Ok(())
    }

    fn own_block(&mut self, block: u64, owner: u64) -> Result<Vec<u8>> {
        const OWNER_OFFSET: usize = 56;
        let outside = || corrupt(format!("inode {owner}: its tree leads to block {block}, which does not exist"));
        let address = self.superblock.block_address(block, 1).ok_or_else(outside)?;
        let (sector, sectors) = (address >> BASIC_BLOCK_SHIFT, self.superblock.block_bytes() >> BASIC_BLOCK_SHIFT);
        let bytes = self.volume.update(sector, sectors, &mut self.memory, |bytes| {
            if !bytes.starts_with(b"BMA3") {
                return Err(corrupt(format!("inode {owner}: block {block} is not one of its tree")));
            }
            let place = bytes.get_mut(OWNER_OFFSET..OWNER_OFFSET.saturating_add(8)).ok_or_else(cut_short)?;
            place.copy_from_slice(&owner.to_be_bytes());
            Ok(bytes.to_vec())
        })?;
        self.finish_later(sector, sectors, Stamp::block_map().map(Finish::Stamp), None);
        Ok(bytes)
    }
}

/// The blocks that a block of a block-map tree leads to; `count_at` is where their number is.
fn pointers(block: &[u8], shape: Shape, count_at: usize) -> Vec<u64> {
    let most = block.len().saturating_sub(shape.header).checked_div(shape.slot).unwrap_or(0);
    let count = usize::from(u16_at(block, count_at).unwrap_or(0)).min(most);
    let first = shape.header.saturating_add(most.saturating_mul(shape.key));
    (0..count).filter_map(|number| u64_at(block, first.saturating_add(number.saturating_mul(POINTER)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_written_with_its_pointers_behind_the_room_for_keys() {
        // In a block: a header of 72 bytes, keys 1 and 2, pointers 3 and 4.
        let mut logged = vec![0; 72];
        logged[4..8].copy_from_slice(&[0, 1, 0, 2]);
        (1..=4_u64).for_each(|number| logged.extend(number.to_be_bytes()));
        let mut fork = vec![0; 100];
        put(Shape::block_map(true), &logged, &mut fork).unwrap();
        let number = |at: usize| u64_at(&fork, at).unwrap();
        // Room for 6 of each.
        assert_eq!((&fork[..4], number(4), number(12), number(52), number(60)), (&[0, 1, 0, 2][..], 1, 2, 3, 4));
        assert!(put(Shape::block_map(true), &logged[..100], &mut fork).is_err());
        assert!(put(Shape::block_map(true), &logged, &mut [0; 30]).is_err());
        assert!(put(Shape::block_map(false), &[0, 0, 0, 0, 0, 1, 255, 255], &mut fork).is_err());
    }

    #[test]
    fn references_of_a_realtime_group_have_more_room_for_keys_than_they_take() {
        let mut inode = vec![0; 8];
        inode[5..8].copy_from_slice(&[5, 0, 8]);
        let shape = shape(&inode, true).unwrap();
        let mut logged = vec![0; 72];
        logged[4..8].copy_from_slice(&[0, 1, 0, 1]);
        logged.extend([7; 4]);
        logged.extend([9; 8]);
        let mut fork = vec![0; 4 + 3 * 16];
        put(shape, &logged, &mut fork).unwrap();
        assert_eq!((&fork[4..8], &fork[16..24]), (&[7; 4][..], &[9; 8][..]));
        // A leaf: records of 12 bytes.
        logged[5] = 0;
        put(shape, &logged, &mut fork).unwrap();
        assert_eq!(fork[4..16], logged[72..84]);
    }
}
