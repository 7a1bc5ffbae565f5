//! Targets of symbolic links: in the inode, or in blocks (Linux `libxfs/xfs_symlink_remote.c`).

use crate::bytes::{array, length};
use crate::filesystem::Xfs;
use crate::fork::{Fork, Which};
use crate::inode::Inode;
use crate::layout::RawSymlinkHeader;
use crate::mapping::{self, Place};
use crate::verify;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

const MAGIC: [u8; 4] = *b"XSLM";
/// The longest target (Linux `XFS_SYMLINK_MAXLEN`).
const TARGET_BYTES_MAX: u64 = 1024;

/// The target of a link.
pub(crate) fn target(fs: &Xfs, inode: &Inode) -> Result<Vec<u8>> {
    let bad = |why: String| corrupt(format!("{}: {why}", inode.name()));
    let size = inode.attr.size;
    let bytes = usize::try_from(size).ok().filter(|_| (1..=TARGET_BYTES_MAX).contains(&size));
    let bytes = bytes.ok_or_else(|| bad(format!("a link target of {size} bytes")))?;
    let target = match &inode.data {
        Fork::Local(data) => data.get(..bytes).map(<[u8]>::to_vec),
        Fork::Extents(_) | Fork::Tree(_) => Some(remote(fs, inode, bytes)?),
        Fork::Device(_) | Fork::Metadata => None,
    };
    let target = target.ok_or_else(|| bad(format!("no room for a link target of {size} bytes")))?;
    if target.contains(&0) {
        return Err(bad("a link target with a zero byte".to_owned()));
    }
    Ok(target)
}

/// The target from the blocks of the data fork: in version 5 each extent begins with a header of its own.
fn remote(fs: &Xfs, inode: &Inode, size: usize) -> Result<Vec<u8>> {
    let superblock = &fs.device.superblock;
    let what = || format!("{}: its link target", inode.name());
    let header_bytes = if superblock.features.is_v5() { size_of::<RawSymlinkHeader>() } else { 0 };
    let (mut target, mut block) = (Vec::with_capacity(size), 0);
    while target.len() < size {
        let left = size.saturating_sub(target.len());
        let run = mapping::run(fs, inode, Which::Data, block)?;
        let Place::Stored(_) = run.place else { return Err(corrupt(format!("{}: a hole in it", what()))) };
        let count = needed(run.count, left, header_bytes, superblock.block_len());
        let blocks = mapping::blocks(fs, inode, Which::Data, block, count, &what)?;
        let blocks = blocks.ok_or_else(|| corrupt(format!("{}: a hole in it", what())))?;
        let part = blocks.bytes.get(header_bytes..).unwrap_or(&[]);
        let part = part.get(..left.min(part.len())).unwrap_or(part);
        if header_bytes > 0 {
            verify::check_block(superblock, verify::REMOTE, &blocks.bytes, blocks.address, inode.number.0, &what)?;
            check_header(&blocks.bytes, target.len(), part.len(), &what)?;
        }
        if part.is_empty() {
            return Err(corrupt(format!("{}: a block without any of it", what())));
        }
        target.extend_from_slice(part);
        block = block.saturating_add(length(&blocks.bytes) >> superblock.block_shift);
    }
    Ok(target)
}

/// Blocks of an extent that hold what is left of the target: the buffer that the kernel wrote, and summed, is no longer.
fn needed(extent_blocks: u64, left: usize, header_bytes: usize, block_bytes: usize) -> u64 {
    let bytes = left.saturating_add(header_bytes);
    u64::try_from(bytes.div_ceil(block_bytes.max(1))).unwrap_or(u64::MAX).min(extent_blocks)
}

fn check_header(bytes: &[u8], offset: usize, length: usize, what: &dyn Fn() -> String) -> Result<()> {
    let bad = |why: String| corrupt(format!("{}: {why}", what()));
    let (raw, _) = RawSymlinkHeader::ref_from_prefix(bytes).map_err(|_| bad("it is cut short".to_owned()))?;
    let found: Option<[u8; 4]> = array(bytes, 0);
    if found != Some(MAGIC) {
        return Err(bad("a block of something else".to_owned()));
    }
    let (at, count) = (raw.sl_offset.get(), raw.sl_bytes.get());
    if usize::try_from(at) != Ok(offset) || usize::try_from(count) != Ok(length) {
        return Err(bad(format!("a block with {count} bytes from {at} on, not {length} from {offset} on")));
    }
    Ok(())
}
