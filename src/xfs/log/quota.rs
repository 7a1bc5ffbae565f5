//! Quotas. No part of them is shown; they are replayed so that the volume reads as a kernel's would, and a defect of
//! theirs keeps nobody from the files (Linux `fs/xfs/xfs_dquot_item_recover.c`).

use super::fields::{Item, cut_short};
use super::replay::Replay;
use super::stamp::{self, put_checksum};
use crate::bytes::u64_at;
use crate::layout::RawSuperblock;
use vfs::Result;

/// `struct xfs_disk_dquot` and `struct xfs_dqblk`, which it lies in.
const DQUOT_BYTES: usize = 104;
const DQUOT_BLOCK_BYTES: usize = 136;
const CRC_OFFSET: usize = 108;
const LSN_OFFSET: usize = 112;
const MAGIC: [u8; 2] = *b"DQ";

/// `d_type`: quotas of users, projects, groups.
const TYPES: u8 = 7;
/// `sb_qflags` and `qf_flags`: quotas that are counted, with their type.
const COUNTED: [(u16, u8); 3] = [(0x0001, 1), (0x0008, 2), (0x0040, 4)];

/// Which quotas are replayed.
#[derive(Default)]
pub(crate) struct Quotas {
    replayed: u8,
    pub(crate) notices: Vec<String>,
}

impl Quotas {
    /// Those that the superblock says are counted, without those that the log says were switched off.
    pub(crate) fn new(raw: &RawSuperblock, off: u8) -> Self {
        Self { replayed: counted(raw.sb_qflags.get()) & !off, notices: Vec::new() }
    }
}

fn counted(flags: u16) -> u8 {
    COUNTED.into_iter().filter(|(bit, _)| flags & bit != 0).fold(0, |all, (_, kind)| all | kind)
}

/// The types of quotas that a `QUOTAOFF` item switches off (`struct xfs_qoff_logformat`).
pub(crate) fn switched_off(item: &Item<'_>) -> Result<u8> {
    let flags = item.format(8)?.u32(4)?;
    Ok(counted(u16::try_from(flags & u32::from(u16::MAX)).unwrap_or(0)))
}

impl Replay<'_> {
    /// Whether quotas of one of these types are replayed.
    pub(crate) fn quotas_are_replayed(&self, types: u8) -> bool {
        self.quotas.replayed & types != 0
    }

    /// Linux `xlog_recover_dquot_commit_pass2`.
    pub(crate) fn dquot(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        // `struct xfs_dq_logformat`
        let format = item.format(24)?;
        let dquot = item.region(1)?;
        let kind = dquot.slice(3, 1)?.first().map_or(0, |kind| kind & TYPES);
        if !self.quotas_are_replayed(kind) {
            return Ok(());
        }
        let (id, sector, blocks) = (format.u32(4)?, format.u64(8)?, format.u32(16)?);
        let offset = usize::try_from(format.u32(20)?).unwrap_or(usize::MAX);
        let sectors = u64::from(blocks) << self.superblock.block_shift >> super::layout::BASIC_BLOCK_SHIFT;
        let is_valid = blocks == 1 && dquot.len() >= DQUOT_BYTES && dquot.bytes.starts_with(&MAGIC);
        let is_v5 = self.superblock.features.is_v5();
        let put = |bytes: &mut [u8]| {
            let length = if is_v5 { DQUOT_BLOCK_BYTES } else { DQUOT_BYTES };
            let end = offset.checked_add(length).ok_or_else(cut_short)?;
            let place = bytes.get_mut(offset..end).filter(|place| place.starts_with(&MAGIC)).ok_or_else(cut_short)?;
            if is_v5 && u64_at(place, LSN_OFFSET).is_some_and(|found| stamp::is_set(found) && found >= lsn) {
                return Ok(());
            }
            let source = dquot.slice(0, dquot.len().min(length))?;
            place.get_mut(..source.len()).ok_or_else(cut_short)?.copy_from_slice(source);
            if is_v5 {
                put_checksum(place, CRC_OFFSET);
            }
            Ok(())
        };
        let result =
            if is_valid { self.volume.update(sector, sectors, &mut self.memory, put) } else { Err(cut_short()) };
        match result {
            Err(error) if error.kind == vfs::ErrorKind::Corrupt => {
                let first = self.quotas.notices.is_empty();
                if first {
                    self.quotas.notices.push(format!("the quota of id {id} could not be recovered from the log"));
                }
                Ok(())
            }
            other => other,
        }
    }
}
