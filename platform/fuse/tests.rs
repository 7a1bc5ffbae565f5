//! Mounts of a file system in memory.

mod memory;

use crate::xattrs;
use crate::{ErrorKind, How, Mount, MountOptions, check_mount_point, mount, remove_dead_mount};
use memory::{BLOCK, FILE, MANY_COUNT, MANY_FIRST, Memory, content};
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
    assert_eq!((file.ino(), file.mode(), file.nlink()), (FILE.0, 0o100_640, 1));
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
    assert_eq!(names.len(), 6);
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
fn a_sequential_reader_has_what_follows_announced() {
    let Some(mounted) = Mounted::new() else { return };
    fs::read(mounted.path("file")).unwrap();
    let announced = mounted.fs.announced.lock().unwrap();
    assert!(announced.iter().all(|range| range.end <= content().len() as u64), "{announced:?}");
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
    assert!(!mounted.mount.is_mounted());
}
