//! The headers of an allocation group, a sector each (Linux `xfs_agf_verify`, `xfs_agi_verify`).

use crate::bytes::{array, u32_at};
use crate::device::Device;
use crate::verify;
use vfs::Result;
use vfs::reader::corrupt;

/// A kind of header: which sector of the group it is, and where it keeps what it says of itself, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(crate) sector: u64,
    magic: [u8; 4],
    crc: usize,
    uuid: usize,
}

/// Free space.
pub(crate) const AGF: Header = Header { sector: 1, magic: *b"XAGF", crc: 216, uuid: 64 };
/// Inodes.
pub(crate) const AGI: Header = Header { sector: 2, magic: *b"XAGI", crc: 312, uuid: 296 };
/// Byte of `agf_seqno` and `agi_seqno`.
const GROUP_OFFSET: usize = 8;

impl Header {
    /// That of a group, with everything that it says of itself verified.
    pub(crate) fn read(self, device: &Device, group: u64) -> Result<Vec<u8>> {
        let superblock = &device.superblock;
        let what = || format!("header {} of allocation group {group}", self.sector);
        let mut bytes = vec![0; 1 << superblock.sector_shift];
        device.read(superblock.ag_sector_address(group, self.sector), &mut bytes)?;
        if superblock.features.is_v5() {
            verify::check_sum(&bytes, self.crc, &what)?;
            if array(&bytes, self.uuid) != Some(superblock.meta_uuid) {
                return Err(corrupt(format!("{}: it belongs to another file system", what())));
            }
        }
        let found = u32_at(&bytes, GROUP_OFFSET).map(u64::from);
        if array(&bytes, 0) != Some(self.magic) || found != Some(group) {
            return Err(corrupt(format!("{}: it is something else", what())));
        }
        Ok(bytes)
    }
}
