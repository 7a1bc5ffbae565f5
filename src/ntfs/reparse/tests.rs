//! Reparse points as Windows, WSL, Windows' NFS server and ntfs-3g write them.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const GUID: Uuid = uuid::uuid!("0a1b2c3d-0000-1111-2222-333344445555");

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn point(tag: Tag, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&tag.0.to_le_bytes()[..], &length.to_le_bytes(), &[0; 2], data].concat()
}

fn names(substitute: &str, print: &str, flags: &[u8]) -> Vec<u8> {
    let (substitute, print) = (utf16(substitute), utf16(print));
    let lengths = [0, substitute.len(), substitute.len(), print.len()].map(|length| (length as u16).to_le_bytes());
    [&lengths.concat()[..], flags, &substitute, &print].concat()
}

fn symlink_to(target: &str, is_relative: bool) -> Reparse {
    let flags = u32::from(is_relative).to_le_bytes();
    Reparse::parse(&point(Tag::SYMLINK, &names(target, "shown", &flags))).unwrap()
}

fn junction_to(target: &str) -> Reparse {
    Reparse::parse(&point(Tag::MOUNT_POINT, &names(target, "", &[]))).unwrap()
}

/// C: is the link's own volume, D: and a volume by its GUID are others.
fn volumes() -> VolumeMap {
    let map = VolumeMap::default();
    map.set(VolumePlaces {
        drives: HashMap::from([('C', Vec::new()), ('D', b"../data".to_vec())]),
        volumes: HashMap::from([(GUID, b"../logs".to_vec())]),
    });
    map
}

fn target_at(reparse: &Reparse, depth: usize) -> String {
    String::from_utf8(target(reparse, Place { depth, volumes: &volumes() }).unwrap()).unwrap()
}

#[test]
fn absolute_links_lead_to_the_volumes_that_were_recovered() {
    assert_eq!(target_at(&symlink_to(r"\??\C:\Users\x", false), 2), "../../Users/x");
    assert_eq!(target_at(&symlink_to(r"\??\c:\", false), 0), ".");
    assert_eq!(target_at(&symlink_to(r"\??\D:\", false), 0), "../data");
    assert_eq!(target_at(&junction_to(r"\??\d:\Profiles\y"), 1), "../../data/Profiles/y");
    assert_eq!(target_at(&junction_to(&format!(r"\??\Volume{{{GUID}}}\")), 1), "../../logs");
}

#[test]
fn links_to_what_was_not_recovered_dangle_and_tell_their_target() {
    assert_eq!(target_at(&symlink_to(r"\??\e:\x", false), 1), "../.NTFS-3G/E:/x");
    assert_eq!(target_at(&symlink_to(r"\\server\share\x", false), 0), ".NTFS-3G/UNC/server/share/x");
    assert_eq!(target_at(&symlink_to(r"\??\UNC\server\share\x", false), 0), ".NTFS-3G/UNC/server/share/x");
    assert_eq!(target_at(&junction_to(r"\Device\HarddiskVolume2\x"), 0), ".NTFS-3G/Device/HarddiskVolume2/x");
    let nobody = VolumeMap::default();
    let unknown =
        target(&junction_to(&format!(r"\??\Volume{{{GUID}}}\")), Place { depth: 0, volumes: &nobody }).unwrap();
    assert_eq!(unknown, format!(".NTFS-3G/Volume{{{GUID}}}").into_bytes());
}

#[test]
fn relative_links_stay_in_their_volume() {
    assert_eq!(target_at(&symlink_to("one", true), 1), "one");
    assert_eq!(target_at(&symlink_to(r"..\plain\f4096", true), 1), "../plain/f4096");
    assert_eq!(target_at(&symlink_to(r"..\..\..\etc\passwd", true), 1), "../etc/passwd");
    assert_eq!(target_at(&symlink_to(r"a\..\..\b", true), 3), "../b");
    assert_eq!(target_at(&symlink_to(r"\Windows\x", true), 2), "../../Windows/x");
    assert_eq!(target_at(&symlink_to(".", true), 2), ".");
}

#[test]
fn names_in_targets_are_mapped_as_names_of_files() {
    assert_eq!(target_at(&symlink_to("a/b\\c", true), 0), "a\u{F02F}b/c");
    let lone = [0x61, 0xD800].iter().flat_map(|unit: &u16| unit.to_le_bytes()).collect::<Vec<_>>();
    let data = [&0_u16.to_le_bytes()[..], &4_u16.to_le_bytes(), &[0; 4], &1_u32.to_le_bytes(), &lone].concat();
    let link = Reparse::parse(&point(Tag::SYMLINK, &data)).unwrap();
    assert_eq!(target(&link, Place { depth: 0, volumes: &volumes() }).unwrap(), b"a\xED\xA0\x80");
}

#[test]
fn a_target_that_linux_cannot_take_is_refused() {
    let long = symlink_to(&"x\\".repeat(3000), true);
    let error = target(&long, Place { depth: 0, volumes: &volumes() }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge);
}

#[test]
fn links_with_paths_of_unix_are_shown_as_they_are() {
    let lx = Reparse::parse(&point(Tag::LX_SYMLINK, b"\x02\0\0\0/mnt/c/../x")).unwrap();
    assert_eq!(target_at(&lx, 1), "/mnt/c/../x");
    let nfs = Reparse::parse(&point(Tag::NFS, &[b"LNK\x01\0\0\0\0", &utf16("../é/b")[..]].concat())).unwrap();
    assert_eq!(target_at(&nfs, 0), "../é/b");
}

#[test]
fn special_files_of_wsl_and_nfs_are_what_they_were() {
    let special = |value: &[u8]| match Reparse::parse(value).unwrap().shown(false, 0) {
        Shown::Special(file_type, device) => (file_type, device),
        other => panic!("{other:?}"),
    };
    assert_eq!(special(&point(Tag::AF_UNIX, &[])), (FileType::Socket, None));
    assert_eq!(special(&point(Tag::LX_FIFO, &[])), (FileType::Fifo, None));
    assert_eq!(special(&point(Tag::LX_CHR, &[])), (FileType::CharDevice, None));
    assert_eq!(special(&point(Tag::LX_BLK, &[])), (FileType::BlockDevice, None));
    let nfs = |kind: &[u8; 8], rest: &[u8]| special(&point(Tag::NFS, &[&kind[..], rest].concat()));
    let numbers = [8, 0, 0, 0, 1, 0, 0, 0];
    let sda1 = Some(Device { major: 8, minor: 1 });
    assert_eq!(nfs(b"BLK\0\0\0\0\0", &numbers), (FileType::BlockDevice, sda1));
    assert_eq!(nfs(b"CHR\0\0\0\0\0", &numbers), (FileType::CharDevice, sda1));
    assert_eq!(nfs(b"FIFO\0\0\0\0", &[]), (FileType::Fifo, None));
    assert_eq!(nfs(b"SOCK\0\0\0\0", &[]), (FileType::Socket, None));
}

#[test]
fn what_starts_an_app_is_a_link_to_its_program() {
    let texts = "Vendor.App_1\0Vendor.App_1!App\0C:\\Program Files\\WindowsApps\\App\\app.exe\x000\0";
    let data = [&3_u32.to_le_bytes()[..], &utf16(texts)].concat();
    let link = Reparse::parse(&point(Tag::APP_EXEC_LINK, &data)).unwrap();
    assert_eq!(target_at(&link, 4), "../../../../Program Files/WindowsApps/App/app.exe");
    let Reparse::AppExecLink { package, entry_point, .. } = link else { panic!() };
    assert_eq!((package, entry_point), (units("Vendor.App_1"), units("Vendor.App_1!App")));
}

fn refusal_of(value: &[u8], attributes: u32) -> Option<String> {
    match Reparse::parse(value).unwrap().shown(false, attributes) {
        Shown::Refused(error) => Some(error.message),
        _ => None,
    }
}

#[test]
fn content_that_is_elsewhere_is_refused_by_name() {
    for (tag, what) in [
        (0x8000_0013, "deduplication"),
        (0xC000_0004, "hierarchical storage"),
        (0x8000_0006, "hierarchical storage"),
        (0x8000_0007, "single-instance"),
        (0x8000_0018, "container"),
        (0x8000_7777, "0x80007777"),
    ] {
        let message = refusal_of(&point(Tag(tag), b"x"), 0).unwrap();
        assert!(message.contains(what), "{tag:#x}: {message}");
    }
    let others =
        [&0x0000_1234_u32.to_le_bytes()[..], &1_u16.to_le_bytes(), &[0; 2], &GUID.to_bytes_le(), b"x"].concat();
    let message = refusal_of(&others, 0).unwrap();
    assert!(message.contains("0x00001234") && message.contains(&GUID.to_string()), "{message}");
}

#[test]
fn a_placeholder_is_read_only_when_all_of_it_is_here() {
    const UNPINNED: u32 = 0x10_0000;
    for tag in [0x9000_001A, 0x9000_601A, 0x9000_F01A, 0x8000_0021, 0x8000_001E, 0x9000_001C] {
        let value = point(Tag(tag), b"x");
        assert_eq!(refusal_of(&value, 0x20 | UNPINNED), None);
        for fetched in [0x1000, 0x4_0000, 0x40_0000] {
            assert!(refusal_of(&value, fetched).unwrap().contains("cloud"), "{tag:#x} {fetched:#x}");
        }
    }
}

#[test]
fn directories_with_any_tag_show_their_entries() {
    for tag in [0x9000_001A, 0x8000_0013, 0x8000_7777] {
        let reparse = Reparse::parse(&point(Tag(tag), b"x")).unwrap();
        let shown = reparse.shown(true, 0x40_0000);
        assert!(matches!(shown, Shown::AsItIs), "{tag:#x}");
    }
    assert!(matches!(junction_to(r"\??\C:\x").shown(true, 0), Shown::Symlink));
}

#[test]
fn damage_is_damage() {
    let good = point(Tag::SYMLINK, &names("one", "one", &[1, 0, 0, 0]));
    assert!(Reparse::parse(&good).is_ok());
    let mut samples = vec![Vec::new(), good[..7].to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    samples.push(point(Tag::SYMLINK, &names("", "one", &[1, 0, 0, 0])));
    samples.push(point(Tag::SYMLINK, &[0xFF; 20]));
    samples.push(point(Tag::LX_SYMLINK, b"\x03\0\0\0x"));
    samples.push(point(Tag::LX_SYMLINK, b"\x02\0\0\0a\0"));
    samples.push(point(Tag::NFS, b"LNK\x01\0\0\0\0a"));
    samples.push(point(Tag::NFS, b"WHAT\0\0\0\0"));
    samples.push(point(Tag::APP_EXEC_LINK, b"\x03\0\0\0a\0"));
    samples.push(point(Tag(0x1234), b"no GUID"));
    for sample in samples {
        assert_eq!(Reparse::parse(&sample).unwrap_err().kind, ErrorKind::Corrupt, "{sample:x?}");
    }
}

fn any_point() -> impl Strategy<Value = Vec<u8>> {
    let tags = [Tag::SYMLINK, Tag::MOUNT_POINT, Tag::LX_SYMLINK, Tag::NFS, Tag::APP_EXEC_LINK, Tag::WOF, Tag(0x1234)];
    let data = proptest::collection::vec(prop_oneof![Just(0_u8), Just(b'\\'), Just(b'.'), any::<u8>()], 0..80);
    (proptest::sample::select(tags.to_vec()), data).prop_map(|(tag, data)| point(tag, &data))
}

proptest! {
    #[test]
    fn whatever_a_link_holds_its_target_is_a_path_that_stays_inside(value in any_point(), depth in 0_usize..4) {
        let Ok(reparse) = Reparse::parse(&value) else { return Ok(()) };
        let Ok(target) = target(&reparse, Place { depth, volumes: &volumes() }) else { return Ok(()) };
        prop_assert!(!target.is_empty() && !target.contains(&0));
        if matches!(reparse, Reparse::Symlink { .. } | Reparse::MountPoint { .. } | Reparse::AppExecLink { .. }) {
            let ups = target.split(|byte| *byte == b'/').filter(|part| part == b"..").count();
            let leaves = target.split(|byte| *byte == b'/').any(|part| part == b"data" || part == b"logs");
            prop_assert!(!target.starts_with(b"/") && ups <= depth + usize::from(leaves));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(value in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(reparse) = Reparse::parse(&value) {
            let _ = reparse.shown(false, 0);
        }
    }
}
