//! What managers read, and what they make of it.

use crate::{Error, Health, VolumeKind};
use block::{BlockSize, ReadAt, Slice};
use std::sync::Arc;
use uuid::Uuid;

/// Something that managers look at: a disk, a partition, an array, a logical volume.
#[derive(Clone)]
pub struct Device {
    /// What messages call it: `disk 0`, `disk 0 partition 2`, `vg0/home`.
    pub name: String,
    /// Its bytes.
    pub data: Arc<dyn ReadAt>,
    /// The size of its logical blocks in bytes, in which partition tables count.
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
        let outside = || Error::Damaged(format!("blocks {first} to {} are not on it", first.saturating_add(count)));
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

/// What a volume is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To hold data: a file system, a partition table, a member of something larger.
    Data,
    /// To be a part of another volume of its group; it is listed, and not looked into. In words: `RAID image`.
    Internal(String),
    /// Nothing here can read it. In words: why, and what to do.
    Refused(String),
}

/// What a manager makes, and what a disk is as a whole.
pub struct Volume {
    /// Its name within its group: the number of a partition, the name of a logical volume; empty for an array's only volume.
    pub name: String,
    /// What it is there for.
    pub purpose: Purpose,
    /// How it is laid out, or what the partition table says that it is for.
    pub kind: VolumeKind,
    /// Number of the partition, as Linux counts; `None` for what is no partition.
    pub partition: Option<u32>,
    /// The partition's own name (GPT).
    pub label: Option<String>,
    /// Its identity, for a partition in the notation of Linux' `PARTUUID`.
    pub uuid: Option<String>,
    /// A partition's identity as Windows remembers it.
    pub identity: Option<Identity>,
    /// First byte on what a partition is on; 0 for others.
    pub start: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Size of its logical blocks.
    pub block_size: BlockSize,
    /// Whether all of it is there.
    pub health: Health,
    /// What the user should know about it.
    pub notices: Vec<String>,
    /// Its bytes.
    pub data: Arc<dyn ReadAt>,
}

impl Volume {
    /// A volume for data that is whole, of which nothing else is known.
    #[must_use]
    pub fn new(name: &str, kind: VolumeKind, block_size: BlockSize, data: Arc<dyn ReadAt>) -> Self {
        Self {
            name: name.to_owned(),
            purpose: Purpose::Data,
            kind,
            partition: None,
            label: None,
            uuid: None,
            identity: None,
            start: 0,
            bytes: data.size(),
            block_size,
            health: Health::Whole,
            notices: Vec::new(),
            data,
        }
    }

    /// The partition of `count` blocks from block `first` on.
    pub(crate) fn partition(device: &Device, kind: VolumeKind, number: u32, blocks: BlockRange) -> Result<Self, Error> {
        let shift = device.block_size.shift();
        let (start, bytes) = (blocks.first << shift, blocks.count << shift);
        let data = Slice::new(Arc::clone(&device.data), start, bytes)?;
        let volume = Self::new(&number.to_string(), kind, device.block_size, Arc::new(data));
        Ok(Self { partition: Some(number), start, ..volume })
    }
}

/// Logical blocks of a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRange {
    pub(crate) first: u64,
    pub(crate) count: u64,
}
