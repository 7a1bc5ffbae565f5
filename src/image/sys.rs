//! What operating systems spell differently: reads at an offset, kinds of files.

use std::fs::{File, Metadata};
use std::io;

/// Fills `buf` with the bytes from `offset` on.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

/// Fills `buf` with the bytes from `offset` on.
#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buf, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset = offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        buf = buf.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

/// Whether it is a file or a disk: something with a size and bytes at places.
#[cfg(unix)]
pub(crate) fn holds_bytes(metadata: &Metadata) -> bool {
    metadata.is_file() || std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type())
}

/// Whether it is a file or a disk: something with a size and bytes at places.
#[cfg(windows)]
pub(crate) fn holds_bytes(metadata: &Metadata) -> bool {
    metadata.is_file()
}
