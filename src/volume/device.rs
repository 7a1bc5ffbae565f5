//! What managers read, and what they make of it.

use crate::{Error, VolumeKind};
use block::{BlockSize, ReadAt, Slice};
use std::sync::Arc;
use uuid::Uuid;

/// A whole disk.
pub struct Device {
    /// What messages call it.
    pub name: String,
    /// Its bytes.
    pub data: Arc<dyn ReadAt>,
    /// The size of its logical blocks, in which partition tables count.
    pub block_size: BlockSize,
}

impl Device {
    /// How many whole logical blocks it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.data.size() >> self.block_size.shift()
    }

    /// Logical blocks `first` to `first + count - 1`.
    pub(crate) fn read_blocks(&self, first: u64, count: u64) -> Result<Vec<u8>, Error> {
        let outside =
            || Error::Damaged(format!("blocks {first} to {} are not on the disk", first.saturating_add(count)));
        if first.checked_add(count).is_none_or(|end| end > self.blocks()) {
            return Err(outside());
        }
        let length = usize::try_from(count << self.block_size.shift()).map_err(|_| outside())?;
        let mut bytes = vec![0; length];
        self.data.read_exact_at(first << self.block_size.shift(), &mut bytes)?;
        Ok(bytes)
    }
}

/// What tells a partition from those of other disks, beside its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The unique GUID of a GPT partition.
    Gpt(Uuid),
    /// The signature of the disk of an MBR partition, which is told from others of that disk by its first byte.
    Mbr {
        /// Never 0: a disk that was never given a signature has none.
        disk_signature: u32,
    },
}

/// Something that a file system can be in: a partition, or a whole disk.
pub struct Volume {
    /// The disk it is on, as a position in the list that was scanned.
    pub disk: usize,
    /// Number of the partition, as Linux counts; `None` for a whole disk.
    pub partition: Option<u32>,
    /// What the partition table says that it is for.
    pub kind: VolumeKind,
    /// The partition's own name (GPT).
    pub name: Option<String>,
    /// The partition's identity, in the notation of Linux' `PARTUUID`.
    pub uuid: Option<String>,
    /// The same as Windows remembers it; `None` for a whole disk.
    pub identity: Option<Identity>,
    /// First byte on the disk.
    pub start: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Its bytes.
    pub data: Arc<dyn ReadAt>,
}

impl Volume {
    /// The partition of `count` blocks from block `first` on.
    pub(crate) fn partition(disk: usize, device: &Device, number: u32, first: u64, count: u64) -> Result<Self, Error> {
        let shift = device.block_size.shift();
        let (start, bytes) = (first << shift, count << shift);
        let data = Slice::new(Arc::clone(&device.data), start, bytes)?;
        let (name, uuid, identity, kind) = (None, None, None, VolumeKind::WholeDisk);
        Ok(Self { disk, partition: Some(number), kind, name, uuid, identity, start, bytes, data: Arc::new(data) })
    }

    /// The whole disk.
    pub(crate) fn whole(disk: usize, device: &Device) -> Self {
        Self {
            disk,
            partition: None,
            kind: VolumeKind::WholeDisk,
            name: None,
            uuid: None,
            identity: None,
            start: 0,
            bytes: device.data.size(),
            data: Arc::clone(&device.data),
        }
    }
}
