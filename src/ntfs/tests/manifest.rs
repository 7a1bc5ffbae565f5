//! What an NTFS volume holds as lines of text, in the words of `tests/recipes/ntfs_manifest.py`.

use super::common::{hex, readable, shown, shown_value, time, walked};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use vfs::{Attr, ErrorKind, FileSystem, FileType, NodeId, Result, Stream};

/// Larger data is hashed in part.
const HASHED_WHOLE_MAX: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// `FILE_ATTRIBUTE_ENCRYPTED`.
const ENCRYPTED: u32 = 0x4000;
const ATTRIBUTES: [&str; 6] = ["dos_name", "reparse_data", "acl", "object_id", "ea", "efsinfo"];
/// The field of an attribute of [`ATTRIBUTES`] in a line.
const FIRST_ATTRIBUTE: usize = 15;
/// What an oracle does not tell.
const UNTOLD: &str = "?";
/// The words for the fields.
const FIELDS: [&str; 22] = [
    "path",
    "inode",
    "type",
    "links",
    "size",
    "blocks",
    "atime",
    "mtime",
    "ctime",
    "created",
    "device",
    "target",
    "sha256",
    "attrib",
    "times",
    "dos_name",
    "reparse_data",
    "acl",
    "object_id",
    "ea",
    "efsinfo",
    "streams",
];

/// The line for `statfs`, then one for each name, sorted by path.
pub(crate) fn of(fs: &dyn FileSystem) -> Result<Vec<String>> {
    let (info, space) = (fs.info(), fs.space());
    let first = format!("statfs\t{}\t{}\t{}", info.block_size, space.blocks, space.blocks_free);
    // Not every entry tells a type.
    let lines = walked(fs, &|told, file_type| told.is_none_or(|told| told == file_type), &line)?;
    Ok([vec![first], lines].concat())
}

/// The lines of all that can be read without an error.
pub(super) fn as_far_as_readable(fs: &dyn FileSystem) -> Vec<String> {
    readable(fs, &line).into_values().collect()
}

fn line(fs: &dyn FileSystem, path: &[u8], node: NodeId) -> Result<String> {
    let attr = fs.attr(node)?;
    let dash = || "-".to_owned();
    let value = |name: &str| fs.xattr(node, format!("system.ntfs_{name}").as_bytes());
    let flags = u32::from_le_bytes(value("attrib")?.try_into().unwrap());
    let is_file = attr.file_type == FileType::Regular;
    let mut fields = vec![
        shown(path),
        node.0.to_string(),
        kind(&attr).to_owned(),
        attr.links.to_string(),
        if is_file { attr.size.to_string() } else { dash() },
        if is_file { attr.allocated.div_ceil(512).to_string() } else { dash() },
        time(attr.accessed),
        time(attr.modified),
        time(attr.changed),
        attr.created.map_or_else(dash, time),
        device(&attr),
        if attr.file_type == FileType::Symlink {
            or_error(fs.read_link(node).map(|target| shown(&target)))
        } else {
            dash()
        },
        if is_file { or_error(content(fs, node, Stream::Main, attr.size, flags)) } else { dash() },
        format!("{flags:x}"),
        hex(&value("times")?),
    ];
    for name in ATTRIBUTES {
        fields.push(match value(name) {
            Ok(value) => shown_value(&value),
            Err(error) if error.kind == ErrorKind::NoAttribute => dash(),
            Err(error) => or_error(Err(error)),
        });
    }
    fields.push(or_error(streams(fs, node, flags)));
    Ok(fields.join("\t"))
}

/// Major and minor number; zeros where a device has none.
fn device(attr: &Attr) -> String {
    match attr.device {
        Some(device) => format!("{}:{}", device.major, device.minor),
        None if matches!(attr.file_type, FileType::BlockDevice | FileType::CharDevice) => "0:0".to_owned(),
        None => "-".to_owned(),
    }
}

/// What was read, or the error, which no oracle shows.
fn or_error(read: Result<String>) -> String {
    read.unwrap_or_else(|error| format!("error: {error}"))
}

fn kind(attr: &Attr) -> &'static str {
    match attr.file_type {
        FileType::Fifo => "p",
        FileType::CharDevice => "c",
        FileType::Directory => "d",
        FileType::BlockDevice => "b",
        FileType::Regular => "f",
        FileType::Symlink => "l",
        FileType::Socket => "s",
    }
}

/// SHA-256 of the data; of larger data, of its first and last MiB; `encrypted` where nobody can tell, or `refused`.
fn content(fs: &dyn FileSystem, node: NodeId, stream: Stream<'_>, size: u64, flags: u32) -> Result<String> {
    if let Err(error) = fs.read_at(node, stream, 0, &mut []) {
        match error.kind {
            ErrorKind::KeyMissing if flags & ENCRYPTED != 0 => return Ok("encrypted".to_owned()),
            ErrorKind::Unsupported => return Ok("refused".to_owned()),
            _ => return Err(error),
        }
    }
    let parts = if size <= HASHED_WHOLE_MAX { [(0, size), (size, size)] } else { [(0, MIB), (size - MIB, size)] };
    let mut digest = Sha256::new();
    for (mut at, end) in parts {
        while at < end {
            // An odd length, so that reads begin inside of units.
            let mut buf = vec![0xEE; (end - at).min(777_777) as usize];
            assert_eq!(fs.read_at(node, stream, at, &mut buf)?, buf.len());
            digest.update(&buf);
            at += buf.len() as u64;
        }
    }
    assert_eq!(fs.read_at(node, stream, size, &mut [0; 10])?, 0, "data behind the end");
    Ok(hex(&digest.finalize()))
}

fn streams(fs: &dyn FileSystem, node: NodeId, flags: u32) -> Result<String> {
    let mut found = fs.streams(node)?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let shown = found.into_iter().map(|info| {
        let content = content(fs, node, Stream::Named(&info.name), info.size, flags)?;
        Ok(format!("{}:{}:{}", shown(&info.name), info.size, if content == "encrypted" { "-" } else { &content }))
    });
    let shown = shown.collect::<Result<Vec<_>>>()?;
    Ok(if shown.is_empty() { "-".to_owned() } else { shown.join(",") })
}

/// Fails with the first few of each field that differs. What the oracle does not tell may be anything.
pub(crate) fn assert_same(what: &str, oracle: &[String], ours: &[String]) {
    /// Differences of one field that are shown.
    const SHOWN_MAX: usize = 4;
    let differing = differences(oracle, ours);
    let mut shown = Vec::new();
    for (field, found) in &differing {
        shown.push(format!("{} of {field}", found.len()));
        shown.extend(found.iter().take(SHOWN_MAX).cloned());
    }
    assert!(differing.is_empty(), "{what}: differences, as oracle != ours:\n{shown:#?}");
}

/// As [`assert_same`], but we may show more names.
pub(super) fn assert_shows(what: &str, oracle: &[String], ours: &[String]) {
    let paths: std::collections::BTreeSet<_> = oracle.iter().map(|line| line.split('\t').next()).collect();
    let ours: Vec<_> = ours.iter().filter(|line| paths.contains(&line.split('\t').next())).cloned().collect();
    let oracle: Vec<_> = oracle.iter().filter(|line| !line.starts_with("statfs\t")).cloned().collect();
    assert_same(what, &oracle, &ours);
}

/// What differs, by field, in words.
fn differences(oracle: &[String], ours: &[String]) -> BTreeMap<&'static str, Vec<String>> {
    let path = |line: &String| line.split('\t').next().unwrap().to_owned();
    let ours: BTreeMap<_, _> = ours.iter().map(|line| (path(line), line)).collect();
    let oracle: BTreeMap<_, _> = oracle.iter().map(|line| (stand_ins(&path(line)), line)).collect();
    let is_ntfs3 = oracle.iter().all(|(path, line)| path == "statfs" || line.ends_with(UNTOLD));
    let mut found = BTreeMap::<_, Vec<_>>::new();
    let untold = |path: &String| oracle.contains_key(path) || (is_ntfs3 && has_lone_surrogate(path));
    let extra = ours.keys().filter(|path| !untold(path)).map(|path| format!("only ours: {path}"));
    let missing = oracle.keys().filter(|path| !ours.contains_key(*path)).map(|path| format!("only theirs: {path}"));
    let names: Vec<_> = extra.chain(missing).collect();
    if !names.is_empty() {
        found.insert(FIELDS[0], names);
    }
    for (path, line) in oracle {
        let Some(our_line) = ours.get(&path) else { continue };
        let (one, other): (Vec<_>, Vec<_>) = (line.split('\t').collect(), our_line.split('\t').collect());
        assert_eq!(one.len(), other.len(), "{line}");
        for (i, (one, other)) in one.iter().zip(&other).enumerate().skip(1) {
            if one != other && *one != UNTOLD {
                found.entry(FIELDS[i]).or_default().push(format!("{path}: {one} != {other}"));
            }
        }
    }
    found
}

/// ntfs3 does not find names with lone surrogates.
fn has_lone_surrogate(path: &str) -> bool {
    ["%ed%a", "%ed%b"].iter().any(|surrogate| path.contains(surrogate))
}

/// A path as we show it, with names that really have the characters that stand for `/`, NUL and `.` in the long form.
fn stand_ins(path: &str) -> String {
    ["%80%80", "%80%ae", "%80%af"]
        .iter()
        .fold(path.to_owned(), |path, rest| path.replace(&format!("%ef{rest}"), &format!("%f0%8f{rest}")))
}

/// How many lines tell each attribute of [`ATTRIBUTES`], so that a comparison is known to compare something.
pub(super) fn told(oracle: &[String]) -> [usize; ATTRIBUTES.len()] {
    std::array::from_fn(|i| {
        let field = |line: &&String| line.split('\t').nth(FIRST_ATTRIBUTE + i).is_some_and(|f| f != "-" && f != UNTOLD);
        oracle.iter().filter(field).count()
    })
}
