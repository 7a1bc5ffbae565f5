use super::*;
use crate::packed::{directory, unpacked};
use block::{BlockSize, MemoryDisk};
use sha2::{Digest, Sha256};

/// The members of a fixture's array, of `bytes` each.
fn members(name: &str, bytes: usize) -> Vec<Vec<u8>> {
    unpacked(&directory("md").join(format!("{name}.img.zst"))).chunks(bytes).map(<[u8]>::to_vec).collect()
}

fn device(bytes: Vec<u8>) -> Device {
    let data = Arc::new(MemoryDisk::new(bytes, BlockSize::B512));
    Device { name: String::new(), data, block_size: BlockSize::B512 }
}

/// The SHA-256 of the volume at `position`, and its health.
fn volume(scan: &Scan, position: &str) -> (String, Health) {
    let node = scan.nodes.iter().find(|node| node.position == position);
    let volume = &node.unwrap_or_else(|| panic!("no {position}: {:#?}", scan.notices)).volume;
    let mut bytes = vec![0; volume.bytes as usize];
    volume.data.read_exact_at(0, &mut bytes).unwrap();
    (hex::encode(Sha256::digest(bytes)), volume.health)
}

/// Where the data of the fixtures' members begin.
const DATA: usize = 128 << 10;

/// `content` as an array of four devices would hold it in chunks of 4 KiB, two copies beside each other: on the first of each two.
fn laid_out_as_raid_10(content: &[u8]) -> [Device; 2] {
    const CHUNK: usize = 4096;
    let outer = members("raid10-n2-4", 917_504);
    let mut halves = [outer[0].clone(), outer[2].clone()];
    for (number, chunk) in content.chunks(CHUNK).enumerate() {
        halves[number % 2][DATA + number / 2 * CHUNK..][..chunk.len()].copy_from_slice(chunk);
    }
    halves.map(device)
}

/// The mirror's better leg is in an array that lacks members too; the other leg is out of date. Whichever is looked at first.
#[test]
fn a_set_waits_for_members_that_incomplete_sets_bring() {
    const FRESH: &str = "9cc97274461970f60ed3bf4a7b79acc0e51d27a3165604cde250be40e06ef5fa";
    let legs = members("stale-raid1", 786_432);
    let [one, two] = laid_out_as_raid_10(&legs[0]);
    let found = scan(&[device(legs[1].clone()), one, two]);
    assert_eq!(volume(&found, "md/stale-raid1"), (FRESH.to_owned(), Health::Degraded));
    let mirror = found.groups.iter().find(|group| group.name.as_deref() == Some("stale-raid1")).unwrap();
    let states: Vec<_> = mirror.members.iter().map(|member| member.state).collect();
    assert!(states.contains(&MemberState::Active) && states.contains(&MemberState::Stale), "{states:?}");
}

#[test]
fn a_volume_whose_end_cannot_be_read_may_hold_files_all_the_same() {
    let all = members("linear", 1 << 20);
    let found = scan(&[device(all[0].clone()), device(all[1].clone())]);
    let array = found.nodes.iter().find(|node| node.position == "md/linear").unwrap();
    assert!(array.is_leaf() && array.volume.health == Health::Partial, "{:#?}", found.notices);
}

#[test]
fn a_partition_table_wins_over_what_is_left_of_an_array() {
    let mut disk = members("linear", 1 << 20).swap_remove(0);
    // A partition behind the superblock, as tools make them where there was an array on the whole disk.
    disk[446..462].copy_from_slice(&[0, 0, 0, 0, 0x83, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0]);
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    let found = scan(&[device(disk)]);
    assert_eq!(found.volumes().map(|node| node.position.as_str()).collect::<Vec<_>>(), ["0:1"]);
    assert!(found.notices.iter().any(|notice| notice.contains("its partition table is used")), "{:#?}", found.notices);
}
