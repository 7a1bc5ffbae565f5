//! Many large disks: all of them are opened, and what lies behind the last 32-bit block address is read.

use crate::support::ext4_image::make_sparse_file;
use crate::support::fr_mount::{Place, can_be_read, shell};
use crate::support::own_target::{OwnTarget, config};
use crate::support::process::{program, run};
use crate::support::{DiskFile, FrMount, Need, Report, fr_mount, skip_unless};
use block::BlockSize;
use std::path::{Path, PathBuf};

const DISKS: usize = 32;
const DISK_BYTES: u64 = 8 << 40;
const FILE_SYSTEM_BYTES: u64 = 32 << 20;

/// Sparse files of 8 TiB; the last one ends with a partition that holds ext4.
fn disks(directory: &Path) -> Vec<PathBuf> {
    let path = |number: usize| directory.join(format!("disk{number}.img"));
    for number in 0..DISKS {
        make_sparse_file(&path(number), DISK_BYTES);
    }
    let start = (DISK_BYTES - FILE_SYSTEM_BYTES - (1 << 20)) / 512;
    let script = format!(
        "mkdir tree; echo far > tree/file; truncate -s {FILE_SYSTEM_BYTES} part; mkfs.ext4 -q -L far -d tree part\n\
         printf 'label: gpt\\nstart={start}, size={}\\n' | sfdisk --quiet disk{}.img\n\
         dd if=part of=disk{}.img bs=1M seek={} conv=notrunc,sparse status=none",
        FILE_SYSTEM_BYTES / 512,
        DISKS - 1,
        DISKS - 1,
        start >> 11,
    );
    let path_variable = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    run(program("sh").args(["-euc", &script]).env("PATH", path_variable).current_dir(directory));
    (0..DISKS).map(path).collect()
}

#[test]
fn thirty_two_disks_of_eight_terabytes_are_all_listed() {
    if !skip_unless(&[Need::MKFS, Need::SFDISK]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disks = disks(directory.path());
    let target = OwnTarget::tls(config(disks.iter().map(|path| DiskFile::open(path, BlockSize::B512)).collect()));
    let place = Place::new();
    let args = [vec!["volumes".to_owned(), "--json".to_owned()], target.source()].concat();
    let report: Report = fr_mount(&place, args).assert_ok().json();
    assert_eq!(report.disks.len(), DISKS);
    for (number, disk) in report.disks.iter().enumerate() {
        assert_eq!((disk.disk, disk.bytes, disk.block_size), (number, DISK_BYTES, 512));
    }
    assert_eq!(report.disks[DISKS - 1].table, "GPT");
    let far = report.volume("far");
    assert_eq!((far.disk, far.state.as_str()), (Some(DISKS - 1), "readable"), "{:?}", report.notices);
}

#[test]
fn a_file_at_the_end_of_eight_terabytes_is_read() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, Need::SFDISK]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disks = disks(directory.path());
    let target = OwnTarget::tls(config(vec![DiskFile::open(disks.last().unwrap(), BlockSize::B512)]));
    let mount = FrMount::start(Place::new(), target.source());
    assert!(can_be_read(&mount.volume("far").join("file")));
    mount.stop();
}

#[test]
fn a_disk_with_blocks_of_4096_bytes_is_read() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    shell("mkdir tree; echo native > tree/file; truncate -s 32M disk.img", directory.path());
    run(program("mkfs.ext4").args(["-q", "-L", "native", "-d", "tree", "disk.img"]).current_dir(directory.path()));
    let disk = DiskFile::open(&directory.path().join("disk.img"), BlockSize::B4096);
    let target = OwnTarget::plain(config(vec![disk]));
    let mount = FrMount::start(Place::new(), target.source());
    assert_eq!(mount.report().disks[0].block_size, 4096);
    assert_eq!(std::fs::read(mount.volume("native").join("file")).unwrap(), b"native\n");
    mount.stop();
}
