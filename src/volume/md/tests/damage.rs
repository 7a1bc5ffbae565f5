//! Superblocks with anything in them, correctly signed.

use super::crafted::{change_members, readable, sign};
use crate::{Device, scan};
use block::BlockSize;
use proptest::prelude::*;

/// Changes bytes of a superblock and signs it again.
fn damage(disk: &mut [u8], changes: &[(usize, u8)]) {
    let superblock = &mut disk[4096..4096 + 256 + 2 * 3];
    for (at, value) in changes {
        let length = superblock.len();
        superblock[at % length] = *value;
    }
    // The magic number and where it is stay, or nobody would look at the rest.
    superblock[..8].copy_from_slice(&[0xfc, 0x4e, 0x2b, 0xa9, 1, 0, 0, 0]);
    superblock[144..152].copy_from_slice(&8_u64.to_le_bytes());
    superblock[220..224].copy_from_slice(&3_u32.to_le_bytes());
    superblock[224..256].fill(0);
    sign(superblock);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_superblocks_end_in_errors_and_notices(
        level in prop::sample::select(vec![(-1, 0), (0, 0), (1, 0), (4, 0), (5, 2), (6, 2), (10, 0x102)]),
        features in prop::sample::select(vec![0_u8, 2, 4, 4 + 64, 8, 16, 255]),
        changes in prop::collection::vec((0_usize..262, any::<u8>()), 1..6),
        damaged in 0_usize..3,
    ) {
        let count = if level.0 == 6 { 4 } else { 3 };
        let mut disks = change_members(level.0, level.1, count, |_, made| made.roles.truncate(3));
        for disk in disks.iter_mut().take(damaged + 1) {
            disk[4096 + 8] = features;
            damage(disk, &changes);
        }
        let device = |disk: &Vec<u8>| Device {
            name: String::new(),
            data: readable(disk),
            block_size: BlockSize::B512,
        };
        let found = scan(&disks.iter().map(device).collect::<Vec<_>>());
        for node in &found.nodes {
            let size = node.volume.data.size();
            for at in [0, 511, 4096, size / 2, size.saturating_sub(4096)] {
                let _ = node.volume.data.read_exact_at(at, &mut [0; 4096]);
            }
        }
    }
}
