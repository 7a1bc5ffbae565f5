//! A file system of a few nodes in memory, with what tests want to see go wrong.

use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex};
use vfs::{
    Acl, AclEntry, AclPermissions, AclQualifier, Attr, Cursor, DirEntry, Error, ErrorKind, FileSystem, FileType,
    FsInfo, NodeFlags, NodeId, PosixAcl, Result, Segment, SegmentKind, Space, Stream, Timestamp,
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
/// The file `large`, see [`large`].
pub(super) const LARGE: NodeId = NodeId(16);
pub(super) const LARGE_SIZE: u64 = 16 << 20;
/// The file `waits`, which is read when [`Memory::let_through`] is called.
pub(super) const WAITS: NodeId = NodeId(17);

pub(super) const BLOCK: usize = 4096;

pub(super) const NAMES: [(&[u8], NodeId); 8] = [
    (b"file", FILE),
    (b"broken", BROKEN),
    (b"panics", PANICS),
    (b"damaged", DAMAGED),
    (b"many", MANY),
    (b"link", LINK),
    (b"large", LARGE),
    (b"waits", WAITS),
];

/// The byte at `offset` of `large`.
pub(super) fn large(offset: u64) -> u8 {
    (offset / 4096 * 7 + offset % 251) as u8
}

/// An ACL with a named user.
pub(super) fn posix_acl() -> PosixAcl {
    let entry = |(qualifier, bits)| AclEntry { qualifier, permissions: AclPermissions::from_bits(bits).unwrap() };
    let entries = [
        (AclQualifier::Owner, 6),
        (AclQualifier::User(61_001), 4),
        (AclQualifier::OwningGroup, 4),
        (AclQualifier::Mask, 4),
        (AclQualifier::Other, 4),
    ];
    PosixAcl::new(entries.map(entry).to_vec()).unwrap()
}

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
    /// Whether somebody waits in a read of `waits`, and whether it may go on.
    waiting: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Memory {
    /// Returns when a read of `waits` has begun.
    pub(super) fn until_somebody_waits(&self) {
        drop(self.changed.wait_while(self.waiting.lock().unwrap(), |(somebody, _)| !*somebody).unwrap());
    }

    /// Ends the reads of `waits`.
    pub(super) fn let_through(&self) {
        self.waiting.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(waiting, |(_, through)| !*through).unwrap());
    }
}

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "as the test wants it")
}

impl FileSystem for Memory {
    fn info(&self) -> FsInfo {
        FsInfo { format: "memory", label: None, uuid: None, block_size: 4096, name_bytes_max: 255, notices: Vec::new() }
    }

    fn space(&self) -> Space {
        Space { blocks: 1000, blocks_free: 400, blocks_available: 300, inodes: 200, inodes_free: 100 }
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
            LARGE => (FileType::Regular, LARGE_SIZE),
            _ => (FileType::Regular, 100),
        };
        let time = |seconds| Timestamp { seconds, nanoseconds: 123_456_789 };
        Ok(Attr {
            file_type,
            permissions: if file_type == FileType::Directory { 0o755 } else { 0o644 },
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

    fn flags(&self, node: NodeId) -> Result<Option<NodeFlags>> {
        Ok((node == FILE).then(|| NodeFlags { flags: 0x10, ..NodeFlags::default() }))
    }

    fn read_dir(&self, dir: NodeId, from: Cursor, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        if dir == MANY {
            for number in from.0..MANY_COUNT {
                let name = number.to_string();
                let entry = DirEntry {
                    generation: None,
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
            if each(DirEntry { name, node, generation: None, file_type: None, next: Cursor(index) }).is_break() {
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
        if node == LARGE {
            let end = LARGE_SIZE.min(offset + buf.len() as u64);
            buf.iter_mut().zip(offset..end).for_each(|(byte, offset)| *byte = large(offset));
            return Ok(end.saturating_sub(offset) as usize);
        }
        if node == WAITS {
            self.wait();
            buf.fill(b'w');
            return Ok(buf.len().min(100_u64.saturating_sub(offset) as usize));
        }
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

    fn acl(&self, node: NodeId) -> Result<Acl> {
        let acl = |of| (node == of).then(posix_acl);
        Ok(Acl { access: acl(BROKEN), default: acl(MANY) })
    }
}
