//! Blocks that are larger than the pages of most kernels, which then do not mount them: against the tree that mke2fs
//! made the image of.

use super::kernel::{check, make, open};
use super::{fixture, manifest};
use std::process::Command;

/// The fields of a line that a copy has in common with its original: not its inode, times of change, blocks, or extents;
/// of directories neither links nor size.
fn common(line: &str) -> Option<String> {
    let fields: Vec<_> = line.split('\t').collect();
    let [path, _, mode, links, uid, gid, size, _, _, mtime, _, _, device, target, _, digest, xattrs] = fields[..]
    else {
        panic!("a line with {} fields", fields.len());
    };
    let is_directory = mode.starts_with('4');
    if matches!(path, "lost+found" | ".") {
        return None;
    }
    let (links, size) = if is_directory { ("", "") } else { (links, size) };
    // What mke2fs copies of a time.
    let mtime = mtime.split('.').next().unwrap().parse::<i64>().unwrap() as u32;
    let mtime = &mtime.to_string();
    // Of larger files the digest is that of their extents, which differ.
    let digest = if size.len() > 8 { "" } else { digest };
    Some([path, mode, links, uid, gid, size, mtime, device, target, digest, xattrs].join("\t"))
}

#[test]
fn images_with_large_blocks_show_the_tree_that_they_were_made_of() {
    let scratch = tempfile::tempdir().unwrap();
    let (tree, image) = (scratch.path().join("tree"), scratch.path().join("image"));
    let (tree, image) = (tree.to_str().unwrap(), image.to_str().unwrap());
    std::fs::create_dir(tree).unwrap();
    let populate = fixture::directory().join("../../recipes/populate.py");
    let populated = Command::new("python3").arg(populate).args([tree, "1500"]).output().unwrap();
    if !populated.status.success() {
        eprintln!("SKIPPED: large blocks, since not every kind of file can be made here. Run this test as root.");
        return;
    }
    let original = check("the tree", &make(&["tree", tree]));
    let original: Vec<_> = original.lines().filter_map(common).collect();
    assert!(original.len() > 1400);
    for options in ["-b 65536", "-b 8192 -O ^extents,^64bit,^metadata_csum"] {
        let mut arguments = vec!["image-of", image, "256M", tree, "-t", "ext4"];
        arguments.extend(options.split(' '));
        check(options, &make(&arguments));
        for indexed in [false, true] {
            if indexed {
                // Its exit code is 1 when it has changed something.
                let fsck = Command::new("e2fsck").args(["-fyD", image]).output().unwrap();
                assert!(fsck.status.code().is_some_and(|code| code <= 1), "{}", String::from_utf8_lossy(&fsck.stdout));
            }
            let lines = manifest::of(&open(image)).unwrap_or_else(|error| panic!("{options}: {error}"));
            let ours: Vec<_> = lines[1..].iter().filter_map(|line| common(line)).collect();
            fixture::assert_same(&format!("{options}, indexed: {indexed}"), &original, &ours);
        }
    }
}
