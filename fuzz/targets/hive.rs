//! Any bytes as a hive of the Windows registry, with the checksum of its first block made right: never a panic, and never more
//! reads than a hive's bounds allow.
#![no_main]

use guest::MountedDevices;
use libfuzzer_sys::fuzz_target;
use std::cell::Cell;

/// Three reads for each key, value and piece of data; 4096 of each at most.
const READS_MAX: u32 = 64 << 10;

fuzz_target!(|data: &[u8]| {
    let mut hive = data.to_vec();
    if let Some(block) = hive.get_mut(..512) {
        let sum = block[..508].chunks(4).fold(0, |sum, word| sum ^ u32::from_le_bytes(word.try_into().unwrap()));
        let sum: u32 = if sum == 0 { 1 } else { sum.min(u32::MAX - 1) };
        block[508..].copy_from_slice(&sum.to_le_bytes());
    }
    let reads = Cell::new(0_u32);
    let read = |offset: u64, buf: &mut [u8]| {
        reads.set(reads.get() + 1);
        let rest = usize::try_from(offset).ok().and_then(|offset| hive.get(offset..)).unwrap_or_default();
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    };
    let _ = MountedDevices::read(&read);
    assert!(reads.get() <= READS_MAX);
});
