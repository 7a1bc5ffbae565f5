use super::*;
use crate::md::container_fixtures::{self, image};
use crate::md::journal::tests::sha256;
use crate::md::tests::packed::{directory, unpacked};
use crate::{Purpose, Scan, scan};
use block::{MemoryDisk, ReadAt};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn containers_are_read_as_the_kernel_reads_them_whatever_is_missing() {
    container_fixtures::check("ddf-");
}

fn scanned(disks: &[bytes::Bytes]) -> Scan {
    let device = |disk: &bytes::Bytes| {
        let data: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(disk.clone(), BlockSize::B512));
        Device { name: String::new(), data, block_size: BlockSize::B512 }
    };
    scan(&disks.iter().map(device).collect::<Vec<_>>())
}

/// The containers of the index: names, UUIDs and bytes.
#[test]
fn volumes_have_the_uuids_and_bytes_that_the_kernel_saw() {
    let index: Vec<Value> =
        serde_json::from_slice(&std::fs::read(directory("md").join("index.json")).unwrap()).unwrap();
    let mut count = 0;
    for case in index.iter().filter(|case| case["metadata"] == "ddf") {
        let image =
            bytes::Bytes::from(unpacked(&directory("md").join(format!("{}.img.zst", case["file"].as_str().unwrap()))));
        let (mut start, mut members) = (0, Vec::new());
        for size in case["members"].as_array().unwrap() {
            let end = start + size.as_u64().unwrap() as usize;
            members.push(image.slice(start..end));
            start = end;
        }
        let all = [(Vec::new(), case["sha256"].clone())].into_iter();
        let without = case["without"].as_array().unwrap().iter();
        let numbers = |value: &Value| value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect();
        let without = without.map(|without| (numbers(&without["missing"]), without["sha256"].clone()));
        for (missing, sum) in all.chain(without) {
            let present: Vec<_> = (0..members.len()).filter(|number| !missing.contains(&(*number as u64))).collect();
            let scan = scanned(&present.iter().map(|number| members[*number].clone()).collect::<Vec<_>>());
            let node = scan.nodes.iter().find(|node| node.volume.uuid.as_deref() == case["uuid"].as_str());
            let node = node.unwrap_or_else(|| panic!("{} {missing:?}: {:?}", case["name"], scan.notices));
            assert_eq!(sha256(&node.volume.data), sum.as_str().unwrap(), "{} {missing:?}", case["name"]);
            let is_whole = missing.is_empty() && case["degraded"].as_u64().unwrap_or(0) == 0;
            assert_eq!(node.volume.health == Health::Whole, is_whole, "{} {missing:?}", case["name"]);
            count += 1;
        }
    }
    assert!(count >= 5, "{count}");
}

fn disks(name: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| image(&format!("{name}-{number}"))).collect()
}

fn put_together(disks: &[Vec<u8>]) -> Scan {
    scanned(&disks.iter().map(|disk| bytes::Bytes::from(disk.clone())).collect::<Vec<_>>())
}

#[test]
fn a_disk_that_the_others_went_on_without_is_left_out() {
    let scan = put_together(&disks("ddf-stale", 3));
    let group = scan.groups.iter().find(|group| group.kind == "DDF container").unwrap();
    let stale: Vec<_> = group.members.iter().filter(|member| member.state == MemberState::Stale).collect();
    assert_eq!(stale.iter().map(|member| member.device).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(group.health, Health::Degraded);
}

/// Blocks of the headers of a disk: primary and secondary.
fn headers(disk: &[u8]) -> [usize; 2] {
    let anchor = disk.len() - 512;
    [96, 104].map(|at| u64::from_be_bytes(disk[anchor + at..anchor + at + 8].try_into().unwrap()) as usize * 512)
}

#[test]
fn the_secondary_header_is_used_where_the_primary_is_damaged() {
    let mut damaged = disks("ddf-r6", 4);
    for disk in &mut damaged {
        let [primary, _] = headers(disk);
        disk[primary + 20] ^= 1;
    }
    let whole = |scan: &Scan| sha256(&scan.nodes.iter().find(|node| node.made_by.is_some()).unwrap().volume.data);
    assert_eq!(whole(&put_together(&damaged)), whole(&put_together(&disks("ddf-r6", 4))));
    for disk in &mut damaged {
        let [_, secondary] = headers(disk);
        disk[secondary + 20] ^= 1;
    }
    let scan = put_together(&damaged);
    assert!(scan.nodes.iter().all(|node| node.made_by.is_none() && !node.is_leaf()), "read as something else");
    assert!(scan.notices.iter().all(|notice| notice.contains("its checksum is wrong")), "{:?}", scan.notices);
}

/// As in the image that util-linux tests `blkid` with.
#[test]
fn the_table_of_disks_may_begin_as_older_mdadm_wrote_it() {
    let mut older = disks("ddf-r6", 4);
    for disk in &mut older {
        for header in headers(disk) {
            let number =
                |at: usize| u32::from_be_bytes(disk[header + at..header + at + 4].try_into().unwrap()) as usize;
            let (start, length) = (header + number(200) * 512, number(204) * 512);
            let table = &mut disk[start..start + length];
            assert_eq!(table[..4], [0x22; 4]);
            table[..4].fill(0x33);
            reseal(table);
        }
    }
    let whole = |scan: &Scan| sha256(&scan.nodes.iter().find(|node| node.made_by.is_some()).unwrap().volume.data);
    assert_eq!(whole(&put_together(&older)), whole(&put_together(&disks("ddf-r6", 4))));
}

#[test]
fn a_secondary_level_that_is_not_known_is_refused_by_name() {
    let mut changed = disks("ddf-r10", 4);
    for disk in &mut changed {
        for header in headers(disk) {
            reseal_configs(disk, header, |record| record[71] = 2);
        }
    }
    let scan = put_together(&changed);
    let volume = &scan.nodes.iter().find(|node| node.made_by.is_some()).unwrap().volume;
    assert!(matches!(&volume.purpose, Purpose::Refused(why) if why.contains("secondary RAID level 2")));
}

/// Puts the checksum of a record right.
fn reseal(record: &mut [u8]) {
    record[4..8].fill(0xFF);
    let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
    hasher.update(record);
    record[4..8].copy_from_slice(&(!hasher.finalize()).to_be_bytes());
}

/// Changes the configuration records of a structure, and puts their checksums right.
fn reseal_configs(disk: &mut [u8], header: usize, change: impl Fn(&mut [u8])) {
    let number = |at: usize| u32::from_be_bytes(disk[header + at..header + at + 4].try_into().unwrap()) as usize;
    let (start, blocks) = (header + number(216) * 512, number(220));
    let length = usize::from(u16::from_be_bytes([disk[header + 134], disk[header + 135]])) * 512;
    for at in (start..start + blocks * 512).step_by(length) {
        let Some(record) = disk.get_mut(at..at + length).filter(|record| record[..4] == [0xEE; 4]) else { continue };
        change(record);
        reseal(record);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn damage_is_an_error_or_less_and_never_a_panic(
        changes in proptest::collection::vec((8..600_usize, any::<u8>()), 1..6), part in 0..3_usize,
    ) {
        let mut damaged = disks("ddf-r10", 4);
        for disk in &mut damaged {
            let [primary, secondary] = headers(disk);
            if part == 2 {
                for header in [primary, secondary] {
                    reseal_configs(disk, header, |record| {
                        changes.iter().for_each(|(offset, byte)| record[*offset % 560] = *byte);
                    });
                }
                continue;
            }
            let start = [primary, disk.len() - 512][part];
            changes.iter().for_each(|(offset, byte)| disk[start + offset % 512] = *byte);
            disk[start + 4..start + 8].fill(0xFF);
            let mut hasher = crc32fast::Hasher::new_with_initial(u32::MAX);
            hasher.update(&disk[start..start + 512]);
            disk[start + 4..start + 8].copy_from_slice(&(!hasher.finalize()).to_be_bytes());
        }
        for node in &put_together(&damaged).nodes {
            let mut bytes = [0; 4096];
            let _ = node.volume.data.read_exact_at(node.volume.data.size() / 2, &mut bytes);
        }
    }
}
