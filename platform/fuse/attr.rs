//! Attributes in the kernel's form.

use fuser::{FileAttr, FileType, INodeNo};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vfs::{Attr, Timestamp};

/// The kernel's name for a type of file.
pub(crate) const fn file_type(of: vfs::FileType) -> FileType {
    match of {
        vfs::FileType::Regular => FileType::RegularFile,
        vfs::FileType::Directory => FileType::Directory,
        vfs::FileType::Symlink => FileType::Symlink,
        vfs::FileType::CharDevice => FileType::CharDevice,
        vfs::FileType::BlockDevice => FileType::BlockDevice,
        vfs::FileType::Fifo => FileType::NamedPipe,
        vfs::FileType::Socket => FileType::Socket,
    }
}

/// The attributes of a node under this number.
pub(crate) fn file_attr(ino: INodeNo, attr: &Attr, block_size: u32) -> FileAttr {
    FileAttr {
        ino,
        size: attr.size,
        blocks: attr.allocated.div_ceil(512),
        atime: system_time(attr.accessed),
        mtime: system_time(attr.modified),
        ctime: system_time(attr.changed),
        crtime: attr.created.map_or(UNIX_EPOCH, system_time),
        kind: file_type(attr.file_type),
        perm: attr.permissions,
        nlink: attr.links,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.device.map_or(0, |device| encode_device(device.major, device.minor)),
        blksize: block_size,
        flags: 0,
    }
}

/// Nothing at all; with number 0 it stands for a name that is not there.
pub(crate) const fn no_attr() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

/// A point in time; one that the type cannot express is shown as the epoch.
fn system_time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let seconds = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let nanoseconds = Duration::from_nanos(u64::from(time.nanoseconds));
    seconds.and_then(|seconds| seconds.checked_add(nanoseconds)).unwrap_or(UNIX_EPOCH)
}

/// A device number of 12 and 20 bits in 32 (Linux, `new_encode_dev` in include/linux/kdev_t.h).
const fn encode_device(major: u32, minor: u32) -> u32 {
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_the_epoch_keep_their_nanoseconds() {
        let time = system_time(Timestamp { seconds: -2, nanoseconds: 800_000_000 });
        assert_eq!(UNIX_EPOCH.duration_since(time).unwrap(), Duration::new(1, 200_000_000));
        let time = system_time(Timestamp { seconds: 5, nanoseconds: 1 });
        assert_eq!(time.duration_since(UNIX_EPOCH).unwrap(), Duration::new(5, 1));
        assert!(system_time(Timestamp { seconds: i64::MIN, nanoseconds: 0 }).elapsed().is_ok());
    }

    #[test]
    fn device_numbers_are_those_of_the_kernel() {
        // As `stat` shows them for /dev/sda1, and for a minor number above 8 bits.
        assert_eq!(encode_device(8, 1), 0x801);
        assert_eq!(encode_device(0xfff, 0xf_ffff), 0xffff_ffff);
        assert_eq!(encode_device(1, 0x123), 0x0010_0123);
    }
}
