//! Any bytes as the superblocks of the members of an md array, of any version; magic, place and checksum are made right first.
#![no_main]

use disks::{Disk, look_at};
use libfuzzer_sys::fuzz_target;

#[path = "support/disks.rs"]
mod disks;

const MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
const BYTES: u64 = 1 << 20;
/// What a superblock of version 0.90 takes; those of version 1 take as much at most.
const LENGTH: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((&[count, version], rest)) = data.split_first_chunk() else { return };
    let members = usize::from(count % 8) + 1;
    let length = rest.len() / members;
    let disks = (0..members).map(|number| {
        let mut superblock = rest[number * length..(number + 1) * length].to_vec();
        superblock.resize(superblock.len().max(LENGTH), 0);
        let at = match version % 4 {
            0 => (BYTES & !0xffff) - 0x1_0000,
            1 => (BYTES - 8192) & !4095,
            2 => 0,
            _ => 4096,
        };
        if version % 4 == 0 {
            fix_090(&mut superblock)
        } else {
            fix_1(&mut superblock, at)
        }
        Disk { bytes: BYTES, parts: vec![(at, superblock)] }
    });
    look_at(disks.collect());
});

fn words(bytes: &[u8]) -> u64 {
    bytes.chunks(4).map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))).sum()
}

fn folded(sum: u64) -> [u8; 4] {
    (((sum & 0xffff_ffff) + (sum >> 32)) as u32).to_le_bytes()
}

fn fix_1(superblock: &mut [u8], at: u64) {
    superblock[..8].copy_from_slice(&[MAGIC, 1_u32.to_le_bytes()].concat());
    superblock[144..152].copy_from_slice(&(at / 512).to_le_bytes());
    superblock[216..220].fill(0);
    let roles = u32::from_le_bytes(superblock[220..224].try_into().unwrap()) as usize;
    let end = roles.saturating_mul(2).saturating_add(256).min(LENGTH);
    let sum = folded(words(&superblock[..end]));
    superblock[216..220].copy_from_slice(&sum);
}

/// Little-endian; others say so by their magic.
fn fix_090(superblock: &mut [u8]) {
    superblock[..4].copy_from_slice(&MAGIC);
    superblock[152..156].fill(0);
    let sum = folded(words(&superblock[..LENGTH]));
    superblock[152..156].copy_from_slice(&sum);
}
