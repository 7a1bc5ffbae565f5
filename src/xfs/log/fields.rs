//! Numbers of log items, which are in the order of the machine that wrote the log.

use crate::bytes::array;
use vfs::Result;
use vfs::reader::corrupt;

/// The order of bytes in a log's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self == Self::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        if self == Self::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    pub(crate) fn u64(self, bytes: [u8; 8]) -> u64 {
        if self == Self::Big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }
}

/// A region of a log item: one piece of memory that a kernel logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) order: Order,
}

impl<'a> Region<'a> {
    pub(crate) fn len(self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn array<const N: usize>(self, at: usize) -> Result<[u8; N]> {
        array(self.bytes, at).ok_or_else(cut_short)
    }

    pub(crate) fn u16(self, at: usize) -> Result<u16> {
        self.array(at).map(|bytes| self.order.u16(bytes))
    }

    pub(crate) fn u32(self, at: usize) -> Result<u32> {
        self.array(at).map(|bytes| self.order.u32(bytes))
    }

    pub(crate) fn u64(self, at: usize) -> Result<u64> {
        self.array(at).map(|bytes| self.order.u64(bytes))
    }

    /// `length` bytes from `at` on.
    pub(crate) fn slice(self, at: usize, length: usize) -> Result<&'a [u8]> {
        let end = at.checked_add(length).ok_or_else(cut_short)?;
        self.bytes.get(at..end).ok_or_else(cut_short)
    }
}

pub(crate) fn cut_short() -> vfs::Error {
    corrupt("the log is damaged: a log item is cut short")
}

/// A log item: the last logged state of one thing, its description first.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) regions: Vec<Region<'a>>,
}

impl<'a> Item<'a> {
    /// Region `number`; an error when there is none.
    pub(crate) fn region(&self, number: usize) -> Result<Region<'a>> {
        self.regions.get(number).copied().ok_or_else(cut_short)
    }

    /// Its description, at least `length` bytes long.
    pub(crate) fn format(&self, length: usize) -> Result<Region<'a>> {
        let region = self.region(0)?;
        if region.len() < length { Err(cut_short()) } else { Ok(region) }
    }

    /// What it is: `XFS_LI_BUF` and the like.
    pub(crate) fn kind(&self) -> Result<u16> {
        self.region(0)?.u16(0)
    }
}
