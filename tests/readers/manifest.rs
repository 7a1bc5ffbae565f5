//! What a file system holds as lines of text, in the words of tests/recipes/manifest.py.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::{ControlFlow, Range};
use vfs::{Attr, Cursor, FileSystem, FileType, NodeId, Result, SegmentKind, Stream, Timestamp};

/// Larger files are hashed by their data extents only.
const HASHED_WHOLE_MAX: u64 = 64 << 20;
/// Longer attribute values are hashed.
const SHOWN_MAX: usize = 64;

/// The line for `statfs`, then one for each name, sorted by path.
pub(crate) fn of(fs: &dyn FileSystem) -> Result<Vec<String>> {
    let (info, space) = (fs.info(), fs.space());
    let mut lines = vec![format!(
        "statfs\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        info.block_size,
        space.blocks,
        space.blocks_free,
        space.blocks_available,
        space.inodes,
        space.inodes_free,
        info.name_bytes_max
    )];
    lines.extend(tree(fs)?);
    Ok(lines)
}

fn tree(fs: &dyn FileSystem) -> Result<Vec<String>> {
    // Either all entries tell the type of what they name or, without the feature `filetype`, none does.
    let typed = list(fs, fs.root())?.iter().any(|(_, _, file_type)| file_type.is_some());
    walked(fs, &|told, file_type| told == Some(file_type).filter(|_| typed), &line)
}

/// What a reader of manifests writes of a name.
pub(crate) type Line = dyn Fn(&dyn FileSystem, &[u8], NodeId) -> Result<String>;

/// The lines of all names, sorted by path; `is_right` says whether an entry may tell this of such a file.
pub(crate) fn walked(
    fs: &dyn FileSystem,
    is_right: &dyn Fn(Option<FileType>, FileType) -> bool,
    line: &Line,
) -> Result<Vec<String>> {
    let mut found = vec![(b".".to_vec(), line(fs, b".", fs.root())?)];
    let mut directories = vec![(Vec::new(), fs.root())];
    while let Some((path, directory)) = directories.pop() {
        for (name, node, told) in list(fs, directory)? {
            let path = if path.is_empty() { name.clone() } else { [&path[..], b"/", &name].concat() };
            assert_eq!(fs.lookup(directory, &name)?, node, "lookup of {}", shown(&path));
            let file_type = fs.attr(node)?.file_type;
            assert!(is_right(told, file_type), "type {told:?} in the entry of {}", shown(&path));
            found.push((path.clone(), line(fs, &path, node)?));
            if file_type == FileType::Directory {
                assert_eq!(fs.lookup(node, b"..")?, directory, "parent of {}", shown(&path));
                assert_eq!(fs.lookup(node, b".")?, node);
                directories.push((path, node));
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, line)| line).collect())
}

/// Lines by path, of everything that can be read without an error.
#[allow(dead_code, reason = "only readers of logs show half-done changes")]
pub(crate) fn as_far_as_readable(fs: &dyn FileSystem) -> BTreeMap<String, String> {
    readable(fs, &line)
}

/// The same, in the words of a reader.
#[allow(dead_code, reason = "only readers of logs show half-done changes")]
pub(crate) fn readable(fs: &dyn FileSystem, line: &Line) -> BTreeMap<String, String> {
    let (mut found, mut todo) = (BTreeMap::new(), vec![(b".".to_vec(), fs.root())]);
    while let Some((path, node)) = todo.pop() {
        if let Ok(line) = line(fs, &path, node) {
            found.insert(shown(&path), line);
        }
        // What was read before the damage is there.
        let _ = fs.read_dir(node, Cursor::START, &mut |entry| {
            let path = if path == b"." { entry.name.to_vec() } else { [&path[..], b"/", entry.name].concat() };
            todo.push((path, entry.node));
            ControlFlow::Continue(())
        });
    }
    found
}

pub(crate) type Entry = (Vec<u8>, NodeId, Option<FileType>);

/// The entries of a directory, read in several goes.
pub(crate) fn list(fs: &dyn FileSystem, directory: NodeId) -> Result<Vec<Entry>> {
    let (mut found, mut cursor) = (Vec::new(), Cursor::START);
    loop {
        let before = found.len();
        let at_a_time = before + 97;
        fs.read_dir(directory, cursor, &mut |entry| {
            assert!(entry.next > cursor && entry.next < Cursor::END);
            cursor = entry.next;
            found.push((entry.name.to_vec(), entry.node, entry.file_type));
            if found.len() == at_a_time { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if found.len() < at_a_time {
            return Ok(found);
        }
    }
}

fn line(fs: &dyn FileSystem, path: &[u8], node: NodeId) -> Result<String> {
    let attr = fs.attr(node)?;
    let dash = || "-".to_owned();
    let (extents, digest) =
        if attr.file_type == FileType::Regular { content(fs, node, attr.size)? } else { (dash(), dash()) };
    let target = if attr.file_type == FileType::Symlink {
        let target = fs.read_link(node)?;
        assert_eq!(target.len() as u64, attr.size, "size of the link {}", shown(path));
        shown(&target)
    } else {
        dash()
    };
    let fields = [
        shown(path),
        node.0.to_string(),
        format!("{:o}", mode(&attr)),
        attr.links.to_string(),
        attr.uid.to_string(),
        attr.gid.to_string(),
        attr.size.to_string(),
        (attr.allocated / 512).to_string(),
        time(attr.accessed),
        time(attr.modified),
        time(attr.changed),
        attr.created.map_or_else(dash, time),
        attr.device.map_or_else(dash, |device| format!("{}:{}", device.major, device.minor)),
        target,
        extents,
        digest,
        xattrs(fs, node)?,
    ];
    Ok(fields.join("\t"))
}

fn mode(attr: &Attr) -> u16 {
    let file_type = match attr.file_type {
        FileType::Fifo => 0x1,
        FileType::CharDevice => 0x2,
        FileType::Directory => 0x4,
        FileType::BlockDevice => 0x6,
        FileType::Regular => 0x8,
        FileType::Symlink => 0xA,
        FileType::Socket => 0xC,
    };
    file_type << 12 | attr.permissions
}

pub(crate) fn time(time: Timestamp) -> String {
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

/// Data extents and SHA-256 of a file.
fn content(fs: &dyn FileSystem, node: NodeId, size: u64) -> Result<(String, String)> {
    if let Err(error) = fs.read_at(node, Stream::Main, 0, &mut [])
        && error.kind == vfs::ErrorKind::KeyMissing
    {
        let shown = "ENOKEY".to_owned();
        assert_eq!(fs.segment(node, 0).unwrap_err().kind, vfs::ErrorKind::KeyMissing);
        return Ok((shown.clone(), shown));
    }
    let extents = data_extents(fs, node, size)?;
    let whole = 0..size;
    let hashed = if size > HASHED_WHOLE_MAX { &extents[..] } else { std::slice::from_ref(&whole) };
    let mut digest = Sha256::new();
    for range in hashed {
        let mut at = range.start;
        while at < range.end {
            // An odd length, so that reads begin inside of blocks.
            let mut buf = vec![0xEE; (range.end - at).min(777_777) as usize];
            assert_eq!(fs.read_at(node, Stream::Main, at, &mut buf)?, buf.len());
            digest.update(&buf);
            at += buf.len() as u64;
        }
    }
    assert_eq!(fs.read_at(node, Stream::Main, size, &mut [0; 10])?, 0, "data behind the end");
    let shown: Vec<_> = extents.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
    let shown = if shown.is_empty() { "-".to_owned() } else { shown.join(",") };
    Ok((shown, hex(&digest.finalize())))
}

fn data_extents(fs: &dyn FileSystem, node: NodeId, size: u64) -> Result<Vec<Range<u64>>> {
    let (mut found, mut at) = (Vec::<Range<u64>>::new(), 0);
    while at < size {
        let segment = fs.segment(node, at)?;
        assert!(segment.range.contains(&at) && segment.range.end <= size, "{segment:?} at {at} of {size}");
        if segment.kind == SegmentKind::Data {
            match found.last_mut() {
                Some(last) if last.end == at => last.end = segment.range.end,
                _ => found.push(at..segment.range.end),
            }
        }
        at = segment.range.end;
    }
    assert_eq!(fs.segment(node, size).unwrap_err().kind, vfs::ErrorKind::NotFound);
    Ok(found)
}

fn xattrs(fs: &dyn FileSystem, node: NodeId) -> Result<String> {
    let mut found = Vec::new();
    for name in fs.xattrs(node)? {
        let value = fs.xattr(node, &name)?;
        found.push((name, value));
    }
    let acl = fs.acl(node)?;
    found.extend(acl.access.map(|acl| (b"system.posix_acl_access".to_vec(), acl.to_xattr())));
    found.extend(acl.default.map(|acl| (b"system.posix_acl_default".to_vec(), acl.to_xattr())));
    found.sort();
    let shown: Vec<_> = found.iter().map(|(name, value)| format!("{}={}", shown(name), shown_value(value))).collect();
    Ok(if shown.is_empty() { "-".to_owned() } else { shown.join(",") })
}

pub(crate) fn shown_value(value: &[u8]) -> String {
    if value.len() <= SHOWN_MAX {
        return format!("hex:{}", hex(value));
    }
    format!("sha256:{}", hex(&Sha256::digest(value)))
}

/// A name in printable ASCII without spaces and %, other bytes as %xx.
pub(crate) fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for byte in name {
        match byte {
            b'%' => text.push_str("%25"),
            0x21..0x7F => text.push(char::from(*byte)),
            _ => write!(text, "%{byte:02x}").unwrap(),
        }
    }
    if text.is_empty() { "%".to_owned() } else { text }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
