//! Images whose log has to be recovered: against what a kernel made of a copy that it could write to.

use super::fixture::{kernel_manifest, names, open};
use super::fixtures::assert_same;
use super::manifest;
use std::collections::HashSet;
use vfs::FileSystem;

/// Fields of a line: the inode, and where there is data.
const INODE: usize = 1;
const SEGMENTS: usize = 14;

/// A manifest without what a kernel that has finished its work shows otherwise: the space that it freed, and data in the
/// place of unwritten blocks that it had read into memory under another name of the file.
fn comparable(lines: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let lines = lines.iter().filter(|line| !line.starts_with("statfs"));
    let comparable = |line: &String| {
        let mut fields: Vec<_> = line.split('\t').collect();
        if !seen.insert(fields[INODE].to_owned()) && fields.len() > SEGMENTS {
            fields[SEGMENTS] = "*";
        }
        fields.join("\t")
    };
    lines.map(comparable).collect()
}

#[test]
fn recovered_images_show_what_the_kernel_showed_of_them() {
    let names = names("dirty");
    assert!(names.len() >= 20, "{names:?}");
    let differing = names.into_iter().filter_map(|name| {
        let result = std::panic::catch_unwind(|| compare(&name));
        result.err().map(|_| name)
    });
    let differing: Vec<_> = differing.collect();
    assert!(differing.is_empty(), "{differing:?}");
}

fn compare(name: &str) {
    let fs = open(&format!("dirty/{name}"), true).unwrap_or_else(|error| panic!("{name}: {error}"));
    let notices = fs.info().notices;
    assert!(fs.was_in_use() && notices[0].contains("its log was recovered"), "{name}: {notices:?}");
    let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
    let kernel = kernel_manifest(&format!("dirty/{name}"), "manifest.zst");
    assert_same(name, &comparable(&kernel), &comparable(&ours));
}
