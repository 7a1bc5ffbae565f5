//! Everything that can be seen of a directory tree through the kernel, so that two trees can be compared.

use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Files longer than this are hashed by their data alone: only very sparse ones are.
const WHOLE_HASH_BYTES_MAX: u64 = 256 << 20;
const BLOCK_BYTES: u64 = 4096;

/// What is known of one file, as text by the name of the attribute.
type Attributes = BTreeMap<String, String>;

/// A directory tree: path below its root, in bytes, to what is known of the file.
pub(crate) struct Manifest(BTreeMap<Vec<u8>, Attributes>);

impl Manifest {
    /// Looks at everything below `root`, and at `root` itself; an error becomes part of what is known.
    pub(crate) fn of(root: &Path) -> Self {
        let mut entries = BTreeMap::from([(Vec::new(), attributes(root))]);
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let listing = match fs::read_dir(root.join(&directory)) {
                Ok(listing) => listing,
                Err(error) => {
                    note(&mut entries, &directory, "listing", error.to_string());
                    continue;
                }
            };
            for entry in listing {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        note(&mut entries, &directory, "listing", error.to_string());
                        break;
                    }
                };
                let below = directory.join(entry.file_name());
                let mut known = attributes(&entry.path());
                known.insert("ino in listing".into(), entry.ino().to_string());
                known.insert(
                    "type in listing".into(),
                    entry.file_type().map_or_else(|e| e.to_string(), |t| kind(t).into()),
                );
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    directories.push(below.clone());
                }
                let twice = entries.insert(below.into_os_string().into_vec(), known).is_some();
                assert!(!twice, "{} is listed twice", entry.path().display());
            }
        }
        Self(entries)
    }

    /// How many files there are, the root included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many files lie directly in this directory.
    pub(crate) fn entries_of(&self, directory: &str) -> usize {
        let begin = format!("{directory}/").into_bytes();
        let below = self.0.keys().filter_map(|path| path.strip_prefix(begin.as_slice()));
        below.filter(|rest| !rest.contains(&b'/')).count()
    }

    /// The files that have an attribute whose name begins like this.
    pub(crate) fn count_with(&self, attribute: &str) -> usize {
        let has = |known: &&Attributes| known.keys().any(|name| name.starts_with(attribute));
        self.0.values().filter(has).count()
    }

    /// Where `found` differs from this, one line each.
    pub(crate) fn differences(&self, found: &Self) -> Vec<String> {
        let paths = self.0.keys().chain(found.0.keys().filter(|path| !self.0.contains_key(*path)));
        paths.flat_map(|path| differences_of(path, self.0.get(path), found.0.get(path))).collect()
    }

    /// Panics with the first differences when `found` is not the same tree.
    #[track_caller]
    pub(crate) fn assert_same(&self, found: &Self) {
        const SHOWN: usize = 25;
        let differences = self.differences(found);
        let more = differences.len().saturating_sub(SHOWN);
        let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "the trees differ:\n{shown}\n… and {more} differences more");
    }
}

fn differences_of(path: &[u8], expected: Option<&Attributes>, found: Option<&Attributes>) -> Vec<String> {
    let path = path.escape_ascii();
    let (expected, found) = match (expected, found) {
        (Some(expected), Some(found)) => (expected, found),
        (Some(_), None) => return vec![format!("{path}: is missing")],
        _ => return vec![format!("{path}: should not be there")],
    };
    let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
    let differing = names.filter(|name| expected.get(*name) != found.get(*name));
    let text = |known: &Attributes, name: &str| known.get(name).cloned().unwrap_or_else(|| "nothing".into());
    differing
        .map(|name| format!("{path}: {name}: expected {}, found {}", text(expected, name), text(found, name)))
        .collect()
}

fn note(entries: &mut BTreeMap<Vec<u8>, Attributes>, path: &Path, name: &str, value: String) {
    entries.entry(path.as_os_str().as_bytes().to_vec()).or_default().insert(name.into(), value);
}

fn attributes(path: &Path) -> Attributes {
    let mut known = Attributes::new();
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) => return Attributes::from([("stat".into(), error.to_string())]),
    };
    let mut put = |name: &str, value: String| {
        known.insert(name.into(), value);
    };
    put("type", kind(found.file_type()).into());
    put("mode", format!("{:o}", found.mode()));
    put("owner", format!("{}:{}", found.uid(), found.gid()));
    put("size", found.size().to_string());
    put("links", found.nlink().to_string());
    put("ino", found.ino().to_string());
    put("blocks", found.blocks().to_string());
    put("atime", time(found.atime(), found.atime_nsec()));
    put("mtime", time(found.mtime(), found.mtime_nsec()));
    put("ctime", time(found.ctime(), found.ctime_nsec()));
    put("rdev", format!("{}:{}", rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev())));
    if found.is_symlink() {
        put(
            "target",
            fs::read_link(path).map_or_else(|e| e.to_string(), |t| t.as_os_str().as_bytes().escape_ascii().to_string()),
        );
    }
    if found.is_file() {
        // The map first: once data is cached, the kernel may count preallocated blocks as data.
        put("data", data_map(path, found.size()).map_or_else(|error| error.to_string(), |map| map_text(&map)));
        put("sha256", hash(path, found.size()).unwrap_or_else(|error| error.to_string()));
    }
    known.extend(xattrs(path));
    known
}

fn time(seconds: i64, nanoseconds: i64) -> String {
    format!("{seconds}.{nanoseconds:09}")
}

fn kind(kind: fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "symlink",
        kind if kind.is_block_device() => "block device",
        kind if kind.is_char_device() => "character device",
        kind if kind.is_fifo() => "pipe",
        kind if kind.is_socket() => "socket",
        _ => "unknown",
    }
}

/// The ranges of a file that hold data, by SEEK_DATA and SEEK_HOLE.
fn data_map(path: &Path, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let file = File::open(path)?;
    let (mut map, mut at) = (Vec::new(), 0);
    while at < size {
        let start = match seek(&file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        at = seek(&file, SeekFrom::Hole(start))?;
        if at <= start {
            return Err(io::Error::other(format!("the data at {start} ends at {at}")));
        }
        map.push((start, at));
    }
    Ok(map)
}

fn map_text(map: &[(u64, u64)]) -> String {
    map.iter().fold(String::new(), |mut text, (start, end)| {
        let _ = write!(text, "{start}-{end} ");
        text
    })
}

fn hash(path: &Path, size: u64) -> io::Result<String> {
    let file = File::open(path)?;
    let mut hasher = Sha256::new();
    if size <= WHOLE_HASH_BYTES_MAX {
        let mut reader = &file;
        io::copy(&mut reader, &mut HashWriter(&mut hasher))?;
        return Ok(hex::encode(hasher.finalize()));
    }
    // Each block that is not all zero, after its offset: independent of where the file system put holes.
    for (start, end) in data_map(path, size)? {
        let mut at = start - start % BLOCK_BYTES;
        while at < end {
            let mut block = [0; BLOCK_BYTES as usize];
            let length = file.read_at(&mut block, at)?;
            if block[..length].iter().any(|byte| *byte != 0) {
                hasher.update(at.to_le_bytes());
                hasher.update(&block[..length]);
            }
            at += BLOCK_BYTES;
        }
    }
    Ok(format!("sparse {}", hex::encode(hasher.finalize())))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.update(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every extended attribute, ACLs included. A list that names one twice is an error like any other.
fn xattrs(path: &Path) -> Attributes {
    let mut names = vec![0; 1 << 16];
    let length = match llistxattr(path, &mut names) {
        Ok(length) => length,
        Err(error) => return Attributes::from([("xattrs".into(), error.to_string())]),
    };
    let mut known = Attributes::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let value = match lgetxattr(path, name, &mut value) {
            Ok(length) => shortened(&value[..length]),
            Err(error) => error.to_string(),
        };
        let twice = known.insert(format!("xattr {}", name.escape_ascii()), value).is_some();
        if twice {
            known.insert("xattrs".into(), format!("{} is listed twice", name.escape_ascii()));
        }
    }
    known
}

/// The value itself when it is short, else its length and hash.
fn shortened(value: &[u8]) -> String {
    match value.len() {
        0..=64 => hex::encode(value),
        length => format!("{length} bytes, {}", hex::encode(Sha256::digest(value))),
    }
}

/// A file's path and attributes, made up.
#[cfg(test)]
fn made_up(entries: &[(&str, &[(&str, &str)])]) -> Manifest {
    let known = |known: &[(&str, &str)]| known.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Manifest(entries.iter().map(|(path, attributes)| (path.as_bytes().to_vec(), known(attributes))).collect())
}

#[test]
fn every_kind_of_difference_between_trees_is_told() {
    let expected = made_up(&[("a", &[("size", "1"), ("mode", "644")]), ("gone", &[])]);
    let found = made_up(&[("a", &[("size", "2"), ("mode", "644"), ("xattr user.x", "00")]), ("new", &[])]);
    assert_eq!(
        expected.differences(&found),
        [
            "a: size: expected 1, found 2",
            "a: xattr user.x: expected nothing, found 00",
            "gone: is missing",
            "new: should not be there"
        ]
    );
}

#[test]
fn a_manifest_sees_content_holes_modes_and_xattrs() {
    let tree = || {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(directory.path().join("file"), vec![7; 10_000]).unwrap();
        directory
    };
    let (one, other) = (tree(), tree());
    let differing = || {
        let found = Manifest::of(one.path()).differences(&Manifest::of(other.path()));
        let names = found.iter().filter_map(|line| line.strip_prefix("file: ")?.split(':').next().map(str::to_owned));
        names.filter(|name| !name.contains("ino") && !name.ends_with("time")).collect::<Vec<_>>()
    };
    assert_eq!(differing(), [""; 0]);
    let file = File::options().write(true).open(other.path().join("file")).unwrap();
    file.write_all_at(&[8], 9_999).unwrap();
    assert_eq!(differing(), ["sha256"]);
    file.set_len(9_999).unwrap();
    file.set_len(1 << 30).unwrap();
    assert!(differing().contains(&"size".to_owned()));
    assert!(Manifest::of(other.path()).0[b"file".as_slice()]["sha256"].starts_with("sparse "));
}

#[test]
fn the_kernel_shows_a_populated_image_the_same_way_twice() {
    use super::{Ext4Image, LoopMount, Need, skip_unless};
    if !skip_unless(&[Need::Root, Need::MKFS, Need::SETFACL, Need::PYTHON]) {
        return;
    }
    let image = Ext4Image::populated(100);
    let look = || Manifest::of(LoopMount::read_only(&image.path()).path());
    let first = look();
    assert!(first.count_with("target") >= 6 && first.count_with("xattr trusted.") >= 2, "{} files", first.len());
    first.assert_same(&look());
}
