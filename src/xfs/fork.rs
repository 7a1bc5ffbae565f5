//! The two forks of an inode: what is in them, and the extents that they name.

use crate::bytes::{u32_at, u64_at};
use crate::layout::{RawBmdrBlock, RawExtent};
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

/// Which fork of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Data,
    Attributes,
}

/// A run of a fork's blocks that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first block of the fork that it holds.
    pub(crate) offset: u64,
    /// Where that is (`xfs_fsblock_t`).
    pub(crate) start: u64,
    /// Number of blocks; 1 at least.
    pub(crate) count: u64,
    /// Allocated and never written: reads as zeros.
    pub(crate) is_unwritten: bool,
}

impl Extent {
    /// Unpacks `struct xfs_bmbt_rec`: 1 bit of state, 54 of offset, 52 of start, 21 of count (Linux `xfs_bmbt_disk_get_all`);
    /// `None` for an extent of no blocks.
    pub(crate) fn unpack(raw: RawExtent) -> Option<Self> {
        let (high, low) = (raw.l0.get(), raw.l1.get());
        let count = low & 0x1F_FFFF;
        let extent = Self {
            offset: (high & 0x7FFF_FFFF_FFFF_FFFF) >> 9,
            start: (high & 0x1FF) << 43 | low >> 21,
            count,
            is_unwritten: high >> 63 == 1,
        };
        (count != 0).then_some(extent)
    }

    /// The first block of the fork behind it. Cannot be cut off: 54 bits and 21.
    pub(crate) const fn end(&self) -> u64 {
        self.offset.saturating_add(self.count)
    }
}

/// What a fork holds.
#[derive(Debug)]
pub(crate) enum Fork {
    /// `XFS_DINODE_FMT_DEV`: the number of a device (`xfs_dev_t`).
    Device(u32),
    /// `XFS_DINODE_FMT_LOCAL`: entries, a target or attributes themselves, with what is left of the fork's room.
    Local(Vec<u8>),
    /// `XFS_DINODE_FMT_EXTENTS`: all extents, in order, none over another.
    Extents(Vec<Extent>),
    /// `XFS_DINODE_FMT_BTREE`: the root of a tree of extents.
    Tree(Root),
    /// `XFS_DINODE_FMT_META_BTREE`: a tree of the realtime part, in a file that no user sees. What is in it is not looked at.
    Metadata,
}

/// The root of a block-map tree.
#[derive(Debug)]
pub(crate) struct Root {
    /// Levels below it; 1 at least.
    pub(crate) level: u16,
    /// First block of the fork below each pointer, in order.
    pub(crate) keys: Vec<u64>,
    /// Blocks of the data volume (`xfs_fsblock_t`), as many as keys.
    pub(crate) pointers: Vec<u64>,
    /// How many extents the inode says that there are.
    pub(crate) extents: u64,
}

/// Levels of the highest tree that there can be (Linux `XFS_BM_MAXLEVELS` stays below it).
pub(crate) const LEVELS_MAX: u16 = 16;

impl Fork {
    /// The fork of format `format` in `bytes`, with as many extents as the inode says; `what` is it in words.
    pub(crate) fn parse(format: u8, bytes: &[u8], extents: u64, what: &dyn Fn() -> String) -> Result<Self> {
        let bad = |why: String| corrupt(format!("{}: {why}", what()));
        match format {
            0 => Ok(Self::Device(u32_at(bytes, 0).ok_or_else(|| bad("no room for a device number".to_owned()))?)),
            1 => Ok(Self::Local(bytes.to_vec())),
            2 => {
                let length =
                    usize::try_from(extents).ok().and_then(|extents| extents.checked_mul(size_of::<RawExtent>()));
                let records = length.and_then(|length| bytes.get(..length));
                let records = records.ok_or_else(|| bad(format!("{extents} extents, for which there is no room")))?;
                Ok(Self::Extents(self::extents(records, what)?))
            }
            3 => Root::parse(bytes, extents, what).map(Self::Tree),
            5 => Ok(Self::Metadata),
            other => Err(bad(format!("format {other} is not known"))),
        }
    }
}

/// Extents that stand one behind the other and fill `records`.
pub(crate) fn extents(records: &[u8], what: &dyn Fn() -> String) -> Result<Vec<Extent>> {
    let (mut found, mut end) = (Vec::with_capacity(records.len().div_euclid(size_of::<RawExtent>())), 0);
    for record in records.chunks_exact(size_of::<RawExtent>()) {
        let raw = RawExtent::read_from_bytes(record).map_err(|_| corrupt(format!("{}: half an extent", what())))?;
        let extent = Extent::unpack(raw).ok_or_else(|| corrupt(format!("{}: an extent of no blocks", what())))?;
        if extent.offset < end {
            return Err(corrupt(format!("{}: extents over each other at block {}", what(), extent.offset)));
        }
        end = extent.end();
        found.push(extent);
    }
    Ok(found)
}

impl Root {
    /// `struct xfs_bmdr_block` fills the fork: keys behind the header, pointers behind room for as many keys as would fit.
    fn parse(bytes: &[u8], extents: u64, what: &dyn Fn() -> String) -> Result<Self> {
        let bad = |why: String| corrupt(format!("{}: {why}", what()));
        let (raw, rest) =
            RawBmdrBlock::ref_from_prefix(bytes).map_err(|_| bad("no room for the root of a tree".to_owned()))?;
        let (level, count) = (raw.bb_level.get(), usize::from(raw.bb_numrecs.get()));
        let room = rest.len().div_euclid(16);
        if level == 0 || level > LEVELS_MAX || count == 0 || count > room {
            return Err(bad(format!("the root of a tree with {level} levels and {count} pointers in room for {room}")));
        }
        let (keys, pointers) = keys_and_pointers(rest, count, room).ok_or_else(|| bad("half a pointer".to_owned()))?;
        if !keys.is_sorted_by(|a, b| a < b) {
            return Err(bad("keys out of order in the root of its tree".to_owned()));
        }
        Ok(Self { level, keys, pointers, extents })
    }
}

/// `count` keys, and the pointers behind room for `room` keys.
pub(crate) fn keys_and_pointers(bytes: &[u8], count: usize, room: usize) -> Option<(Vec<u64>, Vec<u64>)> {
    let numbers = |from: usize| -> Option<Vec<u64>> {
        (0..count).map(|index| u64_at(bytes, index.checked_mul(8)?.checked_add(from)?)).collect()
    };
    Some((numbers(0)?, numbers(room.checked_mul(8)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(state: u64, offset: u64, start: u64, count: u64) -> [u8; 16] {
        let high = state << 63 | offset << 9 | start >> 43;
        let low = start << 21 | count;
        [high.to_be_bytes(), low.to_be_bytes()].concat().try_into().unwrap()
    }

    #[test]
    fn the_fields_of_an_extent_are_unpacked() {
        let bytes = packed(1, (1 << 54) - 2, (1 << 52) - 3, 0x1F_FFFE);
        let extent = extents(&bytes, &String::new).unwrap()[0];
        let expected = Extent { offset: (1 << 54) - 2, start: (1 << 52) - 3, count: 0x1F_FFFE, is_unwritten: true };
        assert_eq!(extent, expected);
    }

    #[test]
    fn extents_of_no_blocks_or_over_each_other_are_damage() {
        let what = || "it".to_owned();
        assert!(extents(&packed(0, 1, 1, 0), &what).unwrap_err().message.contains("no blocks"));
        let two = [packed(0, 5, 100, 3), packed(0, 7, 200, 1)].concat();
        assert!(extents(&two, &what).unwrap_err().message.contains("over each other"));
        let two = [packed(0, 5, 100, 3), packed(0, 8, 200, 1)].concat();
        assert_eq!(extents(&two, &what).unwrap().len(), 2);
    }

    #[test]
    fn roots_and_extents_that_do_not_fit_their_fork_are_damage() {
        let what = || "it".to_owned();
        assert!(Fork::parse(2, &[0; 32], 3, &what).is_err());
        assert!(Fork::parse(2, &[0; 32], u64::MAX, &what).is_err());
        assert!(Fork::parse(6, &[0; 32], 0, &what).is_err());
        for (level, count) in [(0_u16, 1_u16), (1, 0), (1, 3), (17, 1)] {
            let root = [&level.to_be_bytes()[..], &count.to_be_bytes(), &[0; 40]].concat();
            assert!(Fork::parse(3, &root, 0, &what).is_err(), "{level} {count}");
        }
    }
}
