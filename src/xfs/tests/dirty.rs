//! Images whose log has to be recovered: against what a kernel made of a copy that it could write to, and as they lie.

use super::fixture::{kernel_manifest, names, open};
use super::fixtures::assert_same;
use super::manifest;
use vfs::FileSystem;

/// A manifest without what counts space: a kernel that finishes what the log leaves over frees some.
fn without_space(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.starts_with("statfs")).cloned().collect()
}

#[test]
fn recovered_images_show_what_the_kernel_showed_of_them() {
    let names = names("dirty");
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let fs = open(&format!("dirty/{name}"), true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let notices = fs.info().notices;
        assert!(fs.was_in_use() && notices[0].contains("its log was recovered"), "{name}: {notices:?}");
        let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kernel = kernel_manifest(&format!("dirty/{name}"), "manifest.zst");
        assert_same(&name, &without_space(&kernel), &without_space(&ours));
    }
}
