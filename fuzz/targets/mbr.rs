//! Any bytes as a disk with an MBR: never a panic, never a volume that is not on the disk.
#![no_main]

use block::{BlockSize, MemoryDisk, ReadAt};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use volume::{Device, scan};

fuzz_target!(|data: &[u8]| {
    let disk = Arc::new(MemoryDisk::new(data.to_vec(), BlockSize::B512));
    let size = disk.size();
    let found = scan(&[Device { name: "disk".into(), data: disk, block_size: BlockSize::B512 }]);
    for volume in found.nodes.iter().map(|node| &node.volume) {
        assert!(volume.start + volume.bytes <= size && volume.data.size() == volume.bytes);
    }
});
