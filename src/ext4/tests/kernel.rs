//! Images of many feature sets, made now, against this kernel's loop mount. Needs root and loop devices; says so and
//! passes otherwise.

use super::fixture::assert_same;
pub(super) use super::fixtures::{check, skipped};
use super::{fixtures, manifest};
use crate::Ext4;
use block::{BlockSize, MemoryDisk};
use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

/// What mke2fs is told, what debugfs is told before and (behind `--`) after the image is filled, and how many entries the
/// large directory gets.
const IMAGES: &[(&str, &[&str], u32)] = &[
    ("-t ext4 -b 4096", &[], 10_000),
    ("-t ext4 -b 1024", &[], 10_000),
    ("-t ext4 -b 2048 -I 128", &[], 1_500),
    ("-t ext4 -b 1024 -I 1024 -G 4 -g 1024", &[], 1_500),
    ("-t ext4 -b 4096 -O ^metadata_csum", &[], 1_500),
    ("-t ext4 -b 4096 -O ^metadata_csum,uninit_bg", &[], 1_500),
    ("-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^64bit", &[], 1_500),
    ("-t ext4 -b 4096 -O ^64bit", &[], 1_500),
    ("-t ext4 -b 1024 -O meta_bg,^resize_inode", &[], 1_500),
    ("-t ext4 -b 1024 -O meta_bg,^resize_inode,^64bit -g 256", &[], 1_500),
    ("-t ext4 -b 4096 -O ^flex_bg,sparse_super2 -g 1024", &[], 1_500),
    ("-t ext4 -b 1024 -O ^flex_bg,^sparse_super,^resize_inode", &[], 1_500),
    ("-t ext4 -b 4096 -O ^extents,^64bit", &[], 1_500),
    ("-t ext4 -b 4096 -O metadata_csum_seed,large_dir,mmp", &[], 1_500),
    ("-t ext4 -b 4096 -O ea_inode", &[], 300),
    ("-t ext4 -b 1024 -O ea_inode,^metadata_csum", &[], 300),
    ("-t ext4 -b 4096 -O inline_data", &[], 1_500),
    ("-t ext4 -b 1024 -I 1024 -O inline_data,ea_inode,^metadata_csum", &[], 300),
    ("-t ext4 -b 4096 -O bigalloc -C 16384", &[], 1_500),
    ("-t ext4 -b 1024 -O bigalloc -C 16384 -g 8192", &["--", "ssv overhead_clusters 0"], 300),
    (
        "-t ext4 -b 4096",
        &[
            "--",
            "tune2fs -O project,quota -Q usrquota,grpquota,prjquota",
            "set_inode_field /plain/f60 projid 77",
            "set_inode_field /xattr/few projid 4000000000",
        ],
        300,
    ),
    ("-t ext4 -b 4096 -O ^dir_index,^huge_file,^filetype", &[], 1_500),
    ("-t ext4 -b 4096 -O ^has_journal", &[], 1_500),
    ("-t ext4 -b 4096 -O encrypt,verity,stable_inodes,fast_commit", &[], 300),
    ("-t ext4 -b 1024 -O orphan_file", &[], 1_500),
    ("-t ext4 -b 1024", &["ssv def_hash_version legacy", "ssv flags 1"], 1_500),
    ("-t ext4 -b 4096", &["ssv def_hash_version legacy", "ssv flags 2"], 1_500),
    ("-t ext4 -b 1024", &["ssv def_hash_version tea", "ssv flags 1"], 1_500),
    ("-t ext4 -b 1024", &["ssv def_hash_version tea", "ssv flags 2"], 1_500),
    ("-t ext4 -b 1024", &["ssv def_hash_version half_md4", "ssv flags 2"], 1_500),
    (
        "-t ext4 -b 4096",
        &[
            "--",
            "set_inode_field /plain/f60 extra_isize 0",
            "set_inode_field /xattr/few extra_isize 4",
            "set_inode_field /plain/f61 extra_isize 12",
            "ea_set /plain/f4096 system.hidden value",
            "ea_set /plain/f4096 user.shown value",
        ],
        300,
    ),
    ("-t ext3 -b 1024", &[], 1_500),
    ("-t ext3 -b 4096 -I 128", &[], 1_500),
    ("-t ext2 -b 2048", &[], 1_500),
    ("-t ext2 -r 0 -b 1024 -O none", &[], 300),
];

/// Runs the script that makes images; what it printed.
pub(super) fn make(arguments: &[&str]) -> Output {
    fixtures::script("ext4", "make.py", arguments)
}

/// Whether images can be made and mounted here.
pub(super) fn can_mount(scratch: &Path) -> bool {
    let trial = scratch.join("trial");
    fixtures::can_mount("ext4", &["image", trial.to_str().unwrap(), "32M", "1", "-t", "ext2"])
}

pub(super) fn open(image: &str) -> Ext4 {
    Ext4::open(Arc::new(MemoryDisk::new(fs::read(image).unwrap(), BlockSize::B512))).unwrap()
}

#[test]
fn images_of_every_feature_set_show_what_the_kernel_shows() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_mount(scratch.path()) {
        return;
    }
    let image = scratch.path().join("image");
    let image = image.to_str().unwrap();
    for (options, changes, files) in IMAGES {
        let files = files.to_string();
        let mut arguments = vec!["image", image, "96M", &files];
        arguments.extend(options.split(' ').chain(["--"]).chain(changes.iter().copied()));
        let what = arguments[4..].join(" ");
        check(&what, &make(&arguments));
        let kernel: Vec<_> = check(&what, &make(&["manifest", image])).lines().map(str::to_owned).collect();
        let ours = manifest::of(&open(image)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_same(&what, &kernel, &ours);
        eprintln!("compared: {what}");
    }
}
