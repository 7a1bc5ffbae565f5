//! Encrypted directories and files with a hash tree, through a mount.

use crate::support::fr_mount::Place;
use crate::support::process::{program, run};
use crate::support::{FrMount, Need, skip_unless};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const NEEDS: &[Need] = &[Need::Fuse, Need::Program("zstd", "zstd")];
/// Six hundred KiB in blocks of 4 KiB.
const VERITY_FILE: &str = "sha256-4096-0-614400";

/// An image of tests/fixtures/ext4, unpacked in `place`.
fn image(place: &Place, name: &str) -> PathBuf {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/ext4/{name}.img.zst"));
    let image = place.path().join(name);
    run(program("zstd").args(["-dq", "--long=27"]).arg(packed).arg("-o").arg(&image));
    image
}

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    result.err().as_ref().and_then(Errno::from_io_error)
}

#[test]
fn encrypted_files_have_names_and_attributes_but_cannot_be_opened() {
    if !skip_unless(NEEDS) {
        return;
    }
    let place = Place::new();
    let image = image(&place, "encrypted-casefold");
    let mount = FrMount::start(place, [image]);
    let directory = mount.only_volume().join("small");
    let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 5);
    for name in &names {
        assert!(fs::metadata(name).unwrap().is_file());
        assert_eq!(errno(File::open(name)), Some(Errno::NOKEY), "{}", name.display());
    }
    assert_eq!(errno(fs::metadata(directory.join("Name-000-"))), Some(Errno::NOENT));
    mount.stop();
}

/// Changes one bit of block 100 of every file in the image that has so many.
fn damage(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    let text = format!("{:015}\n", 100 * 4096 / 64);
    let places: Vec<_> = bytes.windows(16).enumerate().filter(|(_, found)| *found == text.as_bytes()).collect();
    let places: Vec<_> = places.into_iter().map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(image, bytes).unwrap();
}

#[test]
fn a_changed_block_of_a_verity_file_is_an_error_with_verify_and_is_not_noticed_without() {
    if !skip_unless(NEEDS) {
        return;
    }
    let place = Place::new();
    let image = image(&place, "verity-4k");
    damage(&image);
    let path = image.to_str().unwrap().to_owned();
    let mount = FrMount::start(Place::new(), ["--verify", &path]);
    let file = File::open(mount.only_volume().join(VERITY_FILE)).unwrap();
    let block = |number: u64| file.read_exact_at(&mut [0; 4096], number * 4096);
    assert_eq!(errno(block(100)), Some(Errno::IO));
    // The kernel asks for more at once, and then again for what is wanted.
    for number in [0, 50, 99, 101, 149] {
        block(number).unwrap();
    }
    drop(file);
    mount.stop();
    let mount = FrMount::start(Place::new(), [path]);
    assert_eq!(fs::read(mount.only_volume().join(VERITY_FILE)).unwrap().len(), 600 << 10);
    mount.stop();
}
