//! The volumes of a file system, read in its blocks.

use crate::superblock::Superblock;
use block::ReadAt;
use std::ops::Range;
use std::sync::Arc;
use vfs::reader::{corrupt, io};
use vfs::{Error, ErrorKind, Result};

/// Which volume of a file system something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Data,
    Realtime,
}

/// The volumes, and the superblock that describes them.
pub(crate) struct Device {
    data: Arc<dyn ReadAt>,
    realtime: Option<Arc<dyn ReadAt>>,
    pub(crate) superblock: Superblock,
}

impl Device {
    /// The file system on `data`; the realtime part of it may be on another volume.
    pub(crate) fn open(data: Arc<dyn ReadAt>, realtime: Option<Arc<dyn ReadAt>>) -> Result<Self> {
        let superblock = Superblock::read(data.as_ref())?;
        let is_inside = superblock.realtime.is_some_and(|realtime| realtime.start != 0);
        let realtime = if is_inside { Some(Arc::clone(&data)) } else { realtime };
        check_size(&superblock, realtime.as_deref())?;
        Ok(Self { data, realtime, superblock })
    }

    /// Fills `buf` from byte `address` of the data volume on.
    pub(crate) fn read(&self, address: u64, buf: &mut [u8]) -> Result<()> {
        self.data.read_exact_at(address, buf).map_err(io)
    }

    /// Fills `buf` from byte `address` of a volume on.
    pub(crate) fn read_part(&self, part: Part, address: u64, buf: &mut [u8]) -> Result<()> {
        match part {
            Part::Data => self.read(address, buf),
            Part::Realtime => self.realtime_volume()?.read_exact_at(address, buf).map_err(io),
        }
    }

    /// Whether there are realtime files, and not the volume that they are on.
    pub(crate) const fn lacks_realtime(&self) -> bool {
        self.superblock.realtime.is_some() && self.realtime.is_none()
    }

    fn realtime_volume(&self) -> Result<&Arc<dyn ReadAt>> {
        let message =
            "the data of this file is on a realtime device, which is not among the disks of this recovery point";
        self.realtime.as_ref().ok_or_else(|| Error::new(ErrorKind::Unsupported, message))
    }

    /// Block `number` of the data volume, which `what` points to, and the byte at which it begins.
    pub(crate) fn block(&self, number: u64, what: &dyn Fn() -> String) -> Result<(Vec<u8>, u64)> {
        let address = self.address(Part::Data, number, 1, what)?;
        let mut block = vec![0; self.superblock.block_len()];
        self.read(address, &mut block)?;
        Ok((block, address))
    }

    /// The byte of its volume at which `count` blocks from `first` on begin; an error unless they exist.
    pub(crate) fn address(&self, part: Part, first: u64, count: u64, what: &dyn Fn() -> String) -> Result<u64> {
        let address = match part {
            Part::Data => self.superblock.block_address(first, count),
            Part::Realtime => self.realtime_address(first, count),
        };
        let on = if part == Part::Data { "" } else { " of the realtime device" };
        address
            .ok_or_else(|| corrupt(format!("{} points to {count} blocks at {first}{on}, which do not exist", what())))
    }

    /// The byte at which blocks of the realtime part begin (Linux `xfs_rtb_to_daddr`).
    fn realtime_address(&self, first: u64, count: u64) -> Option<u64> {
        let realtime = self.superblock.realtime?;
        let block = match realtime.groups {
            None => first,
            Some(groups) => {
                let (group, in_group) = (first >> groups.shift, first & (1_u64 << groups.shift).wrapping_sub(1));
                // An extent ends with its group.
                let is_inside = group < u64::from(groups.count)
                    && in_group.checked_add(count).is_some_and(|end| end <= groups.blocks);
                let dense = group.saturating_mul(groups.blocks).saturating_add(in_group);
                if !is_inside || dense.saturating_add(count) > realtime.blocks {
                    return None;
                }
                if groups.has_gaps { first } else { dense }
            }
        };
        let is_inside = realtime.groups.is_some() || first.checked_add(count).is_some_and(|end| end <= realtime.blocks);
        let start = block.checked_add(realtime.start).filter(|_| is_inside)?;
        start.checked_mul(self.superblock.block_bytes())
    }

    /// Hints that these bytes of the data volume are wanted soon.
    pub(crate) fn will_need(&self, ranges: &[Range<u64>]) {
        self.data.will_need(ranges);
    }

    /// Hints that these bytes of a volume are wanted soon.
    pub(crate) fn will_need_part(&self, part: Part, ranges: &[Range<u64>]) {
        match (part, &self.realtime) {
            (Part::Data, _) => self.data.will_need(ranges),
            (Part::Realtime, Some(realtime)) => realtime.will_need(ranges),
            (Part::Realtime, None) => {}
        }
    }
}

/// Refuses a realtime device that is too small, which may be none at all (Linux `xfs_rtmount_init`).
fn check_size(superblock: &Superblock, realtime: Option<&dyn ReadAt>) -> Result<()> {
    let (Some(geometry), Some(realtime)) = (superblock.realtime, realtime) else { return Ok(()) };
    // Cannot be cut off: the number of blocks was checked to leave room for the shift.
    let bytes = geometry.start.saturating_add(geometry.blocks) << superblock.block_shift;
    if bytes <= realtime.size() {
        return Ok(());
    }
    let found = realtime.size();
    Err(corrupt(format!(
        "its realtime device has {bytes} bytes, and the volume for it {found}: it is cut short, or not the right one"
    )))
}
