//! Volumes that span disks, through the whole program: volume groups that LVM itself made, arrays that a kernel made.

use crate::support::fr_mount::{Place, fr_mount};
use crate::support::own_target::{OwnTarget, config};
use crate::support::process::{program, run, wait_until};
use crate::support::scratched::Scratched;
use crate::support::volume_group::{EXTENT, extent, make};
use crate::support::{DiskFile, FrMount, Need, Report, skip_unless};
use block::BlockSize;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LVM: Need = Need::Program("lvcreate", "lvm2");
const LOSETUP: Need = Need::Program("losetup", "mount");
const STRIPE: u64 = 64 << 10;

/// An ext4 with a file in it; `uuid` is the same for all of them.
fn file_system(directory: &Path, bytes: u64, text: &str) -> PathBuf {
    let image = directory.join("file-system");
    let script = format!(
        "rm -rf tree file-system; mkdir tree; printf %s '{text}' > tree/who; seq 50000 > tree/numbers
         truncate -s {bytes} file-system
         mkfs.ext4 -q -O ^has_journal -L spanning -U 01234567-89ab-cdef-0123-456789abcdef -d tree file-system"
    );
    let path_variable = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    run(program("sh").args(["-euc", &script]).env("PATH", path_variable).current_dir(directory));
    image
}

/// Writes an image over the columns of a striped volume, each of which begins in `first_extent` of its disk: what a kernel
/// would do, by the definition of striping.
fn lay_out(image: &Path, disks: &[PathBuf], first_extent: u64) {
    let disks: Vec<_> = disks.iter().map(|path| File::options().write(true).open(path).unwrap()).collect();
    let mut image = File::open(image).unwrap();
    let mut chunk = vec![0; STRIPE as usize];
    let mut number = 0;
    while image.read_exact(&mut chunk).is_ok() {
        let (row, column) = (number / disks.len() as u64, number % disks.len() as u64);
        if chunk.iter().any(|byte| *byte != 0) {
            disks[column as usize].write_all_at(&chunk, extent(first_extent) + row * STRIPE).unwrap();
        }
        number += 1;
    }
}

fn target(disks: &[PathBuf]) -> OwnTarget {
    OwnTarget::tls(config(disks.iter().map(|path| DiskFile::open(path, BlockSize::B512)).collect()))
}

#[test]
fn thirty_two_disks_of_eight_terabytes_in_one_volume_group_hold_one_file_system() {
    const DISKS: usize = 32;
    const DISK_BYTES: u64 = 8 << 40;
    /// Near the end of each disk.
    const EXTENT_NUMBER: u64 = (DISK_BYTES / EXTENT) - 100;
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, LVM, LOSETUP]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let extents: String = (1..=DISKS).map(|number| format!(" ${{{number}}}:{EXTENT_NUMBER}-{EXTENT_NUMBER}")).collect();
    let commands = format!(
        "lvm lvcreate -y -an -Zn -Wn -n striped -i {DISKS} -I 64k -l {DISKS} vg{extents}
         lvm lvcreate -y -an -Zn -Wn -n rest -l 100%FREE vg"
    );
    let disks = make(directory.path(), DISKS, DISK_BYTES, &commands);
    let image = file_system(directory.path(), DISKS as u64 * EXTENT, "all of us");
    lay_out(&image, &disks, EXTENT_NUMBER);
    let target = target(&disks);
    let mount = FrMount::start(Place::new(), target.source());
    let volume = mount.volume("spanning");
    assert_eq!(fs::read_to_string(volume.join("who")).unwrap(), "all of us");
    assert_eq!(fs::read(volume.join("numbers")).unwrap(), fs::read(directory.path().join("tree/numbers")).unwrap());
    let report = mount.report();
    let found = report.volume("spanning");
    assert_eq!((found.position.as_str(), found.disk, found.health.as_str()), ("vg/striped", None, "whole"));
    let rest = report.volume("vg-rest");
    assert!(rest.bytes > 253 << 40, "{} bytes", rest.bytes);
    assert_eq!(report.groups.iter().map(|group| group.members.len()).collect::<Vec<_>>(), [DISKS]);
    mount.stop();
}

#[test]
fn ten_recovery_points_with_the_same_uuids_are_mounted_side_by_side() {
    const POINTS: usize = 10;
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, LVM, LOSETUP]) {
        return;
    }
    let origin = tempfile::tempdir().unwrap();
    let made = make(origin.path(), 2, 64 << 20, "lvm lvcreate -y -an -Zn -Wn -n data -i 2 -I 64k -l 8 vg");
    let point = |number: usize| {
        let directory = tempfile::tempdir().unwrap();
        let copy = |path: &PathBuf| {
            let copy = directory.path().join(path.file_name().unwrap());
            fs::copy(path, &copy).unwrap();
            copy
        };
        let disks: Vec<_> = made.iter().map(copy).collect();
        let image = file_system(directory.path(), 8 * EXTENT, &format!("point {number}"));
        lay_out(&image, &disks, 0);
        let target = target(&disks);
        let mount = FrMount::start(Place::new(), target.source());
        (directory, target, mount)
    };
    let points: Vec<_> = (0..POINTS).map(point).collect();
    let uuid =
        |mount: &FrMount| (mount.report().groups[0].uuid.clone(), mount.report().volume("spanning").uuid.clone());
    for (number, (_, _, mount)) in points.iter().enumerate() {
        let who = fs::read_to_string(mount.volume("spanning").join("who")).unwrap();
        assert_eq!(who, format!("point {number}"));
        assert_eq!(uuid(mount), uuid(&points[0].2));
        assert!(uuid(mount).0.is_some() && uuid(mount).1.is_some());
    }
    for (_, target, mount) in points {
        mount.stop();
        drop(target);
    }
}

/// Images that a Debian kernel made in user-mode Linux, with what it showed of every file.
fn corpus(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/made").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: the shared corpus is not there; the images of this repository alone were looked at.");
    }
    Some(path).filter(|path| path.exists())
}

/// The corpus' own script, run over a mounted volume, says the same as the kernel did.
fn assert_same_files(mounted: &Path, manifest: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recipes/manifest.py");
    let ours = program("python3").arg(script).arg(mounted).output().unwrap();
    let mut kernel = String::new();
    zstd::Decoder::new(File::open(manifest).unwrap()).unwrap().read_to_string(&mut kernel).unwrap();
    let ours = String::from_utf8_lossy(&ours.stdout).into_owned();
    let differing = kernel.lines().zip(ours.lines()).find(|(kernel, ours)| kernel != ours);
    assert!(differing.is_none(), "{}: kernel and ours differ:\n{differing:#?}", manifest.display());
    assert_eq!(ours.lines().count(), kernel.lines().count(), "{}", manifest.display());
}

fn unpacked(packed: &Path, directory: &Path) -> PathBuf {
    let path = directory.join(packed.file_stem().unwrap());
    let mut file = File::create(&path).unwrap();
    std::io::copy(&mut zstd::Decoder::new(File::open(packed).unwrap()).unwrap(), &mut file).unwrap();
    path
}

/// The packed disks in `directory` whose names begin like this, unpacked.
fn disks(corpus: &Path, prefix: &str, directory: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let is_disk = |path: &&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".img.zst"));
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    names.iter().filter(is_disk).map(|path| unpacked(path, directory)).collect()
}

#[test]
fn a_server_with_lvm_on_mirrors_and_raid_5_shows_the_files_that_its_kernel_showed() {
    let Some(corpus) = corpus("c-server") else { return };
    if !skip_unless(&[Need::Root, Need::Fuse, Need::PYTHON]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disks = disks(&corpus, "disk", directory.path());
    assert_eq!(disks.len(), 5);
    // Without a disk of the mirrors, and one of RAID 5, all of it is still there.
    for left_out in [vec![], vec![0], vec![1, 3]] {
        let there = (0..5).filter(|number| !left_out.contains(number)).map(|number| disks[number].clone());
        let mount = FrMount::start(Place::new(), there);
        for name in ["root", "home", "boot", "srv"] {
            assert_same_files(&mount.volume(name), &corpus.join(format!("{name}.jsonl.zst")));
        }
        let degraded = mount.report().groups.iter().any(|group| group.health == "degraded");
        assert_eq!(degraded, !left_out.is_empty());
        mount.stop();
    }
}

#[test]
fn every_kind_of_logical_volume_shows_the_files_that_its_kernel_showed() {
    let Some(corpus) = corpus("a-lvm") else { return };
    if !skip_unless(&[Need::Root, Need::Fuse, Need::PYTHON]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mount = FrMount::start(Place::new(), disks(&corpus, "disk", directory.path()));
    let volumes = ["linear", "striped", "thin", "mirror", "raid1", "snap", "thinsnap"];
    let path = |name: &str| {
        let position = format!("vgtest/{name}");
        let volume = mount.report().volumes.iter().find(|volume| volume.position == position).unwrap();
        volume.mount_path.clone().unwrap_or_else(|| panic!("{volume:#?}"))
    };
    for name in volumes {
        let manifest = if name == "thinsnap" { "tsnap" } else { name };
        assert_same_files(&path(name), &corpus.join(format!("manifest-{manifest}.jsonl.zst")));
    }
    mount.stop();
}

#[test]
fn every_kind_of_array_shows_the_files_that_its_kernel_showed() {
    let Some(corpus) = corpus("b-md") else { return };
    if !skip_unless(&[Need::Root, Need::Fuse, Need::PYTHON]) {
        return;
    }
    let manifests = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = manifests.filter_map(|name| Some(name.strip_suffix(".jsonl.zst")?.to_owned())).collect();
    names.sort();
    assert_eq!(names.len(), 24);
    for name in names {
        let directory = tempfile::tempdir().unwrap();
        let disks = disks(&corpus, &format!("{name}-"), directory.path());
        let mount = FrMount::start(Place::new(), &disks);
        assert_same_files(&mount.only_volume(), &corpus.join(format!("{name}.jsonl.zst")));
        mount.stop();
    }
}

#[test]
fn a_block_that_one_leg_of_a_mirror_cannot_read_comes_from_the_other_and_that_is_told() {
    /// What mdadm left in front of the data of the fixture's members.
    const DATA: u64 = 128 << 10;
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/md/raid1-12.img.zst");
    let members = zstd::decode_all(File::open(packed).unwrap()).unwrap();
    let image = fs::read(file_system(directory.path(), 1 << 20, "both of us")).unwrap();
    let member = |(number, bytes): (usize, &[u8])| {
        let path = directory.path().join(format!("leg{number}"));
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().write_all_at(&image, DATA).unwrap();
        DiskFile::open(&path, BlockSize::B512)
    };
    let mut legs: Vec<_> = members.chunks(members.len() / 2).enumerate().map(member).collect();
    let block = image.chunks(512).position(|block| block.starts_with(b"both of us")).unwrap() as u64 + DATA / 512;
    legs[0] = Arc::new(Scratched { disk: Arc::clone(&legs[0]), block });
    let target = OwnTarget::tls(config(legs));
    let mount = FrMount::start(Place::new(), target.source());
    assert_eq!(fs::read_to_string(mount.only_volume().join("who")).unwrap(), "both of us");
    let told = || fr_mount(mount.place(), ["status"]).assert_ok().stdout().contains("disk 0 cannot be read everywhere");
    wait_until("the session tells of the disk", told);
    mount.stop();
}

#[test]
fn a_volume_group_without_one_of_its_disks_shows_what_it_can() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, LVM, LOSETUP]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let commands = "lvm lvcreate -y -an -Zn -Wn -n first -l 8 vg \"$1\"
                    lvm lvcreate -y -an -Zn -Wn -n second -l 8 vg \"$2\"";
    let disks = make(directory.path(), 2, 64 << 20, commands);
    let image = file_system(directory.path(), 8 * EXTENT, "first");
    lay_out(&image, &disks[..1], 0);
    let place = Place::new();
    let report: Report =
        fr_mount(&place, ["volumes".as_ref(), "--json".as_ref(), disks[0].as_os_str()]).assert_ok().json();
    assert_eq!(report.volume("spanning").position, "vg/first");
    assert_eq!(report.volume("spanning").health, "whole");
    assert_eq!(
        (report.volume("vg-second").health.as_str(), report.groups[0].health.as_str()),
        ("unreadable", "partial")
    );
    let tree = fr_mount(&place, ["volumes".as_ref(), disks[0].as_os_str()]);
    let tree = tree.assert_ok().stdout();
    assert!(tree.contains("missing") && tree.contains("vg/first") && tree.contains("[partial]"), "{tree}");
    let mount = FrMount::start(Place::new(), &disks[..1]);
    assert_eq!(fs::read_to_string(mount.volume("spanning").join("who")).unwrap(), "first");
    mount.stop();
}
