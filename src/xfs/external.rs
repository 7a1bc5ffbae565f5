//! Parts of a file system that lie on volumes of their own: what it needs, and what such a volume says of itself.

use crate::bytes::{array, u32_at};
use crate::layout::RawRealtimeSuperblock;
use crate::superblock::{self, Superblock};
use block::{ReadAt, ReadError, ReadErrorKind};
use vfs::Result;
use zerocopy::FromBytes;

/// `XLOG_HEADER_MAGIC_NUM`: how a record of a log begins.
const LOG_RECORD_MAGIC: u32 = 0xFEED_BABE;
/// `XFS_RTSB_MAGIC`.
const REALTIME_MAGIC: [u8; 4] = *b"Frog";

/// A part that is not on the file system's own volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The UUID by which its volume can be recognised, where that kind of volume has one.
    pub uuid: Option<[u8; 16]>,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The parts of a file system that are elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct External {
    /// Its log.
    pub log: Option<Needed>,
    /// The data of its realtime files.
    pub realtime: Option<Needed>,
}

/// Which parts of the file system on `volume` are on other volumes.
///
/// # Errors
/// As [`crate::describe`].
pub fn external(volume: &dyn ReadAt) -> Result<External> {
    let superblock = Superblock::parse(&superblock::read_sector(volume)?)?;
    let log = superblock.log;
    let log = log
        .start
        .is_none()
        .then_some(Needed { uuid: Some(superblock.uuid), bytes: log.blocks << superblock.block_shift });
    let realtime = superblock.realtime.filter(|realtime| realtime.start == 0).map(|realtime| Needed {
        // Only realtime groups begin with a superblock of their own; zones do not.
        uuid: (realtime.groups.is_some() && !superblock.features.zoned()).then_some(superblock.uuid),
        bytes: realtime.blocks << superblock.block_shift,
    });
    Ok(External { log, realtime })
}

/// The UUID of the file system whose log is all that `volume` holds; `None` when it is no such log.
///
/// # Errors
/// When the volume cannot be read.
pub fn log_device(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
    /// A record has 256 KiB, and 32 KiB of header, at most: in so many bytes one begins.
    const LOOKED_AT: u64 = 1 << 19;
    const SECTOR: usize = 512;
    const VERSION: usize = 8;
    const FORMAT: usize = 300;
    const UUID: usize = 304;
    let bytes = usize::try_from(LOOKED_AT.min(volume.size())).unwrap_or(0);
    let mut head = vec![0; bytes];
    volume.read_exact_at(0, &mut head)?;
    let is_record = |sector: &&[u8]| {
        u32_at(sector, 0) == Some(LOG_RECORD_MAGIC)
            && matches!(u32_at(sector, VERSION), Some(1 | 2))
            && matches!(u32_at(sector, FORMAT), Some(0..=3))
    };
    let record = head.chunks_exact(SECTOR).find(is_record);
    Ok(record.and_then(|record| array(record, UUID)))
}

/// The UUID of the file system whose realtime device `volume` is; `None` when it is none, or of the kind that does not
/// say so.
///
/// # Errors
/// When the volume cannot be read.
pub fn realtime_device(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
    let mut sector = [0; 512];
    match volume.read_exact_at(0, &mut sector) {
        Err(error) if error.kind == ReadErrorKind::OutOfRange => return Ok(None),
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    let superblock = RawRealtimeSuperblock::ref_from_prefix(&sector).ok();
    Ok(superblock.filter(|(raw, _)| raw.rsb_magicnum == REALTIME_MAGIC).map(|(raw, _)| raw.rsb_uuid))
}
