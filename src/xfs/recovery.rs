//! Opening a file system that was in use: its log is recovered in memory.

use crate::device::Device;
use crate::external;
use crate::filesystem::Xfs;
use crate::intents;
use crate::log::{self, LogDevice};
use crate::options::OpenOptions;
use crate::unlinked;
use block::{Overlay, ReadAt};
use std::sync::Arc;
use vfs::reader::io;
use vfs::{Error, ErrorKind, Result};

/// What to do when a log cannot be recovered.
const ADVICE: &str = "with --no-replay the volume is shown as it lies, without the changes in the log";

/// `fs`, which was opened as it lies on `volume`, as it is after the recovery of its log.
pub(crate) fn recover(fs: Xfs, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Xfs> {
    let mut fs = fs;
    if options.replay {
        let log = log_device(&fs, volume, options).map_err(advise)?;
        return replay(fs, volume, &log, options).map_err(advise);
    }
    let log = log_device(&fs, volume, options);
    match log.and_then(|log| log::is_dirty(&fs.device.superblock, &log)) {
        Ok(false) => {}
        Ok(true) => {
            fs.is_clean = false;
            fs.notice(
                "it was in use, and its log was not recovered, as asked: recent changes are missing or half done",
            );
        }
        Err(error) => {
            fs.is_clean = false;
            fs.notice(&format!("its log was not looked at, as asked, so recent changes may be missing: {error}"));
        }
    }
    Ok(fs)
}

fn replay(fs: Xfs, volume: &Arc<dyn ReadAt>, log: &LogDevice, options: &OpenOptions) -> Result<Xfs> {
    let Some(recovered) = log::recover(&fs.device.superblock, volume, log)? else { return Ok(fs) };
    let overlay: Arc<dyn ReadAt> = Arc::new(Overlay::new(Arc::clone(volume), recovered.patches, log::PATCH_SHIFT));
    // The log may say that the file system has grown: everything is read again.
    let mut fs = Xfs::over(Device::open(overlay, options.realtime.clone())?);
    fs.is_clean = false;
    fs.notice(&format!(
        "it was in use; its log was recovered in memory ({} transactions, which takes {} KiB)",
        recovered.transactions,
        recovered.memory_bytes.div_ceil(1024)
    ));
    recovered.notices.iter().for_each(|notice| fs.notice(notice));
    intents::finish(&mut fs, recovered.intents)?;
    let hidden = unlinked::count(&fs.device);
    if hidden > 0 {
        fs.notice(&format!("files that were deleted while they were in use stay hidden: {hidden}"));
    }
    Ok(fs)
}

/// The log of the file system, wherever it is.
fn log_device(fs: &Xfs, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<LogDevice> {
    let superblock = &fs.device.superblock;
    let geometry = superblock.log;
    let length = geometry.blocks << superblock.block_shift;
    let Some(start) = geometry.start else {
        let uuid = uuid::Uuid::from_bytes(superblock.uuid);
        let missing = || {
            let message = format!(
                "its log is on another disk (UUID {uuid}), which is not among those of this recovery point; if it is, \
                 say which one with --log-device"
            );
            Error::new(ErrorKind::Unsupported, message)
        };
        let log = options.log.as_ref().ok_or_else(missing)?;
        // To a kernel anything that begins with zeros is a log that was never written to. But mkfs.xfs writes to it, so it is
        // not the right volume, and what the right one holds would be missing without a word.
        if external::log_device(log.as_ref()).map_err(io)?.is_none() {
            let message = "the volume that was named as its log holds no log of XFS";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        return LogDevice::new(Arc::clone(log), 0, length);
    };
    let outside = || {
        let message = format!("the superblock: a log of {} blocks at {start}, which do not exist", geometry.blocks);
        Error::new(ErrorKind::Corrupt, message)
    };
    let address = superblock.block_address(start, geometry.blocks).ok_or_else(outside)?;
    LogDevice::new(Arc::clone(volume), address, length)
}

/// The same error, with what the user can do about it.
fn advise(error: Error) -> Error {
    Error { message: format!("its log cannot be recovered: {}; {ADVICE}", error.message), ..error }
}
