//! A logical unit of an iSCSI target as a `block::Disk`.

use block::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use iscsi::Lun;

/// A LUN whose block size and capacity fr-mount can read.
pub(crate) struct LunDisk {
    lun: Lun,
    geometry: Geometry,
}

impl LunDisk {
    /// The LUN as a disk; `None` when its shape is not one that disks have.
    pub(crate) fn new(lun: Lun) -> Option<Self> {
        let info = lun.info();
        let geometry = Geometry::new(BlockSize::from_bytes(info.block_bytes)?, info.blocks)?;
        Some(Self { lun, geometry })
    }
}

impl Disk for LunDisk {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let shift = self.geometry.block_size().shift();
        let offset = blocks.first.checked_shl(shift).unwrap_or(u64::MAX);
        let length = u64::from(blocks.count) << shift;
        if !blocks.fits(self.geometry) {
            done(Err(ReadError::new(ReadErrorKind::OutOfRange, offset, length)));
            return;
        }
        let answer = move |answer: Result<bytes::Bytes, iscsi::Error>| {
            done(answer.map_err(|error| read_error(&error, offset, length)));
        };
        self.lun.submit(blocks.first, blocks.count, Box::new(answer));
    }
}

fn read_error(error: &iscsi::Error, offset: u64, length: u64) -> ReadError {
    let kind = crate::error::read_error_kind(error);
    ReadError::new(kind, offset, length).with_detail(&error.to_string())
}
