//! Everything that a file system says, asked within bounds: for images that may be damaged anywhere.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use vfs::{Cursor, Error, FileSystem, FileType, NodeId, Stream};

/// Names that one walk looks at; each fixture has fewer.
const NAMES_MAX: usize = 8000;
/// Segments of a file that are looked at, from its start.
const SEGMENTS_MAX: usize = 400;
/// Bytes read at the start of each segment, and at the end of the file.
const READ_BYTES: u64 = 32 << 10;

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Aspect {
    Attr,
    Xattrs,
    Acl,
    /// A short target, which is in the inode.
    Target,
    /// A long target: as file data it has no checksum.
    LongTarget,
    Lookup,
    Listing,
    Segments,
    Data,
}

impl Aspect {
    /// Whether a checksum covers the answer where the format has checksums of metadata.
    pub(crate) const fn is_metadata(self) -> bool {
        !matches!(self, Self::LongTarget | Self::Data)
    }
}

/// Answers by path and question: a hash of the answer, or the error.
pub(crate) type Answers = BTreeMap<(Vec<u8>, Aspect), Result<u64, Error>>;

struct Walk<'a> {
    fs: &'a dyn FileSystem,
    answers: Answers,
    with_data: bool,
}

/// Everything that `fs` says, with or without the data of files.
pub(crate) fn of(fs: &dyn FileSystem, with_data: bool) -> Answers {
    let mut walk = Walk { fs, answers: BTreeMap::new(), with_data };
    let info = fs.info();
    assert!(info.block_size >= 512 && info.notices.len() < 10, "{info:?}");
    let (mut todo, mut seen, mut names) = (vec![(Vec::new(), fs.root())], HashSet::new(), 0);
    while let Some((path, node)) = todo.pop() {
        walk.node(&path, node);
        let is_directory = fs.attr(node).is_ok_and(|attr| attr.file_type == FileType::Directory);
        // A directory may be found below itself.
        if !is_directory || !seen.insert(node) {
            continue;
        }
        for (name, child) in walk.listing(&path, node, NAMES_MAX.saturating_sub(names)) {
            names += 1;
            let path = [&path[..], b"/", &name].concat();
            walk.put(&path, Aspect::Lookup, fs.lookup(node, &name));
            todo.push((path, child));
        }
        walk.put(&path, Aspect::Lookup, fs.lookup(node, b"no such name").map_or_else(not_found, Ok));
    }
    walk.answers
}

/// That a name does not exist is an answer, not a failure.
fn not_found(error: Error) -> Result<NodeId, Error> {
    if error.kind == vfs::ErrorKind::NotFound { Ok(NodeId(0)) } else { Err(error) }
}

fn digest(answer: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.hash(&mut hasher);
    hasher.finish()
}

impl Walk<'_> {
    fn put(&mut self, path: &[u8], aspect: Aspect, answer: Result<impl Hash, Error>) {
        self.answers.entry((path.to_vec(), aspect)).or_insert_with(|| answer.map(|answer| digest(&answer)));
    }

    fn node(&mut self, path: &[u8], node: NodeId) {
        let fs = self.fs;
        let attr = fs.attr(node);
        let size = attr.as_ref().map_or(0, |attr| attr.size);
        let file_type = attr.as_ref().ok().map(|attr| attr.file_type);
        self.put(path, Aspect::Attr, attr.map(|attr| format!("{attr:?}")));
        self.put(path, Aspect::Acl, fs.acl(node).map(|acl| format!("{acl:?}")));
        let xattrs = fs.xattrs(node).and_then(|names| {
            names
                .into_iter()
                .map(|name| fs.xattr(node, &name).map(|value| (name, value)))
                .collect::<Result<Vec<_>, _>>()
        });
        if let Ok(xattrs) = &xattrs {
            let bytes: usize = xattrs.iter().map(|(_, value)| value.len()).sum();
            assert!(bytes <= 1 << 20, "attribute values of {bytes} bytes");
        }
        self.put(path, Aspect::Xattrs, xattrs);
        if file_type != Some(FileType::Symlink) {
            assert!(fs.read_link(node).is_err(), "a link target of what is no symbolic link");
        } else if size < 60 {
            self.put(path, Aspect::Target, fs.read_link(node));
        } else if self.with_data {
            self.put(path, Aspect::LongTarget, fs.read_link(node));
        }
        if file_type == Some(FileType::Regular) {
            self.segments(path, node, size);
        }
        fs.will_read(node, 0..size);
    }

    fn listing(&mut self, path: &[u8], node: NodeId, names_max: usize) -> Vec<(Vec<u8>, NodeId)> {
        let (mut found, mut last) = (Vec::new(), Cursor::START);
        let listed = self.fs.read_dir(node, Cursor::START, &mut |entry| {
            assert!(entry.next > last && entry.next < Cursor::END);
            last = entry.next;
            found.push((entry.name.to_vec(), entry.node));
            if found.len() < names_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        self.put(path, Aspect::Listing, listed.map(|()| &found));
        found
    }

    fn segments(&mut self, path: &[u8], node: NodeId, size: u64) {
        let (mut found, mut data) = (Ok(Vec::new()), Ok(Vec::new()));
        let mut at = 0;
        for _ in 0..SEGMENTS_MAX {
            if at >= size {
                break;
            }
            let segment = match self.fs.segment(node, at) {
                Ok(segment) => segment,
                Err(error) => {
                    data = Err(Error::new(error.kind, error.message.clone()));
                    found = Err(error);
                    break;
                }
            };
            assert!(segment.range.contains(&at) && segment.range.end <= size, "{segment:?} at {at} of {size}");
            self.read(node, at, &mut data);
            at = segment.range.end;
            found.iter_mut().for_each(|found| found.push((at, segment.kind == vfs::SegmentKind::Data)));
        }
        self.read(node, size.saturating_sub(READ_BYTES / 2), &mut data);
        self.put(path, Aspect::Segments, found);
        if self.with_data {
            self.put(path, Aspect::Data, data);
        }
    }

    /// Reads a piece and puts its digest behind those that were read before.
    fn read(&self, node: NodeId, at: u64, data: &mut Result<Vec<u64>, Error>) {
        if !self.with_data {
            return;
        }
        let mut buf = vec![0xEE; READ_BYTES as usize];
        match (self.fs.read_at(node, Stream::Main, at, &mut buf), data.as_mut()) {
            (Ok(length), Ok(data)) => data.push(digest(&&buf[..length])),
            (Err(error), Ok(_)) => *data = Err(error),
            (_, Err(_)) => {}
        }
    }
}
