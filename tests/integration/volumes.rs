//! `fr-mount volumes`: what file systems say of themselves, held against what `dumpe2fs -h` says of them.

use crate::support::fr_mount::{Place, shell};
use crate::support::process::{program, run};
use crate::support::report::{FileSystem, Report, Volume};
use crate::support::{Ext4Image, Need, fr_mount, skip_unless};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const NEEDS: &[Need] = &[Need::MKFS];

/// What `dumpe2fs -h` prints, by the name of the line.
struct Dumped(BTreeMap<String, String>);

impl Dumped {
    fn of(image: &Path) -> Self {
        // It fails where it understands less than the names of the features.
        let output =
            program("dumpe2fs").args(["-f", "-h"]).arg(image).env("TZ", "UTC").env("LC_ALL", "C").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self(text.lines().filter_map(line).collect())
    }

    #[track_caller]
    fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("dumpe2fs says no {name:?}: {:#?}", self.0))
    }

    /// The value, unless it is one of the ways to say that there is none.
    fn text(&self, name: &str) -> Option<String> {
        let value = self.get(name);
        (!["<none>", "<not available>", "n/a", "(none)"].contains(&value)).then(|| value.to_owned())
    }

    fn number(&self, name: &str) -> u32 {
        self.get(name).parse().unwrap()
    }

    /// A time in seconds since 1970.
    fn time(&self, name: &str) -> Option<i64> {
        let seconds = |time: &str| run(Command::new("date").args(["-u", "+%s", "-d", time]));
        self.text(name).map(|time| seconds(&time).trim().parse().unwrap())
    }

    fn features(&self) -> Option<Vec<&str>> {
        self.0
            .get("Filesystem features")
            .map(|features| features.split_whitespace().filter(|name| *name != "(none)").collect())
    }
}

/// Panics unless we say of this image what `dumpe2fs` says.
#[track_caller]
fn assert_described(image: &Path) -> FileSystem {
    let (report, dumped) = (report(&[image.to_owned()]), Dumped::of(image));
    let [volume] = <[Volume; 1]>::try_from(report.volumes).unwrap();
    let found = volume.file_system.expect("nothing is said of the file system");
    assert_eq!(Some(found.features.iter().map(String::as_str).collect()), dumped.features());
    assert_eq!(volume.label, dumped.text("Filesystem volume name"));
    assert_eq!(volume.uuid, dumped.text("Filesystem UUID"));
    assert!(found.has_history);
    assert_eq!(found.last_mount_path, dumped.text("Last mounted on"));
    assert_eq!(found.last_mount_at, dumped.time("Last mount time"));
    assert_eq!(found.last_write_at, dumped.time("Last write time"));
    assert_eq!(found.block_size, dumped.number("Block size"));
    assert_eq!(found.inode_size, dumped.0.get("Inode size").map_or(128, |size| size.parse().unwrap()));
    let says = |state: &str| found.state.iter().any(|found| found == state);
    assert_eq!(says("not-clean"), dumped.get("Filesystem state").starts_with("not clean"));
    assert_eq!(says("errors-recorded"), dumped.get("Filesystem state").ends_with("with errors"));
    assert_eq!(says("journal-to-be-replayed"), dumped.features().unwrap().contains(&"needs_recovery"));
    assert_eq!(says("clean"), found.state.len() == 1 && says("clean"));
    found
}

fn report(images: &[PathBuf]) -> Report {
    let args = ["volumes".as_ref(), "--json".as_ref()].into_iter().chain(images.iter().map(PathBuf::as_path));
    fr_mount(&Place::new(), args).assert_ok().json()
}

#[test]
fn file_systems_are_described_as_by_dumpe2fs_readable_or_not() {
    if !skip_unless(NEEDS) {
        return;
    }
    for options in [
        &["-L", "data", "-U", "5d37d7e4-0c1a-4a5c-8c85-d0a0f2a3f3e9"][..],
        &["-t", "ext2"],
        &["-t", "ext3", "-L", "sixteen bytes ok"],
        &["-r", "0", "-t", "ext2", "-O", "none"],
        &["-b", "4096", "-I", "512"],
        &["-O", "^metadata_csum,uninit_bg,^64bit,^resize_inode,meta_bg"],
        &["-O", "bigalloc,quota,project,mmp,inline_data,large_dir,ea_inode,metadata_csum_seed,sparse_super2"],
        &["-O", "orphan_file,fast_commit,stable_inodes,encrypt,verity"],
        &["-O", "casefold", "-E", "encoding=utf8", "-L", "unreadable"],
    ] {
        let image = Ext4Image::empty(16, options);
        let found = assert_described(&image.path());
        assert_eq!(found.state, ["clean"], "{options:?}");
    }
}

#[test]
fn what_a_system_left_behind_is_told() {
    if !skip_unless(&[Need::Root, Need::MKFS]) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "data"]);
    image.change(|root| shell("echo 1 > file", root));
    let mounted = assert_described(&image.path());
    assert!(mounted.last_mount_path.is_some() && mounted.last_mount_at > Some(1_700_000_000), "{mounted:?}");
    let state_after = |commands: &[&str]| {
        for command in commands {
            run(program("debugfs").args(["-w", "-R", command]).arg(image.path()));
        }
        assert_described(&image.path()).state
    };
    assert_eq!(state_after(&["set_super_value state 3"]), ["errors-recorded"]);
    assert_eq!(state_after(&["set_super_value state 0", "set_super_value last_orphan 12"]), ["not-clean", "orphans"]);
    let dirty = state_after(&["set_super_value state 1", "set_super_value last_orphan 0", "feature needs_recovery"]);
    assert_eq!(dirty, ["journal-to-be-replayed"]);
}

#[test]
fn every_feature_flag_has_the_name_that_e2fsprogs_gives_it() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(2, &["-O", "^metadata_csum,^64bit,^has_journal,^resize_inode"]);
    let base = fs::read(image.path()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let words = [("compat", 'C', 0x5C), ("incompat", 'I', 0x60), ("ro_compat", 'R', 0x64)];
    let flags: Vec<_> = words.into_iter().flat_map(|word| (0..u32::BITS).map(move |bit| (word, bit))).collect();
    let images: Vec<_> =
        flags.iter().map(|((name, _, _), bit)| directory.path().join(format!("{name}-{bit}"))).collect();
    for (((_, _, offset), bit), path) in flags.iter().zip(&images) {
        fs::write(path, &base).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        let at = 1024 + offset;
        let word = u32::from_le_bytes(base[at..at + 4].try_into().unwrap()) | 1 << bit;
        file.write_all_at(&word.to_le_bytes(), at as u64).unwrap();
    }
    let mut compared = 0;
    for ((((name, letter, _), bit), path), volume) in flags.iter().zip(&images).zip(report(&images).volumes) {
        // What it does not name it calls by the number of the bit.
        let nameless = format!("FEATURE_{letter}{bit}");
        let hexadecimal = format!("{name}:{:#x}", 1_u32 << bit);
        let dumped = Dumped::of(path);
        if let (Some(expected), Some(found)) = (dumped.features(), volume.file_system) {
            let expected: Vec<_> =
                expected.into_iter().map(|name| if name == nameless { &hexadecimal } else { name }).collect();
            assert_eq!(found.features, expected, "{name} {bit}");
            compared += 1;
        }
    }
    // 64bit and metadata_csum contradict the rest of the superblock; what is a journal_dev is no file system.
    assert!(compared >= 93, "only {compared} were compared");
}

#[test]
fn people_see_it_when_they_ask_for_it() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "data"]);
    let said = |options: &[&str]| {
        let args = ["volumes".as_ref()].into_iter().chain(options.iter().map(Path::new)).map(Path::to_owned);
        fr_mount(&Place::new(), args.chain([image.path()])).assert_ok().stdout().to_owned()
    };
    let (brief, verbose) = (said(&[]), said(&["-v"]));
    assert!(!brief.contains("metadata_csum") && verbose.starts_with(brief.trim_end()), "{brief}\n{verbose}");
    for part in ["\ndata:\n", "state            clean\n", "last mount       never\n", "256 bytes\n", " metadata_csum"] {
        assert!(verbose.contains(part), "{part:?} is not in {verbose}");
    }
    assert_eq!(said(&["--verbose"]), verbose);
}

#[test]
fn a_file_system_on_a_whole_disk_wins_over_a_table_that_was_left_in_front_of_it() {
    if !skip_unless(&[Need::MKFS]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str, size: &str| {
        let image = directory.path().join(format!("{name}.img"));
        run(program("mkfs.ext4").args(["-q", "-L", name]).arg(&image).arg(size));
        image
    };
    let (image, part) = (make("whole", "64M"), make("part", "16M"));
    let disk = File::options().write(true).open(&image).unwrap();
    // One Linux partition, from 1 MiB on.
    disk.write_all_at(&[0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0], 450).unwrap();
    disk.write_all_at(&[0x55, 0xAA], 510).unwrap();
    let list = || -> Report {
        fr_mount(&Place::new(), ["volumes".as_ref(), "--json".as_ref(), image.as_os_str()]).assert_ok().json()
    };
    let report = list();
    assert_eq!(report.volumes.len(), 1, "{report:#?}");
    assert_eq!((report.volume("whole").position.as_str(), report.disks[0].table.as_str()), ("0", "MBR"));
    assert!(report.notices[0].contains("left over"), "{:?}", report.notices);
    // Where the partition holds something, it is the table that is right.
    disk.write_all_at(&fs::read(part).unwrap(), 1 << 20).unwrap();
    let report = list();
    assert_eq!(report.volumes.iter().map(|volume| volume.position.as_str()).collect::<Vec<_>>(), ["0:1"]);
}
