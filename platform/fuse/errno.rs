//! The one table from what went wrong to the number that a system call gives.

use fuser::Errno;
use vfs::ErrorKind;

/// The number for a failed call.
pub(crate) fn errno(kind: ErrorKind) -> Errno {
    match kind {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::NotADirectory => Errno::ENOTDIR,
        ErrorKind::IsADirectory => Errno::EISDIR,
        ErrorKind::WrongType => Errno::EINVAL,
        ErrorKind::NoAttribute => Errno::ENODATA,
        ErrorKind::Corrupt | ErrorKind::Io => Errno::EIO,
        ErrorKind::Unsupported => Errno::EOPNOTSUPP,
        ErrorKind::TooLarge => Errno::E2BIG,
        ErrorKind::KeyMissing => Errno::from_i32(rustix::io::Errno::NOKEY.raw_os_error()),
        ErrorKind::TimedOut => Errno::ETIMEDOUT,
        ErrorKind::Closed => Errno::ENODEV,
    }
}
