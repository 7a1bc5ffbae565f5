//! Containers that mdadm and the kernel made, and what the kernel read of them (`tests/fixtures/md/firmware.py`).

use super::tests::packed as fixtures;
use crate::{Device, scan};
use block::{BlockSize, MemoryDisk, ReadAt};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads every volume of every combination of members of the fixtures whose names begin with this, and compares it with what
/// the kernel read.
pub(super) fn check(prefix: &str) {
    let directory = fixtures::directory("md").join("firmware");
    let sums = std::fs::read_to_string(directory.join("sums")).unwrap();
    let mut members: BTreeMap<String, Arc<dyn ReadAt>> = BTreeMap::new();
    let mut count = 0;
    for line in sums.lines().filter(|line| line.starts_with(prefix)) {
        let [name, present, volume, sum] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        // In the other order: nothing may depend on the order that they were made in.
        let disks = present.split(',').rev().map(|number| {
            let file = format!("{name}-{number}.img.zst");
            let unpack = || -> Arc<dyn ReadAt> {
                Arc::new(MemoryDisk::new(fixtures::unpacked(&directory.join(&file)), BlockSize::B512))
            };
            Arc::clone(members.entry(file.clone()).or_insert_with(unpack))
        });
        let disks: Vec<_> =
            disks.map(|data| Device { name: String::new(), data, block_size: BlockSize::B512 }).collect();
        let found = scan(&disks);
        let node = found.nodes.iter().find(|node| node.made_by.is_some() && node.volume.name == volume);
        let ours = node.map_or_else(|| "-".to_owned(), |node| sha256(&node.volume.data));
        assert_eq!(ours, sum, "{line}: {:?} {:?}", found.notices, node.map(|node| &node.volume.purpose));
        count += 1;
    }
    assert!(count > 0, "no fixtures {prefix}");
}

/// The bytes of a member, by its name.
pub(super) fn image(name: &str) -> Vec<u8> {
    fixtures::unpacked(&fixtures::directory("md").join("firmware").join(format!("{name}.img.zst")))
}

/// The sum of all of it; "-" when that cannot be read.
fn sha256(data: &Arc<dyn ReadAt>) -> String {
    let mut bytes = vec![0; usize::try_from(data.size()).unwrap()];
    match data.read_exact_at(0, &mut bytes) {
        Ok(()) => Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => "-".to_owned(),
    }
}
