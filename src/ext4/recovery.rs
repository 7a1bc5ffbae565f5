//! Opening a file system that was in use: its journal is replayed in memory.

use crate::device::Device;
use crate::fast_commit::{self, Scanned};
use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::journal::{self, JournalSuperblock, Log, Replay};
use crate::options::OpenOptions;
use crate::orphans;
use crate::superblock::{ORPHANS_NOTICE, Superblock};
use block::{Overlay, ReadAt, ReadError};
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, NodeId, Result};

/// What to do when a journal cannot be replayed.
const ADVICE: &str = "with --no-replay the volume is shown as it lies, without the changes in the journal";

/// The UUID of the device that the journal of the file system on `volume` is on, if it is not on the volume itself.
///
/// # Errors
/// When the volume cannot be read.
pub fn external_journal(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
    Superblock::external_journal(volume)
}

/// The UUID of the external journal that `volume` is; `None` when it is none.
///
/// # Errors
/// When the volume cannot be read.
pub fn journal_device(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
    Superblock::journal_device(volume)
}

/// `fs`, which was opened as it lies on `volume`, as it is after the replay of its journal.
pub(crate) fn recover(fs: Ext4, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Ext4> {
    let mut fs = fs;
    let superblock = &fs.device.superblock;
    let was_in_use = superblock.features.needs_recovery();
    // Copies of the superblock are not told when the file system is in use.
    let may_have_been = superblock.copy_in_group != 0 && superblock.features.has_journal();
    if !was_in_use && (!may_have_been || !options.replay) {
        return Ok(fs);
    }
    if !options.replay {
        fs.notice("it was in use, and its journal was not replayed, as asked: recent changes are missing or half done");
        return Ok(fs);
    }
    let log = find_log(&fs, options).map_err(advise)?;
    replay(fs, volume, log).map_err(advise)
}

fn replay(fs: Ext4, volume: &Arc<dyn ReadAt>, log: Log) -> Result<Ext4> {
    let superblock = &fs.device.superblock;
    let block_shift = superblock.block_shift;
    let journal = JournalSuperblock::parse(&log.read(log.superblock)?, superblock.block_bytes(), log.blocks)?;
    if superblock.journal_inode == 0 && journal.uuid != superblock.journal_uuid {
        return Err(corrupt("the external journal is not the one of this file system"));
    }
    if journal.start == 0 {
        // It was emptied, and only the mark in the superblock was not taken back.
        return Ok(fs);
    }
    let scan = journal::scan(&log, &journal)?;
    let log = Arc::new(log);
    let patches = Replay::new(Arc::clone(&log), journal.checksums, journal.checksum_seed, scan.blocks);
    let (blocks, memory) = (patches.len(), patches.memory_bytes());
    let overlay: Arc<dyn ReadAt> = Arc::new(Overlay::new(Arc::clone(volume), Arc::new(patches), block_shift));
    let mut fs = Ext4::over(Device::open(overlay)?);
    let fast = match journal.fast_commits.clone() {
        Some(blocks) => fast_commit::scan(&log, blocks, scan.next_sequence, fs.device.superblock.inode_bytes)?,
        None => Scanned::default(),
    };
    fs.notice(&told(scan.transactions, blocks, memory, &fast));
    if fast.is_torn {
        fs.notice("a fast commit in its journal is not whole and was left out");
    }
    if journal.has_error {
        fs.notice("the source's kernel recorded an error in the journal; some files may be damaged");
    }
    let changes = fast_commit::replay(&fs, fast.tags)?;
    fs.fast_commits = changes;
    fs.orphans = orphans::count(&fs);
    fs.device.superblock.notices.retain(|notice| notice != ORPHANS_NOTICE);
    if fs.orphans.inodes > 0 {
        fs.notice(&format!("files that were deleted while they were in use stay hidden: {}", fs.orphans.inodes));
    }
    Ok(fs)
}

/// What was replayed, in words.
fn told(transactions: u32, blocks: usize, memory: usize, fast: &Scanned) -> String {
    let fast = if fast.commits == 0 { String::new() } else { format!(", {} fast commits", fast.commits) };
    let kib = memory.div_ceil(1024);
    format!(
        "it was in use; its journal was replayed in memory ({transactions} transactions of {blocks} blocks{fast}, which takes {kib} KiB)"
    )
}

/// The log of the journal, wherever it is.
fn find_log(fs: &Ext4, options: &OpenOptions) -> Result<Log> {
    let superblock = &fs.device.superblock;
    if superblock.journal_inode != 0 {
        let inode = Inode::read(&fs.device, NodeId(superblock.journal_inode))?;
        return Log::in_inode(fs, &inode);
    }
    let Some(device) = &options.journal else {
        let uuid = uuid::Uuid::from_bytes(superblock.journal_uuid);
        let message =
            format!("its journal is on another disk (UUID {uuid}), which is not among those of this recovery point");
        return Err(Error::new(ErrorKind::Unsupported, message));
    };
    Ok(Log::on_device(Arc::clone(device), superblock.block_shift))
}

/// The same error for a journal that cannot be replayed, with what can be done.
fn advise(error: Error) -> Error {
    let kind = error.kind;
    let advised = Error::new(kind, format!("its journal cannot be replayed: {}; {ADVICE}", error.message));
    match error.source {
        Some(source) => Error { source: Some(source), ..advised },
        None => advised,
    }
}
