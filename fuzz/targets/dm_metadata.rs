//! Any bytes as the metadata of a thin pool or of a cache, in blocks of device mapper's persistent data; their checksums and
//! numbers are made right first. Read through LVM2, whose volumes are made of them.
#![no_main]

use disks::{Disk, look_at};
use libfuzzer_sys::fuzz_target;

#[path = "support/disks.rs"]
mod disks;
#[path = "support/lvm_disk.rs"]
mod lvm_disk;

const BLOCK: usize = 4096;
/// Groups whose volume "a" is at the start of the first physical volume's data, and holds the metadata.
const TEXTS: [&[u8]; 2] = [include_bytes!("../seeds/lvm_text/thin"), include_bytes!("../seeds/lvm_text/cache")];
/// What the checksums of superblocks are combined with.
const SUPERBLOCKS: [u32; 2] = [160_774, 9_031_977];
const NODE: u32 = 121_107;
const ARRAY: u32 = 595_846_735;

fuzz_target!(|data: &[u8]| {
    let Some((which, metadata)) = data.split_first() else { return };
    let which = usize::from(which % 2);
    let mut metadata = metadata.to_vec();
    metadata.resize(metadata.len().next_multiple_of(BLOCK).min(16 * BLOCK), 0);
    for (number, block) in metadata.chunks_exact_mut(BLOCK).enumerate() {
        let is_node = matches!(block[4..8], [1 | 2, 0, 0, 0]);
        let (combined, number_at) = match number {
            0 => (SUPERBLOCKS[which], 8),
            _ if is_node => (NODE, 8),
            _ => (ARRAY, 16),
        };
        block[number_at..number_at + 8].copy_from_slice(&(number as u64).to_le_bytes());
        // That of the kernel is not complemented at its end.
        let sum = !crc32c::crc32c(&block[4..]) ^ combined;
        block[..4].copy_from_slice(&sum.to_le_bytes());
    }
    let disk = |number: u8| {
        let mut parts = vec![(0, lvm_disk::physical_volume(number, TEXTS[which]))];
        if number == 0 {
            parts.push((lvm_disk::DATA, metadata.clone()));
        }
        Disk { bytes: lvm_disk::BYTES, parts }
    };
    look_at((0..3).map(disk).collect());
});
