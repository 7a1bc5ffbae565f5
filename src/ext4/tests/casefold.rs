//! Directories that ignore case, against what a kernel with `CONFIG_UNICODE` finds in them.

use super::crafted::Image;
use super::{fixture, walk};
use crate::Ext4;
use crate::casefold::fold;
use crate::directory::Sought;
use crate::htree;
use crate::inode::Inode;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use vfs::{Cursor, ErrorKind, FileSystem, NodeId};

static CASEFOLD: LazyLock<Image> = LazyLock::new(|| Image::new("casefold"));

/// Bytes of the superblock: `s_feature_incompat`, `s_encoding`, `s_encoding_flags`.
const INCOMPAT: u64 = 1024 + 0x60;
const ENCODING: u64 = 1024 + 0x27C;
const ENCODING_FLAGS: u64 = 1024 + 0x27E;

/// What the kernel said of a name in a directory.
struct Answer {
    is_listed: bool,
    directory: String,
    name: Vec<u8>,
    node: Option<NodeId>,
}

fn kernel_answers() -> Vec<Answer> {
    let text = String::from_utf8(fixture::unpacked("casefold.lookups.zst")).unwrap();
    let answer = |line: &str| {
        let [kind, directory, name, node] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let byte = |at: usize| u8::from_str_radix(&name[at..at + 2], 16).unwrap();
        let name = (0..name.len()).step_by(2).map(byte).collect();
        Answer {
            is_listed: kind == "listed",
            directory: directory.to_owned(),
            name,
            node: node.parse().ok().map(NodeId),
        }
    };
    text.lines().map(answer).collect()
}

fn names(fs: &Ext4, dir: NodeId) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = Vec::new();
    fs.read_dir(dir, Cursor::START, &mut |entry| {
        found.push((entry.name.to_vec(), entry.node));
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

#[test]
fn names_are_listed_as_the_kernel_lists_them() {
    for directory in ["exact", "inline", "block", "names", "many"] {
        let ours: BTreeSet<_> = names(&CASEFOLD.fs, CASEFOLD.node(directory)).into_iter().collect();
        let listed = kernel_answers().into_iter().filter(|answer| answer.is_listed && answer.directory == directory);
        assert_eq!(ours, listed.map(|answer| (answer.name, answer.node.unwrap())).collect(), "{directory}");
        assert!(ours.len() > if directory == "many" { 3000 } else { 3 });
    }
}

#[test]
fn names_are_found_where_the_kernel_finds_them_and_no_others() {
    let (mut wrong, mut found, mut missing) = (Vec::new(), 0, 0);
    for Answer { directory, name, node, .. } in kernel_answers() {
        match CASEFOLD.fs.lookup(CASEFOLD.node(&directory), &name) {
            Ok(ours) if node == Some(ours) => found += 1,
            Err(error) if error.kind == ErrorKind::NotFound && node.is_none() => missing += 1,
            ours => wrong.push(format!("{directory}/{}: {node:?}, ours {ours:?}", name.escape_ascii())),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(found > 5000 && missing > 1000, "{found} found, {missing} missing");
}

#[test]
fn the_index_leads_to_every_name_without_a_search() {
    for directory in ["names", "many"] {
        let dir = Inode::read(&CASEFOLD.fs.device, CASEFOLD.node(directory)).unwrap();
        for (name, node) in names(&CASEFOLD.fs, dir.number) {
            let found = htree::lookup(&CASEFOLD.fs, &dir, &mut Sought::new(&dir, &name).unwrap()).unwrap();
            assert_eq!(found, Some(Some(node)), "{directory}/{}", name.escape_ascii());
        }
    }
}

/// Where this name stands in the image, if only there.
fn place(name: &str) -> u64 {
    let mut windows = CASEFOLD.bytes.windows(name.len()).enumerate().filter(|(_, bytes)| *bytes == name.as_bytes());
    let (place, _) = windows.next().unwrap();
    assert!(windows.next().is_none(), "{name}");
    place as u64
}

/// Two names of the same length, each in another leaf of the index.
const STORED: &str = "Größe-83438-abababababababababababab";
const ALIKE: &str = "Eintrag-90053-ababababababababababab";

#[test]
fn a_name_that_a_kernel_without_ignored_characters_wrote_is_found_behind_another_hash() {
    let dir = CASEFOLD.node("many");
    let node = CASEFOLD.fs.lookup(dir, STORED.as_bytes()).unwrap();
    // Three bytes become one character that is ignored.
    let renamed = STORED.replace("e-8", "\u{200D}");
    let patched = CASEFOLD.with_any_reads(&[(place(STORED), renamed.as_bytes())]);
    for name in [&renamed, &renamed.to_uppercase(), &renamed.replace('\u{200D}', "")] {
        assert_eq!(patched.lookup(dir, name.as_bytes()).unwrap(), node);
    }
    assert_eq!(patched.lookup(dir, STORED.as_bytes()).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn of_two_names_that_are_folded_to_the_same_each_is_found_wherever_the_index_leads() {
    let dir = CASEFOLD.node("many");
    let node = |name: &str| CASEFOLD.fs.lookup(dir, name.as_bytes()).unwrap();
    let renamed = format!("\u{AD}{ALIKE}");
    let patched = CASEFOLD.with_any_reads(&[(place(STORED), renamed.as_bytes())]);
    assert_eq!(patched.lookup(dir, renamed.as_bytes()).unwrap(), node(STORED));
    assert_eq!(patched.lookup(dir, ALIKE.as_bytes()).unwrap(), node(ALIKE));
    // Neither stands there: the kernel takes what the index leads to.
    assert_eq!(patched.lookup(dir, ALIKE.to_uppercase().as_bytes()).unwrap(), node(ALIKE));
}

#[test]
fn of_two_names_that_are_folded_to_the_same_each_is_found_without_an_index() {
    let (dir, flags) = (CASEFOLD.node("exact"), CASEFOLD.inode("exact") + 0x20);
    let word = u32::from_le_bytes(CASEFOLD.get(flags)) | 0x4000_0000;
    let patched = CASEFOLD.with(&[(flags, &word.to_le_bytes())]).unwrap();
    let stored = names(&patched, dir);
    for (name, node) in &stored {
        assert_eq!(patched.lookup(dir, name).unwrap(), *node);
    }
    let mut alike = stored.iter().filter(|(name, _)| fold(name).unwrap() == b"strasse");
    assert_eq!(patched.lookup(dir, b"sTRASSE").unwrap(), alike.next().unwrap().1);
    assert!(alike.next().is_some());
}

#[test]
fn flags_of_the_encoding_change_nothing_and_another_encoding_is_refused() {
    let sound = walk::of(&CASEFOLD.fs, true);
    let patched = CASEFOLD.with_any_reads(&[(ENCODING_FLAGS, &[3, 0])]);
    assert!(format!("{sound:?}") == format!("{:?}", walk::of(&patched, true)));
    let error = CASEFOLD.with(&[(ENCODING, &[2, 0])]).err().unwrap();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("encoding 2"), "{error}");
}

#[test]
fn a_directory_that_ignores_case_without_the_feature_is_damage_of_that_directory_alone() {
    let incompat = u32::from_le_bytes(CASEFOLD.get(INCOMPAT)) & !0x2_0000;
    let patched = CASEFOLD.with(&[(INCOMPAT, &incompat.to_le_bytes())]).unwrap();
    let error = patched.lookup(CASEFOLD.node("names"), b"plain.txt").unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("casefold"), "{error}");
    patched.lookup(CASEFOLD.node("exact"), b"a").unwrap();
}
