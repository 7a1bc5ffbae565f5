//! Buffers: metadata that was logged as the bytes of which it consists (Linux `fs/xfs/xfs_buf_item_recover.c`).

use super::fields::{Item, Region, cut_short};
use super::replay::Replay;
use super::stamp::{self, Finish, put_checksum};
use crate::bytes::{array, u32_at};
use crate::superblock::Superblock;
use std::ops::Range;
use vfs::Result;
use vfs::reader::corrupt;

/// `blf_flags`.
mod flag {
    pub(super) const INODE: u16 = 1 << 0;
    pub(super) const CANCEL: u16 = 1 << 1;
    pub(super) const USER_QUOTA: u16 = 1 << 2;
    pub(super) const PROJECT_QUOTA: u16 = 1 << 3;
    pub(super) const GROUP_QUOTA: u16 = 1 << 4;
    /// The type of the buffer is in the bits above.
    pub(super) const TYPE_SHIFT: u32 = 11;
}

/// A buffer is logged in pieces of 128 bytes (`XFS_BLF_CHUNK`).
const CHUNK: usize = 128;
/// `XFS_BLF_DATAMAP_SIZE`: words of 32 bits that say which pieces are there.
const MAP_WORDS_MAX: u32 = 17;
const MAP_OFFSET: usize = 20;
/// Sectors of 512 bytes of the largest buffer whose contents are logged: 64 KiB (`XFS_MAX_BLOCKSIZE`).
const SECTORS_MAX: u32 = 128;
/// Byte of `di_next_unlinked` in an inode.
const NEXT_UNLINKED: usize = 96;
/// Byte of `di_crc` in an inode of version 3.
pub(crate) const INODE_CRC: usize = 100;
/// Byte of `sb_crc` in a superblock.
const SUPERBLOCK_CRC: usize = 224;
pub(crate) const INODE_MAGIC: [u8; 2] = *b"IN";

/// `struct xfs_buf_log_format`.
#[derive(Clone, Debug)]
pub(crate) struct BufferFormat {
    flags: u16,
    /// The place of the buffer on the volume, in sectors of 512 bytes.
    pub(crate) sector: u64,
    pub(crate) sectors: u32,
    map: Vec<u32>,
}

impl BufferFormat {
    pub(crate) fn parse(item: &Item<'_>) -> Result<Self> {
        let region = item.format(MAP_OFFSET)?;
        let words = region.u32(16)?;
        if words > MAP_WORDS_MAX {
            return Err(corrupt(format!("the log is damaged: a buffer with a map of {words} words")));
        }
        let word = |number: u32| {
            let at = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(4);
            region.u32(MAP_OFFSET.saturating_add(at))
        };
        let map = (0..words).map(word).collect::<Result<_>>()?;
        let format = Self { flags: region.u16(4)?, sector: region.u64(8)?, sectors: region.u16(6)?.into(), map };
        // Only what is freed, values of attributes with their headers, may be larger: nothing of it is read.
        if format.sectors > SECTORS_MAX && !format.is_cancel() {
            return Err(corrupt(format!("the log is damaged: a buffer of {} sectors", format.sectors)));
        }
        Ok(format)
    }

    pub(crate) fn is_cancel(&self) -> bool {
        self.flags & flag::CANCEL != 0
    }

    pub(crate) fn is_inodes(&self) -> bool {
        self.flags & flag::INODE != 0
    }

    fn kind(&self) -> u16 {
        self.flags >> flag::TYPE_SHIFT
    }

    /// Which quotas it is of, in the bits of `d_type`.
    fn quota_types(&self) -> u8 {
        let types = [(flag::USER_QUOTA, 1), (flag::PROJECT_QUOTA, 2), (flag::GROUP_QUOTA, 4)];
        types.into_iter().filter(|(bit, _)| self.flags & bit != 0).fold(0, |all, (_, kind)| all | kind)
    }

    /// Where in the buffer the regions of `item` belong.
    fn pieces<'a>(&self, item: &Item<'a>) -> Result<Vec<(Range<usize>, &'a [u8])>> {
        let is_set = |bit: u32| {
            let word = usize::try_from(bit / u32::BITS).ok().and_then(|word| self.map.get(word));
            word.is_some_and(|word| word & (1 << (bit % u32::BITS)) != 0)
        };
        let bits = u32::try_from(self.map.len()).unwrap_or(0).saturating_mul(u32::BITS);
        let (mut pieces, mut bit) = (Vec::new(), 0);
        let mut regions = item.regions.iter().skip(1);
        while bit < bits {
            if !is_set(bit) {
                bit = bit.saturating_add(1);
                continue;
            }
            let run = (bit..bits).take_while(|bit| is_set(*bit)).count();
            let region: &Region<'a> = regions.next().ok_or_else(cut_short)?;
            // What is dirty without a gap may have been logged in more than one region.
            let run = run.min(region.len() / CHUNK);
            if run == 0 {
                return Err(cut_short());
            }
            let start = usize::try_from(bit).unwrap_or(usize::MAX).saturating_mul(CHUNK);
            let length = run.saturating_mul(CHUNK);
            pieces.push((start..start.saturating_add(length), region.slice(0, length)?));
            bit = bit.saturating_add(u32::try_from(run).unwrap_or(u32::MAX));
        }
        Ok(pieces)
    }
}

impl Replay {
    /// Linux `xlog_recover_buf_commit_pass2`.
    pub(crate) fn buffer(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        let format = BufferFormat::parse(item)?;
        let (sector, sectors) = (format.sector, format.sectors);
        if format.is_cancel() {
            self.cancelled.pass(sector, sectors);
            return Ok(());
        }
        if self.cancelled.contains(sector, sectors) {
            return Ok(());
        }
        let pieces = format.pieces(item)?;
        let old = self.volume.read(sector, sectors.into())?;
        if stamp::lsn_of(&self.superblock, &old, format.kind()).is_some_and(|found| found >= lsn) {
            return Ok(());
        }
        let mut new = old.clone();
        let quota_types = format.quota_types();
        if format.is_inodes() {
            self.next_unlinked(&pieces, &mut new)?;
        } else if quota_types == 0 || self.quotas_are_replayed(quota_types) {
            for (place, bytes) in pieces {
                new.get_mut(place).ok_or_else(cut_short)?.copy_from_slice(bytes);
            }
            if quota_types == 0 {
                let finish = Finish::of(&self.superblock, &new, format.kind());
                self.finish_later(sector, sectors.into(), finish, Some(lsn));
            }
        }
        if sector == 0 {
            self.grow(&new);
        }
        self.volume.write(sector, &old, &new, &mut self.memory)
    }

    /// Takes the size of the file system from a replayed superblock: what comes after it may lie in what was added
    /// (Linux `xlog_recover_do_primary_sb_buffer`).
    fn grow(&mut self, sector: &[u8]) {
        let mut sector = sector.to_vec();
        put_checksum(&mut sector, SUPERBLOCK_CRC);
        // One that is damaged is found so when it is read after the recovery.
        if let Ok(superblock) = Superblock::parse(&sector) {
            (self.superblock.blocks, self.superblock.ag_count) = (superblock.blocks, superblock.ag_count);
        }
    }

    /// Of a buffer of inodes only the links of the lists of unlinked inodes are replayed: what else is in it was logged
    /// with the inodes themselves (Linux `xlog_recover_do_inode_buffer`).
    fn next_unlinked(&self, pieces: &[(Range<usize>, &[u8])], buffer: &mut [u8]) -> Result<()> {
        let inode_bytes = 1_usize << self.superblock.inode_shift;
        for (number, inode) in buffer.chunks_exact_mut(inode_bytes).enumerate() {
            let at = number.saturating_mul(inode_bytes).saturating_add(NEXT_UNLINKED);
            let Some((place, bytes)) = pieces.iter().find(|(place, _)| place.contains(&at)) else { continue };
            let next: [u8; 4] = array(bytes, at.saturating_sub(place.start)).ok_or_else(cut_short)?;
            if u32_at(&next, 0) == Some(0) {
                return Err(corrupt("the log is damaged: it links an unlinked inode to inode 0"));
            }
            let field = inode.get_mut(NEXT_UNLINKED..NEXT_UNLINKED.saturating_add(4)).ok_or_else(cut_short)?;
            field.copy_from_slice(&next);
            put_inode_checksum(inode);
        }
        Ok(())
    }
}

/// Computes the checksum of an inode that has one (Linux `xfs_dinode_calc_crc`).
pub(crate) fn put_inode_checksum(inode: &mut [u8]) {
    if inode.get(4).is_some_and(|version| *version >= 3) {
        put_checksum(inode, INODE_CRC);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fields::Order;

    fn parsed(flags: u16, sectors: u16) -> Result<BufferFormat> {
        let fields = [0x123C, 2, flags, sectors].map(u16::to_le_bytes).concat();
        let bytes = [&fields[..], &8_u64.to_le_bytes(), &1_u32.to_le_bytes(), &1_u32.to_le_bytes()].concat();
        BufferFormat::parse(&Item { regions: vec![Region { bytes: &bytes, order: Order::Little }] })
    }

    #[test]
    fn a_buffer_that_is_larger_than_any_block_is_damage_unless_it_was_freed() {
        assert_eq!(parsed(0, 128).unwrap().sectors, 128);
        assert!(parsed(0, 129).unwrap_err().message.contains("129 sectors"));
        assert_eq!(parsed(flag::CANCEL, 0xFFFF).unwrap().sectors, 0xFFFF);
    }
}
