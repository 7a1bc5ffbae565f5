//! Targets that do what they must not: the reader gets the right bytes or an error, never others.

use crate::support::fr_mount::Place;
use crate::support::own_target::{OwnTarget, config};
use crate::support::scratched::Scratched;
use crate::support::{DiskFile, Ext4Image, FrMount, Need, skip_unless};
use block::BlockSize;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use target::{BadReads, Misdeed, Refusal};

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];
const FILE_BYTES: usize = 24 << 20;

/// Bytes in which every eight differ from all others.
fn content() -> Vec<u8> {
    (0..(FILE_BYTES / 8) as u64).flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    std::fs::write(from.path().join("large"), content()).unwrap();
    Ext4Image::copied_from(from.path(), 48, &["-L", "data"])
}

/// Mounts from a target whose every 23rd read goes wrong like this.
fn mounted(image: &Path, how: Misdeed, options: &[&str]) -> (OwnTarget, FrMount) {
    let mut config = config(vec![DiskFile::open(image, BlockSize::B512)]);
    config.faults.bad_reads = Some(BadReads { every: NonZeroU64::new(23).unwrap(), how });
    let target = OwnTarget::plain(config);
    let options = options.iter().map(|option| (*option).to_owned()).collect();
    let mount = FrMount::start(Place::new(), [options, target.source()].concat());
    (target, mount)
}

#[test]
fn what_can_be_put_right_is_put_right_without_a_word() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    for how in [
        Misdeed::Busy,
        Misdeed::Reject,
        Misdeed::WrongOrder,
        Misdeed::MissingData,
        Misdeed::AskForLogout(3),
        Misdeed::Drop,
    ] {
        let (_target, mount) = mounted(&image.path(), how, &[]);
        let read = std::fs::read(mount.volume("data").join("large")).expect("no error is seen");
        assert!(read == content(), "{how:?}");
        mount.stop();
    }
}

#[test]
fn data_digests_find_a_bit_that_was_flipped_on_the_way() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let (_target, mount) = mounted(&image.path(), Misdeed::FlippedBit, &["--digests", "on"]);
    assert!(std::fs::read(mount.volume("data").join("large")).unwrap() == content());
    mount.stop();
}

#[test]
fn a_block_that_the_disk_cannot_read_is_an_error_there_and_nowhere_else() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, content) = (image(), content());
    // The middle of the file, wherever mke2fs put it.
    let middle = FILE_BYTES / 2;
    let bytes = std::fs::read(image.path()).unwrap();
    let block = bytes.chunks(512).position(|block| *block == content[middle..middle + 512]).unwrap() as u64;
    let disk = Scratched { disk: DiskFile::open(&image.path(), BlockSize::B512), block };
    let target = OwnTarget::plain(config(vec![Arc::new(disk)]));
    let mount = FrMount::start(Place::new(), target.source());
    let file = std::fs::File::open(mount.volume("data").join("large")).unwrap();
    let read = |offset: usize, length: usize| {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset as u64).map(|()| piece)
    };
    let error = read(middle, 512).expect_err("the block cannot be read");
    assert_eq!(rustix::io::Errno::from_io_error(&error), Some(rustix::io::Errno::IO));
    // Its page is lost with it, and no more.
    let around = 4096;
    for (offset, length) in [(0, middle - around), (middle + around, FILE_BYTES - middle - around)] {
        assert!(read(offset, length).unwrap() == content[offset..offset + length]);
    }
    drop(file);
    mount.stop();
}

#[test]
fn a_target_that_is_out_of_service_for_a_while_is_waited_for() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut config = config(vec![DiskFile::open(&image.path(), BlockSize::B512)]);
    config.faults.refusal = Some(Refusal { class: 3, detail: 1, after: 1, times: 3 });
    config.faults.cut_after_bytes = Some(9_000_001);
    let target = OwnTarget::plain(config);
    let mount = FrMount::start(Place::new(), target.source());
    assert!(std::fs::read(mount.volume("data").join("large")).unwrap() == content());
    mount.stop();
}
