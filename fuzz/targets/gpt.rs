//! Any bytes as a GPT: checksums are made right first, or nothing behind them would ever be reached.
#![no_main]

use block::{BlockSize, MemoryDisk, ReadAt};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use volume::{Device, scan};

const BLOCK: usize = 512;

fuzz_target!(|data: &[u8]| {
    let mut disk = data.to_vec();
    if disk.len() < 4 * BLOCK {
        disk.resize(4 * BLOCK, 0);
    }
    disk[450] = 0xEE;
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    disk[BLOCK..BLOCK + 8].copy_from_slice(b"EFI PART");
    disk[BLOCK + 24..BLOCK + 32].copy_from_slice(&1_u64.to_le_bytes());
    fix_sums(&mut disk);
    let disk = Arc::new(MemoryDisk::new(disk, BlockSize::B512));
    let size = disk.size();
    let found = scan(&[Device { name: "disk".into(), data: disk, block_size: BlockSize::B512 }]);
    for volume in found.nodes.iter().map(|node| &node.volume) {
        assert!(volume.start + volume.bytes <= size && volume.data.size() == volume.bytes);
    }
});

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Makes the checksums of the primary header and its entries right, where they lie on the disk.
fn fix_sums(disk: &mut [u8]) {
    let header = BLOCK;
    let array = u64::from_le_bytes(disk[header + 72..header + 80].try_into().unwrap());
    let length = u64::from(u32_at(disk, header + 80)) * u64::from(u32_at(disk, header + 84));
    let start = usize::try_from(array).ok().and_then(|lba| lba.checked_mul(BLOCK));
    let end = start.zip(usize::try_from(length).ok()).and_then(|(start, length)| start.checked_add(length));
    if let Some(entries) = start.zip(end).and_then(|(start, end)| disk.get(start..end)) {
        let sum = crc32fast::hash(entries);
        disk[header + 88..header + 92].copy_from_slice(&sum.to_le_bytes());
    }
    let size = u32_at(disk, header + 12) as usize;
    if (92..=BLOCK).contains(&size) {
        disk[header + 16..header + 20].fill(0);
        let sum = crc32fast::hash(&disk[header..header + size]);
        disk[header + 16..header + 20].copy_from_slice(&sum.to_le_bytes());
    }
}
