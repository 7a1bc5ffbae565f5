//! Values in blocks of their own (Linux `libxfs/xfs_attr_remote.c`).

use super::layout::RawRemoteHeader;
use crate::filesystem::Xfs;
use crate::fork::Which;
use crate::inode::Inode;
use crate::mapping;
use crate::verify;
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

const MAGIC: [u8; 4] = *b"XARM";

/// The value of `length` bytes ([`super::VALUE_BYTES_MAX`] at most) that begins at block `first` of the attribute fork: one
/// block after the other, each in version 5 with a header of its own.
pub(super) fn read(fs: &Xfs, inode: &Inode, first: u32, length: usize) -> Result<Vec<u8>> {
    let superblock = &fs.device.superblock;
    let is_v5 = superblock.features.is_v5();
    let header_bytes = if is_v5 { size_of::<RawRemoteHeader>() } else { 0 };
    let mut value = Vec::with_capacity(length);
    let mut block = u64::from(first);
    // Ends: a block is larger than its header, so each adds something.
    while value.len() < length {
        let what = || format!("{}: block {block} of its attributes, which holds a value", inode.name());
        let found = mapping::blocks(fs, inode, Which::Attributes, block, 1, &what)?;
        let found = found.ok_or_else(|| corrupt(format!("{}: it is a hole", what())))?;
        let part = found.bytes.get(header_bytes..).filter(|part| !part.is_empty());
        let part = part.ok_or_else(|| corrupt(format!("{}: it is cut short", what())))?;
        let part = part.get(..length.saturating_sub(value.len())).unwrap_or(part);
        if is_v5 {
            let owner = inode.number.0;
            verify::check_block(superblock, verify::REMOTE, &found.bytes, found.address, owner, &what)?;
            check_header(&found.bytes, value.len(), part.len(), &what)?;
        }
        value.extend_from_slice(part);
        block = block.saturating_add(1);
    }
    Ok(value)
}

/// Verifies that a block holds `length` bytes of a value from its byte `offset` on (Linux `xfs_attr3_rmt_hdr_ok`).
fn check_header(block: &[u8], offset: usize, length: usize, what: &dyn Fn() -> String) -> Result<()> {
    let bad = |why: String| corrupt(format!("{}: {why}", what()));
    let (raw, _) = RawRemoteHeader::ref_from_prefix(block).map_err(|_| bad("it is cut short".to_owned()))?;
    if raw.rm_magic != MAGIC {
        return Err(bad("it is a block of something else".to_owned()));
    }
    let (at, count) = (raw.rm_offset.get(), raw.rm_bytes.get());
    if usize::try_from(at) != Ok(offset) || usize::try_from(count) != Ok(length) {
        return Err(bad(format!("it has {count} bytes from {at} on, not {length} from {offset} on")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_to_say_which_part_of_the_value_it_is() {
        let header =
            |offset: u32, bytes: u32| [&MAGIC[..], &offset.to_be_bytes(), &bytes.to_be_bytes(), &[0; 44]].concat();
        let check = |block: &[u8]| check_header(block, 968, 100, &|| "it".to_owned());
        assert!(check(&header(968, 100)).is_ok());
        assert!(check(&header(0, 100)).is_err());
        assert!(check(&header(968, 101)).is_err());
        assert!(check(&header(968, 100)[..40]).is_err());
        assert!(check(&[b"XSLM", &header(968, 100)[4..]].concat()).is_err());
    }
}
