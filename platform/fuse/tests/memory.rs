//! A file system of a few nodes in memory, with what tests want to see go wrong.

use std::ops::ControlFlow;
use std::sync::Mutex;
use vfs::{
    Acl, Attr, Cursor, DirEntry, Error, ErrorKind, FileSystem, FileType, FsInfo, NodeId, PosixAcl, Result, Segment,
    SegmentKind, Stream, Timestamp,
};

pub(super) const ROOT: NodeId = NodeId(2);
/// The file `file`: a block of data, a hole of the same length, data again.
pub(super) const FILE: NodeId = NodeId(10);
/// The file `broken`, whose data cannot be read.
pub(super) const BROKEN: NodeId = NodeId(11);
/// The file `panics`, at which the reader makes a mistake.
pub(super) const PANICS: NodeId = NodeId(12);
/// The entry `damaged`, whose inode cannot be read.
pub(super) const DAMAGED: NodeId = NodeId(13);
/// The directory `many` and the first of its entries.
pub(super) const MANY: NodeId = NodeId(14);
pub(super) const MANY_FIRST: u64 = 1000;
pub(super) const MANY_COUNT: u64 = 5000;
/// The link `link`.
pub(super) const LINK: NodeId = NodeId(15);

pub(super) const BLOCK: usize = 4096;

const NAMES: [(&[u8], NodeId); 6] = [
    (b"file", FILE),
    (b"broken", BROKEN),
    (b"panics", PANICS),
    (b"damaged", DAMAGED),
    (b"many", MANY),
    (b"link", LINK),
];

/// What is in `file`.
pub(super) fn content() -> Vec<u8> {
    let mut content = vec![b'a'; BLOCK];
    content.resize(2 * BLOCK, 0);
    content.resize(3 * BLOCK - 7, b'b');
    content
}

#[derive(Default)]
pub(super) struct Memory {
    /// The ranges that were announced.
    pub(super) announced: Mutex<Vec<std::ops::Range<u64>>>,
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "as the test wants it")
}

impl FileSystem for Memory {
    fn info(&self) -> FsInfo {
        FsInfo {
            format: "memory",
            label: None,
            uuid: None,
            block_size: 4096,
            blocks: 1000,
            blocks_free: 400,
            blocks_available: 300,
            inodes: 200,
            inodes_free: 100,
            name_bytes_max: 255,
            notices: Vec::new(),
        }
    }

    fn root(&self) -> NodeId {
        ROOT
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        if dir == MANY {
            let number = std::str::from_utf8(name).ok().and_then(|name| name.parse::<u64>().ok());
            let number = number.filter(|number| *number < MANY_COUNT);
            return number.map(|number| NodeId(MANY_FIRST + number)).ok_or_else(|| error(ErrorKind::NotFound));
        }
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, node)| *node).ok_or_else(|| error(ErrorKind::NotFound))
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let (file_type, size) = match node {
            DAMAGED => return Err(error(ErrorKind::Corrupt)),
            ROOT | MANY => (FileType::Directory, 4096),
            LINK => (FileType::Symlink, 4),
            FILE => (FileType::Regular, content().len() as u64),
            _ => (FileType::Regular, 100),
        };
        let time = |seconds| Timestamp { seconds, nanoseconds: 123_456_789 };
        Ok(Attr {
            file_type,
            permissions: if file_type == FileType::Directory { 0o755 } else { 0o640 },
            links: 1,
            uid: 100_000,
            gid: 100_001,
            size,
            allocated: 8192,
            accessed: time(1),
            modified: time(-2),
            changed: time(3),
            created: None,
            device: None,
        })
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        if dir == MANY {
            for number in from.0..MANY_COUNT {
                let name = number.to_string();
                let entry = DirEntry {
                    name: name.as_bytes(),
                    node: NodeId(MANY_FIRST + number),
                    file_type: Some(FileType::Regular),
                    next: Cursor(number + 1),
                };
                if each(entry).is_break() {
                    break;
                }
            }
            return Ok(());
        }
        for (index, (name, node)) in (1..).zip(NAMES).skip(from.0 as usize) {
            if each(DirEntry { name, node, file_type: None, next: Cursor(index) }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, _node: NodeId) -> Result<Vec<u8>> {
        Ok(b"file".to_vec())
    }

    fn read_at(&self, node: NodeId, _stream: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        assert_ne!(node, PANICS, "the test wants a panic");
        if node != FILE {
            return Err(error(ErrorKind::Corrupt));
        }
        let content = content();
        let rest = content.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn segment(&self, _node: NodeId, offset: u64) -> Result<Segment> {
        let (block, size) = (BLOCK as u64, content().len() as u64);
        match offset {
            _ if offset < block => Ok(Segment { kind: SegmentKind::Data, range: 0..block }),
            _ if offset < 2 * block => Ok(Segment { kind: SegmentKind::Hole, range: block..2 * block }),
            _ if offset < size => Ok(Segment { kind: SegmentKind::Data, range: 2 * block..size }),
            _ => Err(error(ErrorKind::NotFound)),
        }
    }

    fn will_read(&self, _node: NodeId, range: std::ops::Range<u64>) {
        self.announced.lock().unwrap().push(range);
    }

    fn xattrs(&self, node: NodeId) -> Result<Vec<Vec<u8>>> {
        Ok(if node == FILE { vec![b"user.colour".to_vec(), b"trusted.secret".to_vec()] } else { Vec::new() })
    }

    fn xattr(&self, node: NodeId, name: &[u8]) -> Result<Vec<u8>> {
        match name {
            b"user.colour" if node == FILE => Ok(b"red".to_vec()),
            b"trusted.secret" if node == FILE => Ok(b"x".to_vec()),
            _ => Err(error(ErrorKind::NoAttribute)),
        }
    }

    fn acl(&self, _node: NodeId) -> Result<Acl> {
        Ok(Acl { access: None::<PosixAcl>, default: None })
    }
}
