use super::mpb::Level as MpbLevel;
use super::*;
use crate::md::container_fixtures::{self, image};
use crate::{Purpose, Scan, scan};
use block::{MemoryDisk, ReadAt};
use proptest::prelude::*;

/// Offsets in the metadata of a container with one volume (`struct imsm_super`, `struct imsm_dev`).
const DISKS: usize = 0xD8;
const DISK_BYTES: usize = 48;
const MIGRATION: usize = 80;
const MAP: usize = 112;

#[test]
fn containers_are_read_as_the_kernel_reads_them_whatever_is_missing() {
    container_fixtures::check("imsm-");
}

/// A disk whose metadata can be changed.
#[derive(Clone)]
struct Disk {
    bytes: Vec<u8>,
    /// The metadata in one piece: its first block lies last on the disk.
    mpb: Vec<u8>,
    members: usize,
}

const MPB_BYTES: usize = 2048;

impl Disk {
    fn all(name: &str, members: usize) -> Vec<Self> {
        let disk = |number: usize| {
            let bytes = image(&format!("{name}-{number}"));
            let at = bytes.len() - 1024;
            let size = u32::from_le_bytes(bytes[at + 36..at + 40].try_into().unwrap()) as usize;
            let rest = size.div_ceil(512) * 512 - 512;
            let mut mpb = bytes[at..at + 512].to_vec();
            mpb.extend_from_slice(&bytes[at - rest..at]);
            mpb.resize(MPB_BYTES, 0);
            Self { bytes, mpb, members }
        };
        (0..members).map(disk).collect()
    }

    fn size(&self) -> usize {
        u32::from_le_bytes(self.mpb[36..40].try_into().unwrap()) as usize
    }

    fn grow(&mut self, bytes: usize) {
        let size = self.size() + bytes;
        self.put(36, &(size as u32).to_le_bytes());
    }

    /// Byte of the metadata where the only volume begins.
    fn volume(&self) -> usize {
        DISKS + self.members * DISK_BYTES
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.mpb[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes the metadata, with the right checksum, to a disk with sectors of so many bytes.
    fn seal(&mut self, sector: usize) {
        self.put(32, &[0; 4]);
        let size = self.size().min(MPB_BYTES);
        let words = self.mpb[..size / 4 * 4].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
        let sum = words.fold(0, u32::wrapping_add);
        self.put(32, &sum.to_le_bytes());
        let at = self.bytes.len() - 2 * sector;
        let first = self.mpb.len().min(sector);
        self.bytes[at..at + first].copy_from_slice(&self.mpb[..first]);
        if size > sector {
            let rest = size.div_ceil(sector) * sector - sector;
            self.bytes[at - rest..at].copy_from_slice(&self.mpb[sector..sector + rest]);
        }
    }

    /// Begins a migration: the map that is there is followed by the same one, as it was before.
    fn migrate(&mut self, kind: u8, unit: u32, out_of_date: Option<usize>) {
        let volume = self.volume();
        let map_bytes = 48 + 4 * self.members;
        let map = self.mpb[volume + MAP..volume + MAP + map_bytes].to_vec();
        self.put(volume + MAP + map_bytes, &map);
        self.put(volume + MIGRATION, &unit.to_le_bytes());
        self.put(volume + MIGRATION + 8, &[1, kind]);
        if let Some(slot) = out_of_date {
            self.mpb[volume + MAP + map_bytes + 48 + 4 * slot + 3] = 1;
        }
        self.grow(map_bytes);
        self.seal(512);
    }
}

fn scanned(disks: &[Disk]) -> Scan {
    let device = |disk: &Disk| {
        let data: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(disk.bytes.clone(), BlockSize::B512));
        Device { name: String::new(), data, block_size: BlockSize::B512 }
    };
    scan(&disks.iter().map(device).collect::<Vec<_>>())
}

fn only(scan: &Scan) -> &Volume {
    &scan.nodes.iter().find(|node| node.made_by.is_some()).unwrap_or_else(|| panic!("{:?}", scan.notices)).volume
}

fn all(volume: &Volume) -> Option<Vec<u8>> {
    let mut bytes = vec![0; volume.data.size() as usize];
    volume.data.read_exact_at(0, &mut bytes).ok().map(|()| bytes)
}

#[test]
fn volumes_have_the_names_and_uuids_that_mdadm_shows() {
    let scan = scanned(&Disk::all("imsm-r5", 3));
    let volume = only(&scan);
    assert_eq!(volume.name, "r5");
    assert_eq!(volume.kind.to_string(), "RAID 5 of 3, left-asymmetric, chunks of 64 KiB");
    assert_eq!((volume.bytes, volume.health), (12 << 20, Health::Whole));
    let group = scan.groups.iter().find(|group| group.kind == "Intel RAID container").unwrap();
    assert_eq!(group.uuid.as_deref().map(str::len), Some(35));
    let roles: Vec<_> =
        group.members.iter().map(|member| (member.device, member.role.as_str(), member.state)).collect();
    assert_eq!(roles.len(), 3);
    assert!(roles.iter().all(|(device, _, state)| device.is_some() && *state == MemberState::Active), "{roles:?}");
}

#[test]
fn a_volume_that_is_being_changed_to_another_shape_is_refused_by_name() {
    for kind in [3, 4, 77] {
        let mut disks = Disk::all("imsm-r5", 3);
        disks.iter_mut().for_each(|disk| disk.migrate(kind, 5, None));
        let scan = scanned(&disks);
        let Purpose::Refused(why) = &only(&scan).purpose else { panic!("{kind} is read") };
        assert!(why.contains("it is being changed"), "{why}");
    }
}

/// Which of the devices is the one that is being filled is found as everything else is.
#[test]
fn a_disk_that_is_being_filled_is_read_as_far_as_that_went() {
    let whole = all(only(&scanned(&Disk::all("imsm-r5", 3)))).unwrap();
    let mut disks = Disk::all("imsm-r5", 3);
    let filled = 3 << 20;
    disks.iter_mut().for_each(|disk| disk.migrate(1, (filled / (64 << 10)) as u32, Some(1)));
    // What is behind is anything.
    disks[1].bytes[filled..6 << 20].fill(0xEE);
    let scan = scanned(&disks);
    assert_eq!((all(only(&scan)).unwrap() == whole, only(&scan).health), (true, Health::Degraded));
    let without = scanned(&disks[1..]);
    let volume = only(&without);
    assert_eq!(volume.health, Health::Partial);
    let mut bytes = vec![0; 1 << 20];
    volume.data.read_exact_at(1 << 20, &mut bytes).unwrap();
    assert!(bytes == whole[1 << 20..2 << 20]);
    volume.data.read_exact_at(8 << 20, &mut bytes).unwrap_err();
}

#[test]
fn parity_that_was_not_made_yet_is_not_used() {
    let mut disks = Disk::all("imsm-r5", 3);
    disks.iter_mut().for_each(|disk| disk.migrate(0, 0, None));
    assert!(all(only(&scanned(&disks))).is_some());
    let scan = scanned(&disks[..2]);
    assert_eq!(all(only(&scan)), None);
    assert!(only(&scan).health >= Health::Partial);
}

#[test]
fn disks_that_nothing_tells_apart_are_not_guessed() {
    let mut disks = Disk::all("imsm-r0", 2);
    disks.iter_mut().for_each(|disk| disk.bytes[..6 << 20].fill(7));
    let scan = scanned(&disks);
    assert!(matches!(&only(&scan).purpose, Purpose::Refused(why) if why.contains("serial numbers")));
    // Copies are the same in any order.
    let mut disks = Disk::all("imsm-r1", 2);
    disks.iter_mut().for_each(|disk| disk.bytes[..6 << 20].fill(7));
    assert!(all(only(&scanned(&disks))).unwrap().iter().all(|byte| *byte == 7));
}

#[test]
fn a_disk_that_the_others_went_on_without_is_left_out() {
    let scan = scanned(&Disk::all("imsm-stale", 3));
    let group = scan.groups.iter().find(|group| group.kind == "Intel RAID container").unwrap();
    let stale: Vec<_> = group.members.iter().filter(|member| member.state == MemberState::Stale).collect();
    assert_eq!(stale.iter().map(|member| member.device).collect::<Vec<_>>(), [Some(1)]);
    assert!(
        group.notices.iter().any(|notice| notice.contains("disk 1 is left out: its generation is")),
        "{:?}",
        group.notices
    );
}

#[test]
fn a_wrong_checksum_is_told_and_the_disk_is_not_read_as_something_else() {
    let mut disks = Disk::all("imsm-r1", 2);
    for disk in &mut disks {
        let at = disk.bytes.len() - 1024;
        disk.bytes[at + 70] ^= 1;
    }
    let scan = scanned(&disks);
    assert!(scan.nodes.iter().all(|node| node.made_by.is_none() && !node.is_leaf()));
    assert!(scan.notices.iter().all(|notice| notice.contains("its checksum is")), "{:?}", scan.notices);
}

/// The same metadata as disks with blocks of 4 KiB have it (mdadm `convert_to_4k`).
#[test]
fn disks_with_blocks_of_4_kib_count_in_them() {
    let mut disks = Disk::all("imsm-r5", 3);
    let whole = all(only(&scanned(&disks))).unwrap();
    for disk in &mut disks {
        let volume = disk.volume();
        let mut eighth = |at: usize, length: usize| {
            let mut number = [0; 8];
            number[..length].copy_from_slice(&disk.mpb[at..at + length]);
            let number = u64::from_le_bytes(number) / 8;
            disk.mpb[at..at + length].copy_from_slice(&number.to_le_bytes()[..length]);
        };
        (0..3).for_each(|number| eighth(DISKS + number * DISK_BYTES + 16, 4));
        eighth(volume + 16, 4);
        eighth(volume + MAP, 4);
        eighth(volume + MAP + 4, 4);
        eighth(volume + MAP + 12, 2);
        let end = disk.bytes.len();
        disk.bytes[end - 8192..].fill(0);
        disk.seal(4096);
    }
    assert!(all(only(&scanned(&disks))).unwrap() == whole);
}

#[test]
fn bad_blocks_are_read_from_others_or_not_at_all() {
    let mut disks = Disk::all("imsm-r5", 3);
    for disk in &mut disks {
        let size = disk.size();
        let mut log = 0xABAD_B10C_u32.to_le_bytes().to_vec();
        log.extend(1_u32.to_le_bytes());
        // Disk 0, 4 KiB from 2 MiB on.
        log.extend([7, 0, 0, 0x10, 0, 0, 0, 0]);
        disk.put(size, &log);
        disk.put(72, &(log.len() as u32).to_le_bytes());
        disk.grow(log.len());
        disk.seal(512);
        if let Some(mpb) = Mpb::read(&Device {
            name: String::new(),
            data: Arc::new(MemoryDisk::new(disk.bytes.clone(), BlockSize::B512)),
            block_size: BlockSize::B512,
        })
        .unwrap()
        {
            assert_eq!(mpb.bad_blocks, [(0, 2 << 20..(2 << 20) + 4096)]);
            assert_eq!(mpb.volumes[0].map.level, MpbLevel::Raid5);
        }
    }
    assert!(all(only(&scanned(&disks))).is_some());
    let alone = [disks[0].clone(), disks[1].clone()];
    assert!(all(only(&scanned(&alone))).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damage_is_an_error_or_less_and_never_a_panic(
        changes in proptest::collection::vec((0..600_usize, any::<u8>()), 1..6), migrate in proptest::option::of(0..6_u8),
    ) {
        let mut disks = Disk::all("imsm-r5", 3);
        for disk in &mut disks {
            if let Some(kind) = migrate {
                disk.migrate(kind, 3, Some(2));
            }
            for (offset, byte) in &changes {
                disk.mpb[*offset] = *byte;
            }
            disk.seal(512);
        }
        for node in &scanned(&disks).nodes {
            let mut bytes = [0; 4096];
            let _ = node.volume.data.read_exact_at(node.volume.data.size() / 2, &mut bytes);
        }
    }
}
