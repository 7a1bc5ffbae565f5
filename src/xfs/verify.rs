//! What every metadata block of version 5 says of itself: its checksum, its file system, its place, its owner.

use crate::bytes::{array, u64_at};
use crate::superblock::Superblock;
use vfs::Result;
use vfs::reader::corrupt;

/// Where a kind of block keeps these fields, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) crc: usize,
    pub(crate) blkno: usize,
    pub(crate) uuid: usize,
    pub(crate) owner: usize,
}

/// `struct xfs_btree_block` with 64-bit pointers: block-map trees.
pub(crate) const LONG_BTREE: Stamp = Stamp { crc: 64, blkno: 24, uuid: 40, owner: 56 };
/// `struct xfs_da3_blkinfo`: nodes and leaves of directories and attributes.
pub(crate) const DA_BLOCK: Stamp = Stamp { crc: 12, blkno: 16, uuid: 32, owner: 48 };
/// `struct xfs_dir3_blk_hdr`: data and free-space blocks of directories.
pub(crate) const DIR_BLOCK: Stamp = Stamp { crc: 4, blkno: 8, uuid: 24, owner: 40 };
/// `struct xfs_attr3_rmt_hdr` and `struct xfs_dsymlink_hdr`: remote values of attributes, and link targets.
pub(crate) const REMOTE: Stamp = Stamp { crc: 12, blkno: 40, uuid: 16, owner: 32 };

/// crc32c of `bytes` with the four bytes at `crc` taken as zero, as it is stored there, little-endian
/// (Linux `xfs_start_cksum_safe`).
pub(crate) fn checksum(bytes: &[u8], crc: usize) -> u32 {
    let end = crc.saturating_add(4);
    let before = bytes.get(..crc).unwrap_or(bytes);
    let after = bytes.get(end..).unwrap_or(&[]);
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), after)
}

/// Verifies the checksum of `what`, which is all of `bytes`.
pub(crate) fn check_sum(bytes: &[u8], crc: usize, what: &dyn Fn() -> String) -> Result<()> {
    let (expected, found) = (array(bytes, crc).map_or(0, u32::from_le_bytes), checksum(bytes, crc));
    if expected == found {
        return Ok(());
    }
    Err(corrupt(format!("{}: checksum {found:#010x}, not {expected:#010x}", what())))
}

/// Verifies everything that a block of version 5 says of itself; nothing in version 4, whose blocks say nothing.
/// `address` is the byte of its device at which it begins, `owner` the inode that it belongs to.
pub(crate) fn check_block(
    superblock: &Superblock,
    stamp: Stamp,
    bytes: &[u8],
    address: u64,
    owner: u64,
    what: &dyn Fn() -> String,
) -> Result<()> {
    if !superblock.features.is_v5() {
        return Ok(());
    }
    check_sum(bytes, stamp.crc, what)?;
    if array(bytes, stamp.uuid) != Some(superblock.meta_uuid) {
        return Err(corrupt(format!("{}: it belongs to another file system", what())));
    }
    // The place is counted in units of 512 bytes, whatever a sector is.
    let (place, expected) = (u64_at(bytes, stamp.blkno).unwrap_or(u64::MAX), address >> 9);
    if place != expected {
        return Err(corrupt(format!("{}: it says that it is at sector {place}, not {expected}", what())));
    }
    let found = u64_at(bytes, stamp.owner).unwrap_or(u64::MAX);
    if found != owner {
        return Err(corrupt(format!("{}: it belongs to inode {found}, not {owner}", what())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_bytes_with_its_own_as_zeros() {
        let mut bytes: Vec<u8> = (0..100).collect();
        bytes[20..24].fill(0);
        let sum = crc32c::crc32c(&bytes);
        bytes[20..24].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(checksum(&bytes, 20), sum);
        assert!(check_sum(&bytes, 20, &|| "it".to_owned()).is_ok());
        bytes[99] ^= 1;
        let error = check_sum(&bytes, 20, &|| "it".to_owned()).unwrap_err();
        assert!(error.message.starts_with("it: checksum"), "{error}");
    }
}
