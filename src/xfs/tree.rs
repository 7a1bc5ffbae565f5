//! Block-map trees: extents of a fork that do not fit into the inode (Linux `libxfs/xfs_bmap_btree.c`).

use crate::device::Device;
use crate::filesystem::Xfs;
use crate::fork::{self, Extent, LEVELS_MAX, Root};
use crate::inode::Inode;
use crate::layout::{RawLongBlock, RawLongBlockV5};
use crate::superblock::Superblock;
use crate::verify;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

const MAGIC_V4: [u8; 4] = *b"BMAP";
const MAGIC_V5: [u8; 4] = *b"BMA3";

/// A block of a tree, decoded.
#[derive(Debug)]
pub(crate) enum Node {
    /// Keys, and the blocks below them.
    Inner {
        keys: Vec<u64>,
        pointers: Vec<u64>,
    },
    Leaf(Vec<Extent>),
}

impl Node {
    /// The first block of the fork that is below it, or in it.
    pub(crate) fn first(&self) -> Option<u64> {
        match self {
            Self::Inner { keys, .. } => keys.first().copied(),
            Self::Leaf(extents) => extents.first().map(|extent| extent.offset),
        }
    }
}

/// Reads the block at `number` of a tree of `inode`, which has `level` levels below it.
pub(crate) fn read(device: &Device, inode: &Inode, number: u64, level: u16) -> Result<Node> {
    let superblock = &device.superblock;
    let what = || format!("{}: block {number} of its extents", inode.name());
    let bad = |why: String| corrupt(format!("{}: {why}", what()));
    let (block, address) = device.block(number, &what)?;
    verify::check_block(superblock, verify::LONG_BTREE, &block, address, inode.number.0, &what)?;
    let (raw, _) = RawLongBlock::ref_from_prefix(&block).map_err(|_| bad("it is cut short".to_owned()))?;
    let magic = if superblock.features.is_v5() { MAGIC_V5 } else { MAGIC_V4 };
    if raw.bb_magic != magic {
        return Err(bad("it holds no extents".to_owned()));
    }
    if raw.bb_level.get() != level {
        return Err(bad(format!("it is on level {}, not {level}", raw.bb_level.get())));
    }
    let records = block.get(header_bytes(superblock)..).unwrap_or(&[]);
    let (count, room) = (usize::from(raw.bb_numrecs.get()), records.len().div_euclid(16));
    if count == 0 || count > room {
        return Err(bad(format!("{count} records in room for {room}")));
    }
    if level == 0 {
        let records = records.get(..count.saturating_mul(16)).unwrap_or(&[]);
        return fork::extents(records, &what).map(Node::Leaf);
    }
    let found = fork::keys_and_pointers(records, count, room);
    let (keys, pointers) = found.ok_or_else(|| bad("half a pointer".to_owned()))?;
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err(bad("keys out of order".to_owned()));
    }
    Ok(Node::Inner { keys, pointers })
}

/// An error unless a tree has as many extents as the inode says (Linux `xfs_iread_extents`).
pub(crate) fn count(fs: &Xfs, inode: &Inode, root: &Root) -> Result<()> {
    let bad = |found: u64| {
        corrupt(format!("{}: its tree has {found} extents or more, and it says {}", inode.name(), root.extents))
    };
    let level = root.level.saturating_sub(1);
    let (mut found, mut nodes) = (0_u64, 0_u64);
    let mut todo: Vec<_> = root.pointers.iter().map(|block| (*block, level)).collect();
    // Ends: every leaf has an extent at least, and every block above a leaf a block below it.
    while let Some((block, level)) = todo.pop() {
        nodes = nodes.saturating_add(1);
        match fs.tree_node(inode, block, level)?.as_ref() {
            Node::Leaf(extents) => found = found.saturating_add(u64::try_from(extents.len()).unwrap_or(u64::MAX)),
            Node::Inner { pointers, .. } => todo.extend(pointers.iter().map(|block| (*block, level.saturating_sub(1)))),
        }
        if found > root.extents || nodes > root.extents.saturating_mul(LEVELS_MAX.into()) {
            return Err(bad(found));
        }
    }
    if found == root.extents { Ok(()) } else { Err(bad(found)) }
}

const fn header_bytes(superblock: &Superblock) -> usize {
    let v5 = if superblock.features.is_v5() { size_of::<RawLongBlockV5>() } else { 0 };
    size_of::<RawLongBlock>().saturating_add(v5)
}
