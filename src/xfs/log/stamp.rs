//! Where each kind of metadata of version 5 keeps its checksum, its log sequence number and its file system
//! (Linux `xlog_recover_get_buf_lsn`, `xlog_recover_validate_buf_type` and the write verifiers).

use crate::bytes::{array, u64_at};
use crate::superblock::Superblock;
use crate::verify::checksum;

/// `XFS_BLFT_*`: what a logged buffer is, as far as it has to be told apart.
pub(crate) mod buffer_type {
    pub(crate) const BTREE: u16 = 4;
    pub(crate) const AGF: u16 = 5;
    pub(crate) const AGFL: u16 = 6;
    pub(crate) const AGI: u16 = 7;
    pub(crate) const SYMLINK: u16 = 9;
    pub(crate) const DIR_BLOCK: u16 = 10;
    pub(crate) const DIR_DATA: u16 = 11;
    pub(crate) const DIR_FREE: u16 = 12;
    pub(crate) const DIR_LEAF1: u16 = 13;
    pub(crate) const DIR_LEAFN: u16 = 14;
    pub(crate) const DA_NODE: u16 = 15;
    pub(crate) const ATTR_LEAF: u16 = 16;
    pub(crate) const ATTR_REMOTE: u16 = 17;
    pub(crate) const SUPERBLOCK: u16 = 18;
    pub(crate) const RT_BITMAP: u16 = 19;
    pub(crate) const RT_SUMMARY: u16 = 20;
}

/// A kind of block, and where in it these fields are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    magic: &'static [u8],
    /// 8 in blocks of directories and attributes that are nodes of trees, else 0.
    magic_at: usize,
    crc: usize,
    lsn: usize,
    uuid: usize,
    /// Which types of logged buffers may be such a block.
    types: &'static [u16],
}

macro_rules! stamps {
    ($($magic:literal at $magic_at:literal: $crc:literal $lsn:literal $uuid:literal of $($kind:ident)|+;)*) => {
        &[$(Stamp {
            magic: $magic,
            magic_at: $magic_at,
            crc: $crc,
            lsn: $lsn,
            uuid: $uuid,
            types: &[$(buffer_type::$kind),+],
        }),*]
    };
}

const STAMPS: &[Stamp] = stamps! {
    // Trees with 32-bit pointers: free space, inodes, reverse mappings, references.
    b"AB3B" at 0: 52 24 32 of BTREE;
    b"AB3C" at 0: 52 24 32 of BTREE;
    b"IAB3" at 0: 52 24 32 of BTREE;
    b"FIB3" at 0: 52 24 32 of BTREE;
    b"RMB3" at 0: 52 24 32 of BTREE;
    b"R3FC" at 0: 52 24 32 of BTREE;
    // Trees with 64-bit pointers: block maps, and those of the realtime part.
    b"BMA3" at 0: 64 32 40 of BTREE;
    b"MAPR" at 0: 64 32 40 of BTREE;
    b"RCNT" at 0: 64 32 40 of BTREE;
    b"XAGF" at 0: 216 208 64 of AGF;
    b"XAFL" at 0: 32 24 8 of AGFL;
    b"XAGI" at 0: 312 320 296 of AGI;
    b"XSLM" at 0: 12 48 16 of SYMLINK;
    b"XDB3" at 0: 4 16 24 of DIR_BLOCK;
    b"XDD3" at 0: 4 16 24 of DIR_DATA;
    b"XDF3" at 0: 4 16 24 of DIR_FREE;
    b"BMPZ" at 0: 4 24 32 of RT_BITMAP;
    b"SUMY" at 0: 4 24 32 of RT_SUMMARY;
    b"\x3d\xf1" at 8: 12 24 32 of DIR_LEAF1;
    b"\x3d\xff" at 8: 12 24 32 of DIR_LEAFN;
    b"\x3e\xbe" at 8: 12 24 32 of DA_NODE;
    b"\x3b\xee" at 8: 12 24 32 of ATTR_LEAF;
};

/// The superblock, whose `sb_uuid` may be changed by its owner: then metadata has `sb_meta_uuid`.
const SUPERBLOCK: Stamp =
    Stamp { magic: b"XFSB", magic_at: 0, crc: 224, lsn: 240, uuid: 32, types: &[buffer_type::SUPERBLOCK] };
const META_UUID_OFFSET: usize = 248;
/// A piece of the value of an attribute, one in each block of its buffer; never logged, so without a number.
const ATTR_REMOTE_MAGIC: &[u8] = b"XARM";
const ATTR_REMOTE_CRC: usize = 12;

impl Stamp {
    fn is_of(&self, block: &[u8]) -> bool {
        block.get(self.magic_at..).is_some_and(|rest| rest.starts_with(self.magic))
    }

    /// The block of a block-map tree.
    pub(crate) fn block_map() -> Option<Self> {
        STAMPS.iter().find(|stamp| stamp.magic == b"BMA3").copied()
    }

    /// Writes the number, if there is one, and the checksum into a block.
    pub(crate) fn put(&self, block: &mut [u8], lsn: Option<u64>) {
        if let (Some(lsn), Some(place)) = (lsn, field(block, self.lsn, 8)) {
            place.copy_from_slice(&lsn.to_be_bytes());
        }
        put_checksum(block, self.crc);
    }
}

/// What has to be written into a buffer before it goes to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stamp(Stamp),
    /// A checksum in each block of so many bytes.
    RemoteValue(usize),
}

impl Finish {
    /// What a buffer that was logged as one of type `kind` needs; nothing if it is not that (Linux
    /// `xlog_recover_validate_buf_type`).
    pub(crate) fn of(superblock: &Superblock, block: &[u8], kind: u16) -> Option<Self> {
        if !superblock.features.is_v5() {
            return None;
        }
        if kind == buffer_type::ATTR_REMOTE {
            return block.starts_with(ATTR_REMOTE_MAGIC).then(|| Self::RemoteValue(superblock.block_len()));
        }
        if kind == buffer_type::SUPERBLOCK {
            return SUPERBLOCK.is_of(block).then_some(Self::Stamp(SUPERBLOCK));
        }
        if is_bare_realtime(superblock, kind) {
            return None;
        }
        let stamp = STAMPS.iter().find(|stamp| stamp.types.contains(&kind) && stamp.is_of(block));
        stamp.copied().map(Self::Stamp)
    }

    pub(crate) fn put(self, block: &mut [u8], lsn: Option<u64>) {
        match self {
            Self::Stamp(stamp) => stamp.put(block, lsn),
            Self::RemoteValue(length) => {
                for block in block.chunks_mut(length) {
                    if block.starts_with(ATTR_REMOTE_MAGIC) {
                        put_checksum(block, ATTR_REMOTE_CRC);
                    }
                }
            }
        }
    }
}

/// Without realtime groups, blocks of the bitmap and the summary have no header.
fn is_bare_realtime(superblock: &Superblock, kind: u16) -> bool {
    !superblock.features.metadir() && matches!(kind, buffer_type::RT_BITMAP | buffer_type::RT_SUMMARY)
}

/// The log sequence number of the last change that is in a block on the disk; `None` when the block has none, or
/// does not belong to this file system, so that every change has to be replayed (Linux `xlog_recover_get_buf_lsn`).
pub(crate) fn lsn_of(superblock: &Superblock, block: &[u8], kind: u16) -> Option<u64> {
    if !superblock.features.is_v5() || is_bare_realtime(superblock, kind) {
        return None;
    }
    let (stamp, uuid_at) = if SUPERBLOCK.is_of(block) {
        (SUPERBLOCK, if superblock.features.meta_uuid() { META_UUID_OFFSET } else { SUPERBLOCK.uuid })
    } else {
        let stamp = STAMPS.iter().find(|stamp| stamp.is_of(block))?;
        (*stamp, stamp.uuid)
    };
    let is_ours = array(block, uuid_at) == Some(superblock.meta_uuid);
    u64_at(block, stamp.lsn).filter(|lsn| is_ours && is_set(*lsn))
}

/// Whether a log sequence number says when: 0 and `NULLCOMMITLSN` do not.
pub(crate) fn is_set(lsn: u64) -> bool {
    !matches!(lsn, 0 | u64::MAX)
}

/// Computes the checksum at byte `crc` of a block.
pub(crate) fn put_checksum(block: &mut [u8], crc: usize) {
    let sum = checksum(block, crc);
    if let Some(place) = field(block, crc, 4) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

fn field(block: &mut [u8], at: usize, length: usize) -> Option<&mut [u8]> {
    block.get_mut(at..at.checked_add(length)?)
}
