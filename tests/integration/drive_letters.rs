//! Two disks of a Windows through the mount: their drive letters, and links from one to the other.

use crate::support::fr_mount::{Place, fr_mount, shell};
use crate::support::ntfs_image::{NEEDS, NtfsImage};
use crate::support::{FrMount, Need, skip_unless};
use std::fs;
use std::path::{Path, PathBuf};

/// The registry that `tests/fixtures/registry/make.py` writes: C: is a GPT partition, D: one of an MBR disk.
const REGISTRY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/registry/SYSTEM.zst");
const SYSTEM_TABLE: &str = r"label: gpt\nstart=2048,size=65536,uuid=11111111-2222-3333-4444-555555555501";
const DATA_TABLE: &str = r"label: dos\nlabel-id: 0xdeadbeef\nstart=2048,size=65536,type=7";
const VOLUME_OF_D: &str = r"\??\Volume{0a1b2c3d-0000-1111-2222-333344445502}\";

/// The value of `system.ntfs_reparse_data` for a link to an absolute path, as setfattr takes it.
fn reparse_data(tag: u32, flags: &[u8], target: &str) -> String {
    let target: Vec<u8> = target.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = (target.len() as u16).to_le_bytes();
    let data = [&[0, 0][..], &length, &length, &[0, 0], flags, &target].concat();
    let header = [&tag.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), &[0, 0]].concat();
    format!("0x{}{}", hex::encode(header), hex::encode(data))
}

fn symlink(target: &str) -> String {
    reparse_data(0xA000_000C, &[0; 4], target)
}

fn junction(target: &str) -> String {
    reparse_data(0xA000_0003, &[], target)
}

/// A disk of 40 MiB with this table, and the file system in its one partition.
fn disk(directory: &Path, name: &str, table: &str, file_system: &NtfsImage) -> PathBuf {
    let path = directory.join(name);
    let script = format!(
        "PATH=$PATH:/usr/sbin:/sbin; truncate -s 40M {name}; printf '{table}\\n' | sfdisk --quiet {name}\n\
         dd if={} of={name} bs=1M seek=1 conv=notrunc,sparse status=none",
        file_system.path().display(),
    );
    shell(&script, directory);
    path
}

fn disks(directory: &Path) -> [PathBuf; 2] {
    let system = NtfsImage::empty(32, "System").change(|root| {
        let (file, volume) = (symlink(r"\??\d:\dir\file"), junction(VOLUME_OF_D));
        let (own, lost) = (junction(r"\??\C:\Windows"), symlink(r"\??\E:\x"));
        let script = format!(
            "mkdir -p Windows/System32/config links/volume links/own; zstd -q -d {REGISTRY} -o Windows/System32/config/SYSTEM\n\
             : > links/file; : > links/lost\n\
             setfattr -h -n system.ntfs_reparse_data -v {file} links/file\n\
             setfattr -h -n system.ntfs_reparse_data -v {volume} links/volume\n\
             setfattr -h -n system.ntfs_reparse_data -v {own} links/own\n\
             setfattr -h -n system.ntfs_reparse_data -v {lost} links/lost"
        );
        shell(&script, root);
    });
    let data = NtfsImage::empty(32, "").change(|root| shell("mkdir dir; echo content > dir/file", root));
    [disk(directory, "system.img", SYSTEM_TABLE, &system), disk(directory, "data.img", DATA_TABLE, &data)]
}

#[test]
fn volumes_have_the_drive_letters_of_their_windows_and_links_lead_to_them() {
    if !skip_unless(&[NEEDS, &[Need::SFDISK, Need::ZSTD]].concat()) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disks = disks(directory.path());
    let args = ["volumes", "--json"].into_iter().map(PathBuf::from).chain(disks.clone());
    let report: serde_json::Value = fr_mount(&Place::new(), args).assert_ok().json();
    let volumes = report["volumes"].as_array().unwrap();
    let found: Vec<_> = volumes.iter().map(|volume| (&volume["name"], &volume["drive_letters"])).collect();
    assert_eq!(found, [(&"System".into(), &["C:"][..].into()), (&"D".into(), &["D:"][..].into())]);

    let mount = FrMount::start(Place::new(), disks.clone());
    let links = mount.volume("System").join("links");
    assert_eq!(fs::read_link(links.join("file")).unwrap(), Path::new("../../D/dir/file"));
    assert_eq!(fs::read(links.join("file")).unwrap(), b"content\n");
    assert_eq!(fs::read(links.join("volume/dir/file")).unwrap(), b"content\n");
    assert!(links.join("own/System32").is_dir());
    assert_eq!(fs::read_link(links.join("lost")).unwrap(), Path::new("../.NTFS-3G/E:/x"));
    mount.stop();

    let place = Place::new();
    let alone = ["--volume", "System"].into_iter().map(PathBuf::from).chain(disks);
    let mount = FrMount::start(place, alone);
    let links = mount.volume("System").join("links");
    assert_eq!(fs::read_link(links.join("file")).unwrap(), Path::new("../.NTFS-3G/D:/dir/file"));
    assert!(links.join("own/System32").is_dir());
    mount.stop();
}
