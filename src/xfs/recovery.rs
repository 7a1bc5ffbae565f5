//! Opening a file system that was in use: its log is recovered in memory.

use crate::device::Device;
use crate::error::corrupt;
use crate::filesystem::Xfs;
use crate::log::{self, LogDevice, PATCH_SHIFT, Recovered};
use crate::options::OpenOptions;
use crate::superblock::Superblock;
use block::{Overlay, ReadAt};
use std::sync::Arc;
use vfs::{Error, ErrorKind, Result};

/// What to do when a log cannot be recovered.
const ADVICE: &str = "with --no-replay the volume is shown as it lies, without the changes in the log";

/// The file system on `volume`, of which `device` was opened as it lies, as it is after the recovery of its log.
pub(crate) fn recover(device: Device, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<Xfs> {
    if !options.replay {
        return Ok(as_it_lies(device, volume, options));
    }
    let superblock = &device.superblock;
    let log = find_log(superblock, volume, options).map_err(advise)?;
    if !log::is_dirty(superblock, &log).map_err(advise)? {
        return Ok(Xfs::over(device));
    }
    let recovered = log::recover(superblock, volume, &log).map_err(advise)?;
    let told = told(&recovered);
    let overlay: Arc<dyn ReadAt> = Arc::new(Overlay::new(Arc::clone(volume), recovered.patches, PATCH_SHIFT));
    let mut fs = Xfs::over(Device::open(overlay, options.realtime.clone())?);
    fs.is_clean = false;
    fs.notice(&told);
    for notice in recovered.notices {
        fs.notice(&notice);
    }
    Ok(fs)
}

/// The file system without its log. Whether that holds anything is told if it can be.
fn as_it_lies(device: Device, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Xfs {
    let superblock = &device.superblock;
    let log = find_log(superblock, volume, options);
    let is_dirty = log.and_then(|log| log::is_dirty(superblock, &log));
    let mut fs = Xfs::over(device);
    if !matches!(is_dirty, Ok(false)) {
        fs.is_clean = false;
        fs.notice("it was in use, and its log was not recovered, as asked: recent changes are missing or half done");
    }
    fs
}

/// What was recovered, in words.
fn told(recovered: &Recovered) -> String {
    let (transactions, kib) = (recovered.transactions, recovered.memory_bytes.div_ceil(1024));
    format!("it was in use; its log was recovered in memory ({transactions} transactions, which takes {kib} KiB)")
}

/// The log, wherever it is.
fn find_log(superblock: &Superblock, volume: &Arc<dyn ReadAt>, options: &OpenOptions) -> Result<LogDevice> {
    let log = superblock.log;
    let bytes = log.blocks << superblock.block_shift;
    let Some(start) = log.start else {
        let device = options.log.as_ref().ok_or_else(|| missing(superblock))?;
        return LogDevice::new(Arc::clone(device), 0, bytes);
    };
    let outside = || corrupt(format!("its log has {} blocks from {start} on, which do not exist", log.blocks));
    let address = superblock.block_address(start, log.blocks).ok_or_else(outside)?;
    LogDevice::new(Arc::clone(volume), address, bytes)
}

fn missing(superblock: &Superblock) -> Error {
    let uuid = uuid::Uuid::from_bytes(superblock.uuid);
    let message = format!(
        "its log is on another disk (UUID {uuid}), which is not among those of this recovery point; if it is, say which \
         one with --log-device"
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// The same error for a log that cannot be recovered, with what can be done.
fn advise(error: Error) -> Error {
    let kind = error.kind;
    let advised = Error::new(kind, format!("its log cannot be recovered: {}; {ADVICE}", error.message));
    match error.source {
        Some(source) => Error { source: Some(source), ..advised },
        None => advised,
    }
}
