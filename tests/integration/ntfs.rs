//! NTFS through the mount: names, streams and attributes as ntfs-3g shows them, on volumes that it made.

use crate::support::comparison::fixture;
use crate::support::fr_mount::{Place, fr_mount, shell, succeeds_as};
use crate::support::ntfs_image::{NEEDS, Ntfs3g};
use crate::support::process::{program, run};
use crate::support::report::Report;
use crate::support::{FrMount, Need, NtfsImage, skip_unless};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files of every kind that a mount shows in its own way.
const FILES: &str = "
mkdir Directory
echo content > Directory/File.txt
printf hidden > Directory/File.txt:stream
head -c 300000 /dev/urandom > Directory/File.txt:large
printf 'on a directory' > Directory:stream
setfattr -h -n system.ntfs_dos_name -v 'FILE~1.TXT' Directory/File.txt
ln Directory/File.txt Directory/Link.txt
setfattr -h -n system.ntfs_attrib_be -v 0x00000026 Directory/Link.txt
for number in $(seq 500); do : > Directory/entry-$number; done
setfattr -h -n system.ntfs_dos_name -v 'ENTRY~7' Directory/entry-7
truncate -s 3M sparse; printf end >> sparse
";

fn image() -> NtfsImage {
    NtfsImage::empty(32, "windows").change(|root| shell(FILES, root))
}

#[test]
fn streams_are_attributes_and_with_an_option_files() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let oracle = Ntfs3g::start(&image.path(), "ro,streams_interface=windows");
    let (small, large) = ("Directory/File.txt:stream", "Directory/File.txt:large");
    let expected = [small, large, "Directory:stream"].map(|path| fs::read(oracle.path().join(path)).unwrap());
    drop(oracle);
    let mount = FrMount::start(Place::new(), ["--streams".into(), image.path()]);
    let root = mount.only_volume();
    let found = [small, large, "Directory:stream"].map(|path| fs::read(root.join(path)).unwrap());
    assert!(found == expected, "streams differ");
    assert_eq!(fs::read(root.join("directory/file.TXT:STREAM")).unwrap(), b"hidden");
    assert!(!root.join("Directory/File.txt:other").exists());
    assert_ne!(fs::metadata(root.join(small)).unwrap().ino(), fs::metadata(root.join(large)).unwrap().ino());
    mount.stop();
    let mount = FrMount::start(Place::new(), [image.path()]);
    let root = mount.only_volume();
    assert!(!root.join(small).exists(), "a stream is a file without the option");
    assert_eq!(attribute(&root.join("Directory/File.txt"), "user.stream"), Some(b"hidden".to_vec()));
    assert_eq!(attribute(&root.join("Directory"), "user.stream"), Some(b"on a directory".to_vec()));
    let listed = names(&root.join("Directory/File.txt"));
    assert!(listed.contains(&"user.stream".to_owned()), "{listed:?}");
    // rsync leaves out a file with an attribute that it cannot read.
    assert!(!listed.contains(&"user.large".to_owned()), "{listed:?}");
    assert!(!listed.iter().any(|name| name.starts_with("system.")), "{listed:?}");
    let too_large = rustix::fs::lgetxattr(root.join("Directory/File.txt"), "user.large", &mut [0; 70_000]);
    assert_eq!(too_large.unwrap_err(), rustix::io::Errno::TOOBIG);
    mount.stop();
}

#[test]
fn names_are_found_in_any_case_and_short_ones_are_listed_on_request() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mount = FrMount::start(Place::new(), [image.path()]);
    let root = mount.only_volume();
    assert_eq!(fs::read(root.join("DIRECTORY/file.txt")).unwrap(), b"content\n");
    assert_eq!(fs::read(root.join("Directory/file~1.txt")).unwrap(), b"content\n");
    let listed = entries(&root.join("Directory"));
    assert_eq!((listed.len(), listed.contains(&"FILE~1.TXT".to_owned())), (502, false));
    let links = fs::metadata(root.join("Directory/File.txt")).unwrap().nlink();
    assert_eq!(links, 2, "short names are no links");
    mount.stop();
    let mount = FrMount::start(Place::new(), ["--short-names".into(), image.path()]);
    let listed = entries(&mount.only_volume().join("Directory"));
    assert_eq!((listed.len(), listed.contains(&"FILE~1.TXT".to_owned())), (504, true));
    mount.stop();
}

/// Attributes that ntfs-3g shows, and whether every file has one.
const ATTRIBUTES: &[&str] = &[
    "system.ntfs_acl",
    "system.ntfs_attrib",
    "system.ntfs_attrib_be",
    "system.ntfs_crtime",
    "system.ntfs_crtime_be",
    "system.ntfs_times",
    "system.ntfs_times_be",
    "system.ntfs_dos_name",
    "system.ntfs_object_id",
    "system.ntfs_reparse_data",
    "system.ntfs_ea",
    "system.ntfs_efsinfo",
];

#[test]
fn what_windows_records_of_a_file_is_what_ntfs_3g_shows() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image().change(|root| {
        shell(
            "setfattr -h -n system.ntfs_object_id -v 0x00112233445566778899aabbccddeeff sparse
            setfattr -h -n system.ntfs_object_id -v 0x0123456789abcdef0123456789abcdef00112233445566778899aabbccddeeff Directory",
            root,
        );
    });
    // Of files with several links ntfs-3g does not tell the short name.
    let paths = ["", "Directory", "Directory/entry-3", "Directory/entry-7", "sparse"];
    let seen = |root: &Path| {
        let each = |path: &&str| ATTRIBUTES.iter().map(|name| attribute(&root.join(path), name)).collect::<Vec<_>>();
        paths.iter().map(each).collect::<Vec<_>>()
    };
    let oracle = Ntfs3g::start(&image.path(), "ro,streams_interface=windows");
    let expected = seen(oracle.path());
    drop(oracle);
    let mount = FrMount::start(Place::new(), [image.path()]);
    let found = seen(&mount.only_volume());
    for (path, (expected, found)) in paths.iter().zip(expected.iter().zip(&found)) {
        for (name, (expected, found)) in ATTRIBUTES.iter().zip(expected.iter().zip(found)) {
            let shown = |value: &Option<Vec<u8>>| {
                value.as_ref().map(|value| String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned())
            };
            assert!(found == expected, "{name} of '{path}': {:?} instead of {:?}", shown(found), shown(expected));
        }
    }
    assert!(expected.iter().flatten().filter(|value| value.is_some()).count() > 35, "the oracle shows too little");
    mount.stop();
}

/// Descriptors of Windows, as `system.ntfs_acl` takes them: who owns, and whom the entries let in.
const DESCRIPTORS: &str = r#"
import os, struct, sys
def sid(*n): return struct.pack("BB6s", 1, len(n) - 1, n[0].to_bytes(6, "big")) + b"".join(struct.pack("<I", x) for x in n[1:])
everyone, admins, system = sid(1, 0), sid(5, 32, 544), sid(5, 18)
anna, ben = (sid(5, 21, 1, 2, 3, rid) for rid in (1101, 1102))
FULL, READ = 0x1F01FF, 0x120089
def ace(kind, mask, who): return struct.pack("<BBHI", kind, 0, 8 + len(who), mask) + who
def descriptor(owner, *aces):
    acl = struct.pack("<BBHHH", 2, 0, 8 + sum(map(len, aces)), len(aces), 0) + b"".join(aces)
    return struct.pack("<BBHIIII", 1, 0, 0x8004, 20 + len(acl), 20 + len(acl) + len(owner), 0, 20) + acl + owner + admins
for name, value in {
    "of-anna": descriptor(anna, ace(0, FULL, anna)),
    "of-anna-for-ben": descriptor(anna, ace(0, FULL, anna), ace(0, READ, ben)),
    "for-everyone": descriptor(admins, ace(0, FULL, admins), ace(0, READ, everyone)),
    "not-for-anna": descriptor(admins, ace(1, READ, anna), ace(0, FULL, admins), ace(0, READ, everyone)),
    "for-nobody": descriptor(system, ace(0, FULL, system)),
}.items():
    open(name, "w").write(name)
    os.setxattr(name, "system.ntfs_acl", value)
"#;

const ANNA: u32 = 61_001;
const BEN: u32 = 61_002;
const STRANGER: u32 = 61_003;

/// Which of three users can read what.
fn readers(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["of-anna", "of-anna-for-ben", "for-everyone", "not-for-anna", "for-nobody"] {
        for (user, who) in [(ANNA, "anna"), (BEN, "ben"), (STRANGER, "a stranger")] {
            if succeeds_as(user, "cat", &[root.join(name).as_os_str()]) {
                found.push(format!("{who} reads {name}"));
            }
        }
    }
    found
}

#[test]
fn descriptors_are_enforced_for_everybody_who_shares_the_mount() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = NtfsImage::empty(16, "acl").change(|root| {
        run(program("python3").args(["-c", DESCRIPTORS]).current_dir(root));
    });
    let place = Place::new();
    let mapping = place.path().join("UserMapping");
    fs::write(&mapping, "61001::S-1-5-21-1-2-3-1101\n61002::S-1-5-21-1-2-3-1102\n").unwrap();
    let mount = FrMount::start(place, ["--user-mapping".into(), mapping, image.path()]);
    let seen = readers(&mount.only_volume());
    let expected = [
        "anna reads of-anna",
        "anna reads of-anna-for-ben",
        "ben reads of-anna-for-ben",
        "anna reads for-everyone",
        "ben reads for-everyone",
        "a stranger reads for-everyone",
        "ben reads not-for-anna",
        "a stranger reads not-for-anna",
    ];
    assert_eq!(seen, expected);
    assert_eq!(fs::metadata(mount.only_volume().join("of-anna")).unwrap().uid(), ANNA);
    mount.stop();
    // Nobody here is a user of that domain: no file of theirs is anybody's.
    let mount = FrMount::start(Place::new(), [image.path()]);
    let seen = readers(&mount.only_volume());
    assert!(seen.iter().all(|line| line.ends_with("for-everyone") || line.ends_with("not-for-anna")), "{seen:?}");
    mount.stop();
    let mount = FrMount::start(Place::new(), ["--owner".into(), "61003:61003".into(), image.path()]);
    let root = mount.only_volume();
    let of_stranger = readers(&root).into_iter().filter(|line| line.starts_with("a stranger")).count();
    assert_eq!((of_stranger, fs::metadata(root.join("for-nobody")).unwrap().uid()), (5, STRANGER));
    mount.stop();
}

/// A volume with changes in its log that are not on the disk yet (src/ntfs/log/tests/end_to_end.rs says which).
fn in_use(directory: &Path) -> PathBuf {
    let (dictionary, disk) = (directory.join("upcase"), directory.join("disk.img"));
    let unpack = |name: &str, to: &Path, options: &[&OsStr]| {
        run(program("zstd").args(["-q", "-d"]).args(options).arg(fixture("ntfs").join(name)).arg("-o").arg(to));
    };
    unpack("upcase.zst", &dictionary, &[]);
    unpack("dirty-log/log-2.0.img.zst", &disk, &["-D".as_ref(), dictionary.as_os_str()]);
    disk
}

/// State and notices of the first volume.
fn told(image: &Path) -> (Vec<String>, String) {
    let report: Report = fr_mount(&Place::new(), ["volumes".as_ref(), "--json".as_ref(), image]).assert_ok().json();
    let volume = &report.volumes[0];
    (volume.file_system.as_ref().unwrap().state.clone(), volume.notices.join("; "))
}

#[test]
fn a_log_is_replayed_in_memory_unless_that_is_not_wanted_and_the_image_is_not_changed() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::ZSTD]) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let disk = in_use(scratch.path());
    let before = fs::read(&disk).unwrap();
    let (state, notices) = told(&disk);
    assert_eq!(state, ["journal-to-be-replayed"]);
    assert!(notices.contains("replayed in memory"), "{notices}");
    for (options, renamed) in [(&[][..], true), (&["--no-replay"], false)] {
        let args = options.iter().map(PathBuf::from).chain([disk.clone()]);
        let mount = FrMount::start(Place::new(), args);
        let root = mount.only_volume();
        assert_eq!((root.join("name-d.txt").exists(), root.join("name-c.txt").exists()), (renamed, !renamed));
        mount.stop();
    }
    assert!(fs::read(&disk).unwrap() == before, "the image was changed");
}

#[test]
fn a_volume_whose_windows_sleeps_is_mounted_and_it_is_said() {
    if !skip_unless(NEEDS) {
        return;
    }
    let asleep = |mark: &str| {
        NtfsImage::empty(16, "sleeps").change(|root| {
            fs::write(root.join("hiberfil.sys"), mark).unwrap();
            fs::write(root.join("file"), "content").unwrap();
        })
    };
    for mark in ["hibr", "HIBR"] {
        let image = asleep(mark);
        let (state, notices) = told(&image.path());
        assert_eq!(state, ["hibernated"]);
        assert!(notices.contains("hibernated") && notices.contains("fast start"), "{notices}");
        let mount = FrMount::start(Place::new(), [image.path()]);
        assert_eq!(fs::read(mount.only_volume().join("file")).unwrap(), b"content");
        mount.stop();
    }
    assert_eq!(told(&asleep("wake").path()), (vec!["clean".to_owned()], String::new()));
}

fn entries(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The value of an attribute; `None` where there is none.
fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 65_536];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}

/// The names that are listed.
fn names(path: &Path) -> Vec<String> {
    let mut list = vec![0; 65_536];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap();
    list[..length].split(|byte| *byte == 0).map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}
