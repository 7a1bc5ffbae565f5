use super::*;
use crate::{Scan, Table as Found, scan};
use block::{BlockSize, MemoryDisk};
use proptest::prelude::*;
use std::sync::Arc;

const LINUX: Uuid = uuid::uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4");

/// A disk with a GPT in both places, made from its parts.
#[derive(Clone)]
struct Maker {
    block_size: BlockSize,
    blocks: u64,
    entry_bytes: u32,
    entries: u32,
    /// number, first, last, name
    partitions: Vec<(u32, u64, u64, &'static str)>,
}

impl Maker {
    fn new() -> Self {
        let partitions = vec![(1, 80, 127, "root"), (3, 128, 255, "größe")];
        Self { block_size: BlockSize::B512, blocks: 2048, entry_bytes: 128, entries: 128, partitions }
    }

    fn array_blocks(&self) -> u64 {
        (u64::from(self.entries) * u64::from(self.entry_bytes)).div_ceil(self.block_size.bytes().into())
    }

    fn array(&self) -> Vec<u8> {
        let mut array = vec![0; (self.entries * self.entry_bytes) as usize];
        for (number, first, last, name) in &self.partitions {
            let at = ((number - 1) * self.entry_bytes) as usize;
            array[at..at + 16].copy_from_slice(&LINUX.to_bytes_le());
            array[at + 16..at + 32].copy_from_slice(&Uuid::from_u128((*number).into()).to_bytes_le());
            array[at + 32..at + 40].copy_from_slice(&first.to_le_bytes());
            array[at + 40..at + 48].copy_from_slice(&last.to_le_bytes());
            for (i, unit) in name.encode_utf16().enumerate() {
                array[at + 56 + 2 * i..at + 58 + 2 * i].copy_from_slice(&unit.to_le_bytes());
            }
        }
        array
    }

    fn header(&self, lba: u64, alternate: u64, array_lba: u64) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend_from_slice(&0x0001_0000_u32.to_le_bytes());
        header.extend_from_slice(&92_u32.to_le_bytes());
        header.extend_from_slice(&[0; 8]);
        let last_usable = self.blocks - self.array_blocks() - 2;
        for number in [lba, alternate, 2 + self.array_blocks(), last_usable] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        header.extend_from_slice(&Uuid::from_u128(7).to_bytes_le());
        header.extend_from_slice(&array_lba.to_le_bytes());
        header.extend_from_slice(&self.entries.to_le_bytes());
        header.extend_from_slice(&self.entry_bytes.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&self.array()).to_le_bytes());
        let sum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&sum.to_le_bytes());
        header
    }

    fn make(&self) -> Vec<u8> {
        let block = self.block_size.bytes() as usize;
        let mut disk = vec![0; self.blocks as usize * block];
        let mut put = |lba: u64, bytes: &[u8]| {
            let at = lba as usize * block;
            disk[at..at + bytes.len()].copy_from_slice(bytes);
        };
        let mut boot = vec![0; 512];
        boot[446..462].copy_from_slice(&[0, 0, 2, 0, 0xEE, 255, 255, 255, 1, 0, 0, 0, 255, 255, 255, 255]);
        boot[510..].copy_from_slice(&[0x55, 0xAA]);
        put(0, &boot);
        let last = self.blocks - 1;
        put(1, &self.header(1, last, 2));
        put(2, &self.array());
        put(last - self.array_blocks(), &self.array());
        put(last, &self.header(last, 1, last - self.array_blocks()));
        disk
    }
}

fn device(disk: Vec<u8>, block_size: BlockSize) -> Device {
    Device { name: "disk".into(), data: Arc::new(MemoryDisk::new(disk, block_size)), block_size }
}

/// What a file system can be in.
fn leaves(found: &Scan) -> Vec<&Volume> {
    found.volumes().map(|node| &node.volume).collect()
}

/// Number, first byte, size and name of each volume, the table, and the notices.
type Outcome = (Vec<(Option<u32>, u64, u64, Option<String>)>, Found, Vec<String>);

fn look(disk: Vec<u8>, block_size: BlockSize) -> Outcome {
    let mut found = scan(&[device(disk, block_size)]);
    let volumes = leaves(&found).into_iter().map(|v| (v.partition, v.start, v.bytes, v.label.clone())).collect();
    (volumes, found.tables.remove(0), found.notices)
}

fn expected(maker: &Maker) -> Vec<(Option<u32>, u64, u64, Option<String>)> {
    let bytes = u64::from(maker.block_size.bytes());
    let volume = |(number, first, last, name): &(u32, u64, u64, &str)| {
        (Some(*number), first * bytes, (last - first + 1) * bytes, Some((*name).to_owned()))
    };
    maker.partitions.iter().map(volume).collect()
}

#[test]
fn a_table_is_read_for_both_block_sizes_and_every_legal_entry_size() {
    for block_size in [BlockSize::B512, BlockSize::B4096] {
        for (entry_bytes, entries) in [(128, 128), (128, 4), (256, 64), (512, 32), (4096, 8)] {
            let maker = Maker { block_size, entry_bytes, entries, ..Maker::new() };
            let (volumes, table, notices) = look(maker.make(), block_size);
            assert_eq!(volumes, expected(&maker), "{block_size} {entry_bytes}");
            assert_eq!((table, notices), (Found::Managed("GPT"), vec![]));
        }
    }
}

#[test]
fn partitions_hold_their_own_bytes_and_ids() {
    let mut disk = Maker::new().make();
    disk[80 * 512] = 0x77;
    let found = scan(&[device(disk, BlockSize::B512)]);
    let mut byte = [0];
    leaves(&found)[0].data.read_exact_at(0, &mut byte).unwrap();
    assert_eq!(byte, [0x77]);
    assert_eq!(leaves(&found)[0].uuid.as_deref(), Some("00000000-0000-0000-0000-000000000001"));
    assert_eq!(leaves(&found)[0].identity, Some(Identity::Gpt(Uuid::from_u128(1))));
    assert_eq!(leaves(&found)[0].kind.to_string(), "Linux filesystem");
    assert!(leaves(&found)[0].data.read_exact_at(48 * 512, &mut byte).is_err());
}

#[test]
fn the_backup_is_used_when_the_primary_header_or_its_entries_are_damaged() {
    for at in [512, 512 + 40, 2 * 512 + 33] {
        let mut disk = Maker::new().make();
        disk[at] ^= 1;
        let (volumes, _, notices) = look(disk, BlockSize::B512);
        assert_eq!(volumes, expected(&Maker::new()));
        assert!(notices.len() == 1 && notices[0].contains("backup"), "{notices:?}");
    }
}

#[test]
fn the_backup_of_a_disk_that_grew_is_found_where_the_header_says() {
    let mut disk = Maker::new().make();
    disk.resize(disk.len() * 2, 0);
    disk[2 * 512] ^= 1;
    let (volumes, _, notices) = look(disk, BlockSize::B512);
    assert_eq!(volumes, expected(&Maker::new()));
    assert!(notices[0].contains("backup"));
}

#[test]
fn two_damaged_tables_are_no_table_and_no_guess() {
    let mut disk = Maker::new().make();
    disk[2 * 512] ^= 1;
    let end = disk.len() - 512;
    disk[end + 20] ^= 1;
    let (volumes, table, notices) = look(disk, BlockSize::B512);
    assert_eq!((volumes, table), (vec![], Found::Damaged));
    assert!(notices[0].contains("checksum"), "{notices:?}");
}

#[test]
fn an_image_of_a_disk_with_other_blocks_gets_advice() {
    let maker = Maker { block_size: BlockSize::B4096, ..Maker::new() };
    let (_, table, notices) = look(maker.make(), BlockSize::B512);
    assert_eq!(table, Found::Damaged);
    assert!(notices[0].contains("--block-size 4096"), "{notices:?}");
}

#[test]
fn impossible_entries_are_left_out_and_strange_ones_told() {
    let mut maker = Maker::new();
    maker.partitions = vec![
        (1, 64, 127, "a"),
        (2, 200, 100, "reversed"),
        (3, 3000, 4000, "outside"),
        (4, 100, 140, "b"),
        (5, 1, 10, "c"),
    ];
    let (volumes, _, notices) = look(maker.make(), BlockSize::B512);
    assert_eq!(volumes.iter().map(|v| v.0.unwrap()).collect::<Vec<_>>(), [1, 4, 5]);
    for text in ["partition 2 is left out", "partition 3 is left out", "partition 5 is not wholly", "1 and 4 overlap"] {
        assert!(notices.iter().any(|notice| notice.contains(text)), "{text}: {notices:?}");
    }
}

#[test]
fn a_hybrid_mbr_is_told_and_the_gpt_decides() {
    let mut disk = Maker::new().make();
    disk[462..478].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 200, 0, 0, 0, 9, 0, 0, 0]);
    let (volumes, _, notices) = look(disk, BlockSize::B512);
    assert_eq!(volumes, expected(&Maker::new()));
    assert!(notices[0].contains("hybrid"));
}

#[test]
fn a_stale_gpt_behind_a_real_mbr_is_not_used() {
    let mut disk = Maker::new().make();
    disk[446..462].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 200, 0, 0, 0, 9, 0, 0, 0]);
    let (volumes, table, _) = look(disk, BlockSize::B512);
    assert_eq!((volumes.len(), volumes[0].1, table), (1, 200 * 512, Found::Managed("MBR")));
}

#[test]
fn a_gpt_without_its_boot_sector_is_still_one() {
    let mut disk = Maker::new().make();
    disk[..512].fill(0);
    assert_eq!(look(disk, BlockSize::B512).0, expected(&Maker::new()));
}

/// The crate `gpt` agrees on what it can read.
#[test]
fn the_gpt_crate_reads_the_same_partitions() {
    let disk = Maker::new().make();
    let mut cursor = std::io::Cursor::new(disk.clone());
    let oracle = gpt::GptConfig::new().writable(false).open_from_device(&mut cursor).unwrap();
    let theirs: Vec<_> = oracle
        .partitions()
        .iter()
        .filter(|(_, partition)| partition.is_used())
        .map(|(number, partition)| {
            (
                Some(*number),
                partition.first_lba * 512,
                (partition.last_lba - partition.first_lba + 1) * 512,
                Some(partition.name.clone()),
            )
        })
        .collect();
    assert_eq!(look(disk, BlockSize::B512).0, theirs);
}

/// Why the crate `gpt` is not the reader: entries of another legal size.
#[test]
fn the_gpt_crate_cannot_read_entries_of_256_bytes() {
    let maker = Maker { entry_bytes: 256, entries: 64, ..Maker::new() };
    let theirs = std::panic::catch_unwind(|| {
        let mut cursor = std::io::Cursor::new(maker.make());
        let opened = gpt::GptConfig::new().writable(false).open_from_device(&mut cursor);
        opened.map(|disk| disk.partitions().values().filter(|partition| partition.is_used()).count()).ok()
    });
    assert!(!matches!(theirs, Ok(Some(2))), "the gpt crate has learned it: {theirs:?}");
}

/// Why the crate `gpt` is not the reader: a damaged primary array is not replaced by the backup.
#[test]
fn the_gpt_crate_does_not_use_the_backup_of_a_damaged_array() {
    let mut disk = Maker::new().make();
    disk[2 * 512 + 33] ^= 1;
    let mut cursor = std::io::Cursor::new(disk);
    let theirs = gpt::GptConfig::new().writable(false).open_from_device(&mut cursor).map(|disk| {
        disk.partitions().values().find(|partition| partition.is_used()).map(|partition| partition.first_lba)
    });
    assert!(!matches!(theirs, Ok(Some(80))), "the gpt crate has learned it");
}

proptest! {
    #[test]
    fn damage_never_panics_and_never_leaves_the_disk(
        flips in proptest::collection::vec((0_usize..40 * 512, any::<u8>()), 1..8),
        length in 0_usize..2048 * 512,
    ) {
        let mut disk = Maker::new().make();
        for (at, value) in flips {
            disk[at] = value;
        }
        disk.truncate(length.max(1024));
        let size = disk.len() as u64 / 512 * 512;
        for volume in leaves(&scan(&[device(disk, BlockSize::B512)])) {
            prop_assert!(volume.start + volume.bytes <= size);
        }
    }
}
