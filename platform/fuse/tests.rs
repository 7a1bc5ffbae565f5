//! Mounts of a file system in memory.

mod ending;
mod memory;

use crate::xattrs;
use crate::{ErrorKind, How, Mount, MountOptions, check_mount_point, mount, mount_points, remove_dead_mount};
use memory::{BLOCK, FILE, LARGE_SIZE, MANY_COUNT, MANY_FIRST, Memory, NAMES, content, large, posix_acl};
use rustix::fs::SeekFrom;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

struct Mounted {
    mount: Mount,
    fs: Arc<Memory>,
    directory: tempfile::TempDir,
}

impl Mounted {
    /// `None`, and a word about it, where mounting is not possible.
    fn new() -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("fr fuse ").tempdir().unwrap();
        let fs = Arc::new(Memory::default());
        match mount(Arc::clone(&fs) as _, directory.path(), &MountOptions::default()) {
            Ok(mount) => Some(Self { mount, fs, directory }),
            Err(error) => {
                assert!(std::env::var_os("FR_REQUIRE_ALL").is_none(), "this test must not be skipped: {error}");
                eprintln!("SKIPPED: {error}");
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn errno(error: &io::Error) -> Option<rustix::io::Errno> {
    rustix::io::Errno::from_io_error(error)
}

#[test]
fn attributes_and_inode_numbers_are_those_of_the_file_system() {
    let Some(mounted) = Mounted::new() else { return };
    let file = fs::symlink_metadata(mounted.path("file")).unwrap();
    assert_eq!((file.ino(), file.mode(), file.nlink()), (FILE.0, 0o100_644, 1));
    assert_eq!((file.uid(), file.gid(), file.size(), file.blocks()), (100_000, 100_001, content().len() as u64, 16));
    assert_eq!((file.mtime(), file.mtime_nsec()), (-2, 123_456_789));
    assert_eq!((file.atime(), file.ctime(), file.ctime_nsec()), (1, 3, 123_456_789));
    assert_eq!(fs::metadata(mounted.path("")).unwrap().ino(), 2, "the root keeps its number too");
    assert_eq!(fs::read_link(mounted.path("link")).unwrap(), PathBuf::from("file"));
    let statistics = rustix::fs::statvfs(mounted.directory.path()).unwrap();
    assert_eq!((statistics.f_blocks, statistics.f_bfree, statistics.f_bavail), (1000, 400, 300));
    assert_eq!((statistics.f_files, statistics.f_ffree, statistics.f_namemax), (200, 100, 255));
}

#[test]
fn a_large_directory_is_listed_once_and_completely_and_names_that_are_not_there_are_not_found() {
    let Some(mounted) = Mounted::new() else { return };
    for _ in 0..2 {
        let entries = fs::read_dir(mounted.path("many")).unwrap().map(|entry| entry.unwrap());
        let mut numbers: Vec<_> = entries.map(|entry| (entry.ino(), entry.file_name())).collect();
        numbers.sort_unstable();
        let expected = (0..MANY_COUNT).map(|number| (MANY_FIRST + number, number.to_string().into()));
        assert!(numbers.into_iter().eq(expected));
    }
    let missing = fs::metadata(mounted.path("many/5000")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn damage_is_an_error_of_that_file_alone() {
    let Some(mounted) = Mounted::new() else { return };
    let names: Vec<_> = fs::read_dir(mounted.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name == "damaged"), "{names:?}");
    assert_eq!(names.len(), NAMES.len());
    assert_eq!(errno(&fs::metadata(mounted.path("damaged")).unwrap_err()), Some(rustix::io::Errno::IO));
    assert_eq!(errno(&fs::read(mounted.path("broken")).unwrap_err()), Some(rustix::io::Errno::IO));
    assert_eq!(fs::read(mounted.path("file")).unwrap(), content());
}

#[test]
fn a_mistake_in_a_reader_is_an_error_of_that_call_and_the_mount_lives_on() {
    let Some(mounted) = Mounted::new() else { return };
    for _ in 0..20 {
        assert_eq!(errno(&fs::read(mounted.path("panics")).unwrap_err()), Some(rustix::io::Errno::IO));
    }
    assert_eq!(fs::read(mounted.path("file")).unwrap(), content());
}

#[test]
fn reads_at_any_offset_are_right_and_short_only_at_the_end() {
    let Some(mounted) = Mounted::new() else { return };
    let (file, content) = (File::open(mounted.path("file")).unwrap(), content());
    for (offset, length) in [(0, 1), (BLOCK - 1, 2), (BLOCK, BLOCK), (content.len() - 3, 100), (content.len(), 10)] {
        let mut buffer = vec![0xee; length];
        let read = file.read_at(&mut buffer, offset as u64).unwrap();
        let end = (offset + length).min(content.len());
        assert_eq!(buffer[..read], content[offset..end], "{offset}");
    }
}

#[test]
fn data_and_holes_are_found() {
    let Some(mounted) = Mounted::new() else { return };
    let mut file = File::open(mounted.path("file")).unwrap();
    let (block, size) = (BLOCK as u64, content().len() as u64);
    for (from, data, hole) in [
        (0, Some(0), Some(block)),
        (block, Some(2 * block), Some(block)),
        (2 * block + 5, Some(2 * block + 5), Some(size)),
        (size, None, None),
    ] {
        let seek = |to| rustix::fs::seek(&file, to).ok();
        assert_eq!((seek(SeekFrom::Data(from)), seek(SeekFrom::Hole(from))), (data, hole), "{from}");
    }
    file.rewind().unwrap();
    let mut first = [0];
    file.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"a");
}

#[test]
fn extended_attributes_have_their_sizes_and_only_root_sees_trusted_ones() {
    let fs = Memory::default();
    assert_eq!(xattrs::list(&fs, FILE, 1000).unwrap(), b"user.colour\0");
    assert_eq!(xattrs::list(&fs, FILE, 0).unwrap(), b"user.colour\0trusted.secret\0");
    assert!(xattrs::get(&fs, FILE, b"trusted.secret", 1000).is_err());
    assert_eq!(xattrs::get(&fs, FILE, b"trusted.secret", 0).unwrap(), b"x");

    let Some(mounted) = Mounted::new() else { return };
    let path = mounted.path("file");
    let get = |buffer: &mut [u8]| rustix::fs::getxattr(&path, "user.colour", buffer);
    assert_eq!(get(&mut [0; 2]), Err(rustix::io::Errno::RANGE));
    let mut value = [0; 3];
    assert_eq!((get(&mut value), &value), (Ok(3), b"red"));
    let missing: rustix::io::Result<usize> = rustix::fs::getxattr(&path, "user.other", &mut [0; 4][..]);
    assert_eq!(missing, Err(rustix::io::Errno::NODATA));
}

#[test]
fn acls_are_attributes_of_those_that_have_them() {
    let fs = Memory::default();
    assert_eq!(xattrs::list(&fs, memory::BROKEN, 1000).unwrap(), b"system.posix_acl_access\0");
    assert_eq!(xattrs::list(&fs, memory::MANY, 1000).unwrap(), b"system.posix_acl_default\0");
    assert!(xattrs::get(&fs, FILE, b"system.posix_acl_access", 0).is_err());

    let Some(mounted) = Mounted::new() else { return };
    for (name, attribute) in [("broken", "system.posix_acl_access"), ("many", "system.posix_acl_default")] {
        let mut value = [0; 100];
        let length = rustix::fs::getxattr(mounted.path(name), attribute, &mut value[..]).unwrap();
        assert_eq!(value[..length], posix_acl().to_xattr(), "{name}");
    }
}

#[test]
fn a_format_without_flags_has_none() {
    let Some(mounted) = Mounted::new() else { return };
    let flags = |name| rustix::fs::ioctl_getflags(File::open(mounted.path(name)).unwrap());
    assert_eq!(flags("file"), Ok(rustix::fs::IFlags::IMMUTABLE));
    assert_eq!((flags("many"), flags("large")), (Err(rustix::io::Errno::NOTTY), Err(rustix::io::Errno::NOTTY)));
}

#[test]
fn a_sequential_reader_gets_every_byte_and_has_what_follows_announced() {
    let Some(mounted) = Mounted::new() else { return };
    let read = fs::read(mounted.path("large")).unwrap();
    assert!(read.len() as u64 == LARGE_SIZE && (0..).zip(&read).all(|(offset, byte)| *byte == large(offset)));
    let announced = mounted.fs.announced.lock().unwrap();
    let end = announced.iter().map(|range| range.end).max();
    assert!(end == Some(LARGE_SIZE) && announced.iter().all(|range| !range.is_empty()), "{announced:?}");
}

#[test]
fn a_name_that_is_too_long_is_told_as_such() {
    let Some(mounted) = Mounted::new() else { return };
    for (length, expected) in [(255, rustix::io::Errno::NOENT), (256, rustix::io::Errno::NAMETOOLONG)] {
        assert_eq!(errno(&fs::metadata(mounted.path(&"a".repeat(length))).unwrap_err()), Some(expected));
    }
}

#[test]
fn every_attempt_to_write_is_refused_even_when_the_mount_was_made_writable() {
    use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, XattrFlags};
    let Some(mounted) = Mounted::new() else { return };
    let (file, new) = (mounted.path("file"), mounted.path("new"));
    let attempts = || {
        let now = Timespec { tv_sec: 1, tv_nsec: 0 };
        let times = Timestamps { last_access: now, last_modification: now };
        let open = |flags| rustix::fs::open(&file, flags, Mode::empty()).map(drop);
        [
            rustix::fs::open(&new, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).map(drop),
            open(OFlags::WRONLY),
            open(OFlags::RDWR | OFlags::TRUNC),
            rustix::fs::mkdirat(CWD, &new, Mode::RWXU),
            rustix::fs::mknodat(CWD, &new, FileType::Fifo, Mode::RUSR, 0),
            rustix::fs::symlinkat("file", CWD, &new),
            rustix::fs::linkat(CWD, &file, CWD, &new, AtFlags::empty()),
            rustix::fs::renameat(CWD, &file, CWD, &new),
            rustix::fs::unlinkat(CWD, &file, AtFlags::empty()),
            rustix::fs::unlinkat(CWD, mounted.path("many"), AtFlags::REMOVEDIR),
            rustix::fs::chmodat(CWD, &file, Mode::RWXU, AtFlags::empty()),
            rustix::fs::utimensat(CWD, &file, &times, AtFlags::empty()),
            rustix::fs::setxattr(&file, "user.new", b"1", XattrFlags::empty()),
            rustix::fs::removexattr(&file, "user.colour"),
            rustix::fs::ioctl_setflags(File::open(&file).unwrap(), rustix::fs::IFlags::NODUMP),
        ]
    };
    assert_eq!(attempts(), [Err(rustix::io::Errno::ROFS); 15]);
    if rustix::process::geteuid().is_root() {
        // Now it is not the kernel that refuses, but we.
        let writable = rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOSUID;
        rustix::mount::mount_remount(mounted.directory.path(), writable, "").unwrap();
        let flags = rustix::fs::statvfs(mounted.directory.path()).unwrap().f_flag;
        assert!(!flags.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        assert_eq!(attempts(), [Err(rustix::io::Errno::ROFS); 15]);
    }
}

#[test]
fn a_place_that_is_not_there_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("gone");
    let error = mount(Arc::new(Memory::default()), &place, &MountOptions::default()).unwrap_err();
    assert_eq!(error.message, format!("cannot mount at '{}': no such file or directory", place.display()));
}

#[test]
fn a_busy_mount_stays_until_it_is_forced_and_then_gives_errors() {
    let Some(mut mounted) = Mounted::new() else { return };
    let file = File::open(mounted.path("file")).unwrap();
    let error = mounted.mount.unmount(How::Polite).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    let me = format!("(pid {}): open file file", std::process::id());
    assert!(error.message.contains(&me), "{error}");
    assert!(mounted.mount.is_mounted());
    for taken in [mounted.directory.path(), mounted.directory.path().parent().unwrap()] {
        assert!(check_mount_point(taken).unwrap_err().to_string().contains("taken"));
    }
    mounted.mount.unmount(How::Force).unwrap();
    assert!(!mounted.mount.is_mounted());
    assert!(file.metadata().is_err() || file.read_at(&mut [0; 10], 0).is_err(), "the connection was cut");
    assert_eq!(check_mount_point(mounted.directory.path()), Ok(()));
    mounted.mount.unmount(How::Polite).unwrap();
}

#[test]
fn an_idle_mount_is_unmounted_politely() {
    let Some(mut mounted) = Mounted::new() else { return };
    assert!(mounted.mount.is_mounted());
    mounted.mount.unmount(How::Polite).unwrap();
    assert!(!mounted.mount.is_mounted());
    assert_eq!(check_mount_point(mounted.directory.path()), Ok(()));
}

#[test]
fn only_mounts_of_ours_count_as_dead_ones() {
    remove_dead_mount(&PathBuf::from("/proc")).unwrap();
    assert!(fs::metadata("/proc/self").is_ok());
    let Some(mounted) = Mounted::new() else { return };
    remove_dead_mount(mounted.directory.path()).unwrap();
    assert_eq!(fs::read(mounted.path("file")).unwrap(), content(), "a mount that is served was removed");
    assert!(mount_points().contains(&mounted.directory.path().to_owned()));
}
