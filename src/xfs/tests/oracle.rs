//! Against `lamxfs`, another reader of the format, which replays logs of version 5 as well: where both understand an image
//! they agree. And what it does not do, which is why it is only compared with.

use super::fixture;
use super::tree;
use crate::Xfs;
use lamxfs::EntryKind;
use std::collections::BTreeMap;
use vfs::{FileSystem, FileType, NodeId, Stream};

/// Larger files are not compared: the other reader reads whole files.
const SIZE_MAX: u64 = 16 << 20;

struct Bytes(Vec<u8>);

impl lamxfs::BlockRead for Bytes {
    type Error = ();

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), ()> {
        let at = usize::try_from(offset).map_err(|_| ())?;
        buf.copy_from_slice(self.0.get(at..at + buf.len()).ok_or(())?);
        Ok(())
    }
}

/// What both readers can say of a name.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    node: u64,
    kind: EntryKind,
    mode: u32,
    size: u64,
    /// Data of a file, target of a link.
    content: Option<Vec<u8>>,
}

type Tree = BTreeMap<Vec<u8>, Facts>;

fn ours(fs: &Xfs) -> Tree {
    let mut found = Tree::new();
    tree::each(fs, &mut |path, node| {
        found.insert(path.to_vec(), our_facts(fs, node));
        Ok(())
    })
    .unwrap();
    found
}

fn our_facts(fs: &Xfs, node: NodeId) -> Facts {
    let attr = fs.attr(node).unwrap();
    let (kind, content) = match attr.file_type {
        FileType::Regular if attr.size <= SIZE_MAX => {
            let mut data = vec![0; attr.size as usize];
            assert_eq!(fs.read_at(node, Stream::Main, 0, &mut data).unwrap(), data.len());
            (EntryKind::Regular, Some(data))
        }
        FileType::Regular => (EntryKind::Regular, None),
        FileType::Directory => (EntryKind::Directory, None),
        FileType::Symlink => (EntryKind::Symlink, Some(fs.read_link(node).unwrap())),
        _ => (EntryKind::Other, None),
    };
    Facts { node: node.0, kind, mode: attr.permissions.into(), size: attr.size, content }
}

type Theirs = lamxfs::Xfs<Bytes>;

fn open(image: Vec<u8>) -> Result<Theirs, lamxfs::Error> {
    let size = image.len() as u64;
    Theirs::open(Bytes(image), size)
}

fn theirs(fs: &mut Theirs) -> Tree {
    let root = fs.resolve(lamxfs::Path::new(b"/")).unwrap();
    let root = Facts { node: root.ino, ..their_facts(fs, &[], root, EntryKind::Directory) };
    let (mut found, mut todo) = (Tree::from([(Vec::new(), root)]), vec![Vec::new()]);
    while let Some(directory) = todo.pop() {
        let path = if directory.is_empty() { &b"/"[..] } else { &directory };
        for entry in fs.read_dir(lamxfs::Path::new(path)).unwrap() {
            if [&b"."[..], b".."].contains(&&entry.name[..]) {
                continue;
            }
            let path = [&directory[..], b"/", &entry.name].concat();
            if entry.kind == EntryKind::Directory {
                todo.push(path.clone());
            }
            let inode = lamxfs::Inode { ino: entry.inode_number };
            let facts = their_facts(fs, &path, inode, entry.kind);
            found.insert(path, facts);
        }
    }
    found
}

fn their_facts(fs: &mut Theirs, path: &[u8], inode: lamxfs::Inode, kind: EntryKind) -> Facts {
    let metadata = fs.metadata(&inode).unwrap();
    let content = match kind {
        EntryKind::Regular if metadata.size() <= SIZE_MAX => {
            let mut data = vec![0; metadata.size() as usize];
            assert_eq!(fs.read_file_at(&inode, 0, &mut data).unwrap(), data.len());
            Some(data)
        }
        EntryKind::Symlink => Some(fs.read_link(lamxfs::Path::new(path)).unwrap()),
        _ => None,
    };
    Facts { node: inode.ino, kind, mode: metadata.mode() & 0o7777, size: metadata.size(), content }
}

/// Whether they read the image; if so, it is as we do.
#[track_caller]
fn agrees(name: &str) -> bool {
    let Ok(mut theirs) = open(fixture::image(name)) else { return false };
    let (ours, theirs) = (ours(&fixture::open(name, true).unwrap()), self::theirs(&mut theirs));
    assert!(ours.len() > 40, "{name}: only {} names", ours.len());
    for (path, facts) in &ours {
        assert_eq!(Some(facts), theirs.get(path), "{name}: {}", String::from_utf8_lossy(path));
    }
    assert_eq!(ours.len(), theirs.len(), "{name}: names that only lamxfs finds");
    true
}

#[test]
fn lamxfs_finds_the_same_tree_and_data_on_clean_images() {
    for name in ["default", "small", "parent"] {
        assert!(agrees(name), "{name}");
    }
}

#[test]
fn lamxfs_replays_a_log_of_version_5_to_the_same_tree_and_data() {
    let names = fixture::names("dirty").into_iter().filter(|name| !name.starts_with("v4"));
    let agreed: Vec<_> = names.filter(|name| agrees(&format!("dirty/{name}"))).collect();
    eprintln!("read by both: {agreed:?}");
    assert!(agreed.len() >= 3, "only {agreed:?}");
}

#[test]
fn lamxfs_refuses_logs_of_version_4_elsewhere_or_with_mappings_half_done_which_we_replay() {
    for name in ["dirty/v4", "dirty/v4-log1", "dirty/external", "dirty/swapext", "dirty/shared"] {
        assert!(open(fixture::image(name)).is_err(), "{name}");
        assert!(fixture::open(name, true).is_ok(), "{name}");
    }
}
