//! A hive that hivex wrote (`tests/fixtures/registry/make.py`), whole and in pieces.

use super::*;
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::LazyLock;
use uuid::uuid;
use vfs::{Acl, Attr, Cursor, DirEntry, Error, FsInfo, Segment, Space, Timestamp};

static SYSTEM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let packed = include_bytes!("../../../tests/fixtures/registry/SYSTEM.zst");
    zstd::decode_all(&packed[..]).unwrap()
});

fn read_in(hive: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let rest = hive.get(offset as usize..).unwrap_or_default();
    let length = rest.len().min(buf.len());
    buf[..length].copy_from_slice(&rest[..length]);
    length
}

fn read(hive: &[u8]) -> Result<MountedDevices> {
    MountedDevices::read(&|offset, buf| Ok(read_in(hive, offset, buf)))
}

/// What `make.py` put into the hive.
fn expected() -> MountedDevices {
    let system = Partition::Gpt(uuid!("11111111-2222-3333-4444-555555555501"));
    let data = Partition::Mbr { disk_signature: 0xDEAD_BEEF, start: 1 << 20 };
    let other = Partition::Gpt(uuid!("11111111-2222-3333-4444-555555555503"));
    let guid = |number: u8| {
        let mut bytes = uuid!("0a1b2c3d-0000-1111-2222-333344445500").into_bytes();
        bytes[15] = number;
        Uuid::from_bytes(bytes)
    };
    MountedDevices {
        drives: vec![('C', system), ('D', data)],
        volumes: vec![(guid(1), system), (guid(2), data), (guid(3), other)],
    }
}

#[test]
fn drive_letters_and_volumes_of_gpt_and_mbr_disks_are_found_and_others_left_out() {
    assert_eq!(read(&SYSTEM).unwrap(), expected());
}

#[test]
fn names_of_values_are_told_apart() {
    assert_eq!(drive(r"\DosDevices\d:"), Some('D'));
    assert_eq!(drive(r"\dosdevices\Z:"), Some('Z'));
    for other in
        [r"\DosDevices\", r"\DosDevices\:", r"\DosDevices\CD:", r"\DosDevices\C", r"\DosDevices\1:", r"\DosDevices\ö:"]
    {
        assert_eq!(drive(other), None, "{other}");
    }
    assert!(volume(r"\??\Volume{0a1b2c3d-0000-1111-2222-333344445501}").is_some());
    for other in
        [r"\??\Volume{}", r"\??\Volume{0a1b2c3d00001111222233334444550}", "#{0a1b2c3d-0000-1111-2222-333344445505}"]
    {
        assert_eq!(volume(other), None, "{other}");
    }
}

#[test]
fn a_hive_that_is_cut_short_or_is_none_is_an_error() {
    for length in [0, 100, 511, 4096, 4100, 5000] {
        assert_eq!(read(&SYSTEM[..length]).unwrap_err().kind, ErrorKind::Corrupt, "{length}");
    }
    let mut damaged = SYSTEM.clone();
    damaged[0x24] ^= 1;
    let error = read(&damaged).unwrap_err();
    assert!(error.message.contains("checksum"), "{error}");
}

/// Changes a number of the base block and makes its checksum right again.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut hive = SYSTEM.clone();
    hive[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = hive[..508].chunks(4).fold(0, |sum, word| sum ^ u32::from_le_bytes(word.try_into().unwrap()));
    hive[508..512].copy_from_slice(&sum.to_le_bytes());
    hive
}

#[test]
fn a_root_outside_the_hive_is_damage() {
    for root in [0xFFFF_FFFF_u32, 0x7FFF_FFF0, 0x1F00, 0x2000, 0] {
        let error = read(&patched(0x24, &root.to_le_bytes())).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{root:#x}");
    }
}

/// A file system with the directories of a path and a file at its end.
struct OnePath {
    path: Vec<&'static str>,
    hive: Vec<u8>,
}

impl FileSystem for OnePath {
    fn info(&self) -> FsInfo {
        FsInfo { format: "ntfs", label: None, uuid: None, block_size: 4096, name_bytes_max: 255, notices: Vec::new() }
    }

    fn space(&self) -> Space {
        Space::default()
    }

    fn root(&self) -> NodeId {
        NodeId(0)
    }

    fn lookup(&self, dir: NodeId, name: &[u8]) -> Result<NodeId> {
        let child = self.path.get(dir.0 as usize).filter(|child| child.as_bytes() == name);
        child.map(|_| NodeId(dir.0 + 1)).ok_or_else(|| Error::new(ErrorKind::NotFound, "not there"))
    }

    fn attr(&self, node: NodeId) -> Result<Attr> {
        let is_last = node.0 as usize == self.path.len();
        let time = Timestamp::default();
        Ok(Attr {
            file_type: if is_last { FileType::Regular } else { FileType::Directory },
            permissions: 0o644,
            links: 1,
            uid: 0,
            gid: 0,
            size: self.hive.len() as u64,
            allocated: 0,
            accessed: time,
            modified: time,
            changed: time,
            created: None,
            device: None,
        })
    }

    fn read_dir(&self, _: NodeId, _: Cursor, _: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        Ok(())
    }

    fn read_link(&self, _: NodeId) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::WrongType, "no link"))
    }

    fn read_at(&self, _: NodeId, _: Stream<'_>, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(read_in(&self.hive, offset, buf))
    }

    fn segment(&self, _: NodeId, _: u64) -> Result<Segment> {
        Err(Error::new(ErrorKind::NotFound, "no segments"))
    }

    fn xattrs(&self, _: NodeId) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    fn acl(&self, _: NodeId) -> Result<Acl> {
        Ok(Acl::default())
    }
}

#[test]
fn a_windows_is_found_by_its_registry() {
    let at = |path: &[&'static str]| OnePath { path: path.to_vec(), hive: SYSTEM.clone() };
    for directory in ["Windows", "WINNT"] {
        let found = MountedDevices::find(&at(&[directory, "System32", "config", "SYSTEM"])).unwrap();
        assert_eq!(found, Some(expected()));
    }
    for other in [&["Windows", "System32", "config"][..], &["Windows"], &["bin", "System32", "config", "SYSTEM"], &[]] {
        assert_eq!(MountedDevices::find(&at(other)).unwrap(), None, "{other:?}");
    }
    let directory = at(&["Windows", "System32", "config", "SYSTEM", "more"]);
    assert_eq!(MountedDevices::find(&directory).unwrap(), None);
    let damaged = OnePath { hive: vec![0; 8192], ..at(&["Windows", "System32", "config", "SYSTEM"]) };
    assert_eq!(MountedDevices::find(&damaged).unwrap_err().kind, ErrorKind::Corrupt);
}

proptest! {
    #[test]
    fn a_hive_with_changed_bytes_gives_an_answer_or_an_error(
        changes in proptest::collection::vec((0_usize..12_288, prop_oneof![Just(0), Just(0xFF), any::<u8>()]), 1..8)
    ) {
        let mut hive = SYSTEM.clone();
        for (at, byte) in changes {
            hive[if at < 512 { 0x24 + at % 8 } else { at }] = byte;
        }
        let sum = hive[..508].chunks(4).fold(0, |sum, word| sum ^ u32::from_le_bytes(word.try_into().unwrap()));
        hive[508..512].copy_from_slice(&sum.to_le_bytes());
        if let Ok(found) = read(&hive) {
            prop_assert!(found.drives.len() + found.volumes.len() <= 9);
        }
    }
}
