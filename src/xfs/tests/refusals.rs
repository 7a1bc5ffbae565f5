//! What is refused, by name and with advice; and what a description says of it all the same.

use super::disk::Disk;
use super::fixture;
use super::tree;
use crate::{OpenOptions, Xfs, describe};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::sync::{Arc, LazyLock};
use vfs::{Error, ErrorKind, State};

static DEFAULT: LazyLock<Arc<Vec<u8>>> = LazyLock::new(|| Arc::new(fixture::image("default")));
const SECTOR: usize = 512;
const CRC: usize = 224;
const INCOMPAT: usize = 216;

/// The image with these bytes in its superblock, whose checksum is right.
fn changed(patches: &[(usize, &[u8])]) -> Arc<dyn ReadAt> {
    let mut sector = DEFAULT[..SECTOR].to_vec();
    for (at, bytes) in patches {
        sector[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    sector[CRC..CRC + 4].fill(0);
    let sum = crc32c::crc32c(&sector);
    sector[CRC..CRC + 4].copy_from_slice(&sum.to_le_bytes());
    Arc::new(Disk::new(&DEFAULT).with(0, sector))
}

fn refused(patches: &[(usize, &[u8])]) -> Error {
    Xfs::open(changed(patches)).err().expect("it was opened")
}

/// The image's own incompatible features and these.
fn incompat(more: u32) -> [u8; 4] {
    let own = u32::from_be_bytes(DEFAULT[INCOMPAT..INCOMPAT + 4].try_into().unwrap());
    (own | more).to_be_bytes()
}

#[test]
fn unknown_incompatible_features_are_refused_by_name_and_still_described() {
    let patch = incompat(0x8000_0800);
    let error = refused(&[(INCOMPAT, &patch)]);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("incompatible feature 0x800, incompatible feature 0x80000000"), "{error}");
    let description = describe(changed(&[(INCOMPAT, &patch)]).as_ref()).unwrap();
    assert!(description.features.contains(&"incompat:0x800".to_owned()), "{:?}", description.features);
    assert_eq!((description.block_size, description.inode_size), (4096, 512));
}

#[test]
fn a_file_system_in_need_of_repair_is_refused_with_advice() {
    let patch = incompat(0x10);
    let error = refused(&[(INCOMPAT, &patch)]);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    for part in ["needsrepair", "xfs_repair", "copy"] {
        assert!(error.message.contains(part), "{part:?} is not in {error}");
    }
    assert_eq!(describe(changed(&[(INCOMPAT, &patch)]).as_ref()).unwrap().state, [State::ErrorsRecorded]);
}

#[test]
fn unknown_features_that_only_writers_must_know_are_no_hindrance() {
    let ro_compat = 212;
    let own = u32::from_be_bytes(DEFAULT[ro_compat..ro_compat + 4].try_into().unwrap());
    Xfs::open(changed(&[(ro_compat, &(own | 0x4000_0000).to_be_bytes()), (208, &[0, 0, 0, 8])])).unwrap();
}

#[test]
fn impossible_geometry_is_damage() {
    const BLOCK_SIZE: usize = 4;
    const DBLOCKS: usize = 8;
    const ROOT: usize = 56;
    const AG_BLOCKS: usize = 84;
    const VERSION: usize = 100;
    let cases: &[(usize, &[u8])] = &[
        (BLOCK_SIZE, &[0, 0, 0x20, 0]),
        (120, &[20]),
        (122, &[30]),
        (DBLOCKS, &[0; 8]),
        (DBLOCKS, &[0x7F; 8]),
        (ROOT, &[0; 8]),
        (ROOT, &[0xFF; 8]),
        (AG_BLOCKS, &[0; 4]),
        (AG_BLOCKS, &[0xFF; 4]),
        (124, &[63]),
        (126, &[1]),
        (192, &[9]),
    ];
    for patch in cases {
        let error = refused(&[*patch]);
        assert_eq!(error.kind, ErrorKind::Corrupt, "{patch:?}: {error}");
    }
    for version in [[0xB4, 0xA3], [0xB4, 0xA6]] {
        assert_eq!(refused(&[(VERSION, &version)]).kind, ErrorKind::Unsupported, "{version:?}");
    }
    let wrong_sum = Arc::new(Disk::new(&DEFAULT).with(300, [1]));
    assert!(Xfs::open(wrong_sum).err().unwrap().message.contains("checksum"));
}

#[test]
fn a_volume_that_holds_no_log_is_not_taken_for_one_that_is_empty() {
    let image = fixture::image("external-log");
    let disk = |bytes| -> Arc<dyn ReadAt> { Arc::new(MemoryDisk::new(bytes, BlockSize::B512)) };
    let (zeros, data) = (disk(vec![0; image.len()]), disk(image));
    for log in [zeros, Arc::clone(&data)] {
        let error = Xfs::open_with(&data, &OpenOptions { log: Some(log), ..OpenOptions::default() }).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        for part in ["holds no log of XFS", "--no-replay"] {
            assert!(error.message.contains(part), "{part:?} is not in {error}");
        }
    }
}

/// Without checksums, as in version 4, nothing else tells that a key is damaged: what it leads past would read as a hole.
#[test]
fn a_key_that_is_not_the_first_below_it_is_damage_and_no_hole() {
    use vfs::{FileSystem, NodeId, Stream};
    const INODE: usize = 512;
    let image = fixture::image("default");
    let is_tree = |inode: &&[u8]| inode.starts_with(b"IN") && inode[2] >> 4 == 8 && inode[4..6] == [3, 3];
    let mut seen = 0;
    for inode in image.chunks_exact(INODE).filter(is_tree) {
        let number = NodeId(u64::from_be_bytes(inode[152..160].try_into().unwrap()));
        let keys = usize::from(u16::from_be_bytes(inode[178..180].try_into().unwrap()));
        let at = (inode.as_ptr() as usize) - (image.as_ptr() as usize);
        for key in 0..keys {
            let place = 180 + key * 8;
            let first = u64::from_be_bytes(inode[place..place + 8].try_into().unwrap());
            let mut changed = inode.to_vec();
            changed[place..place + 8].copy_from_slice(&(first + 1).to_be_bytes());
            changed[100..104].fill(0);
            let sum = crc32c::crc32c(&changed);
            changed[100..104].copy_from_slice(&sum.to_le_bytes());
            let mut bytes = image.clone();
            bytes[at..at + INODE].copy_from_slice(&changed);
            let fs = Xfs::open(Arc::new(MemoryDisk::new(bytes, BlockSize::B512))).unwrap();
            if let Ok(attr) = fs.attr(number) {
                let mut all = vec![0; usize::try_from(attr.size).unwrap().min(64 << 20)];
                let error = fs.read_at(number, Stream::Main, 0, &mut all).unwrap_err();
                assert!(error.message.contains("the key above it"), "{error}");
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "there is no tree in the image");
}

#[test]
fn a_realtime_device_that_is_too_small_is_refused() {
    let disk = |bytes| -> Arc<dyn ReadAt> { Arc::new(MemoryDisk::new(bytes, BlockSize::B512)) };
    let options = OpenOptions { realtime: Some(disk(vec![0; 4096])), ..OpenOptions::default() };
    let error = Xfs::open_with(&disk(fixture::image("realtime")), &options).err().unwrap();
    assert!(error.message.contains("not the right one"), "{error}");
}

#[test]
fn data_on_a_realtime_device_that_is_not_there_is_an_error_on_its_files_alone() {
    use vfs::{FileSystem, FileType, Stream};
    let disk: Arc<dyn ReadAt> = Arc::new(Disk::new(&Arc::new(fixture::image("rtgroups"))));
    let fs = Xfs::open_with(&disk, &OpenOptions::default()).unwrap();
    let whole = fixture::open("rtgroups", true).unwrap();
    let (mut read, mut refused) = (0, 0);
    tree::each(&fs, &mut |_, node| {
        if fs.attr(node)?.file_type != FileType::Regular {
            return Ok(());
        }
        let (mut ours, mut all) = ([1; 4096], [2; 4096]);
        match fs.read_at(node, Stream::Main, 0, &mut ours) {
            Ok(length) => {
                assert_eq!(whole.read_at(node, Stream::Main, 0, &mut all).unwrap(), length);
                assert_eq!(ours[..length], all[..length]);
                read += 1;
            }
            Err(error) => {
                assert!(error.message.contains("realtime device"), "{error}");
                refused += 1;
            }
        }
        Ok(())
    })
    .unwrap();
    assert!(read > 10 && refused > 10, "{read} read, {refused} refused");
}

#[test]
fn a_leaf_that_lost_an_extent_is_noticed_also_without_checksums() {
    use crate::fork::Fork;
    use vfs::FileSystem;
    let image = Arc::new(fixture::image("dirty/v4-512"));
    let fs = Xfs::open(Arc::new(Disk::new(&image))).unwrap();
    let mut found = None;
    tree::each(&fs, &mut |_, node| {
        let inode = fs.inode(node)?;
        if let Fork::Tree(root) = &inode.data
            && root.level == 1
            && !inode.is_directory()
        {
            found = Some((node, inode.attr.size, *root.pointers.last().unwrap()));
        }
        Ok(())
    })
    .unwrap();
    let (node, size, block) = found.expect("no file has a tree of extents");
    let at = fs.device.superblock.block_address(block, 1).unwrap() + 6;
    let mut count = [0; 2];
    fs.device.read(at, &mut count).unwrap();
    let fewer = (u16::from_be_bytes(count) - 1).to_be_bytes();
    let damaged = Xfs::open_with(
        &(Arc::new(Disk::new(&image).with(at, fewer)) as Arc<dyn ReadAt>),
        &OpenOptions { replay: false, ..OpenOptions::default() },
    );
    let error = damaged.unwrap().segment(node, size - 1).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("extents"), "{error}");
}

#[test]
fn damaged_headers_of_groups_count_nothing() {
    use vfs::FileSystem;
    let sound = Xfs::open(Arc::new(Disk::new(&DEFAULT))).unwrap().space();
    let free_blocks = SECTOR as u64 + 52;
    let btree_blocks = SECTOR as u64 + 60;
    for at in [free_blocks, btree_blocks] {
        let fs = Xfs::open(Arc::new(Disk::new(&DEFAULT).with(at, [0, 0, 9, 9]))).unwrap();
        assert_eq!((fs.space().blocks_free, fs.space().inodes_free), (sound.blocks_free, sound.inodes_free), "{at}");
    }
}
