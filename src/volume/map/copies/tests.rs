use super::*;
use crate::map::{Faults, Leg, Map};
use block::{BlockSize, MemoryDisk, ReadAt, ReadErrorKind};
use std::sync::Arc;

const CHUNK: u64 = 512;

fn raid10(near: u64, far: u64, offset: bool, far_sets: FarSets) -> Raid10 {
    Raid10 { near, far, offset, far_sets }
}

fn made(layout: Raid10, devices: u64, device_chunks: u64) -> Copies {
    let (stride, size) = layout.stride_and_size(devices, CHUNK, device_chunks * CHUNK).unwrap();
    Copies::new(layout, devices, CHUNK, stride, size).unwrap()
}

/// Which chunk is where, a line for each row of chunks, a letter for each device.
fn drawn(layout: Raid10, devices: u64, device_chunks: u64) -> String {
    let copies = made(layout, devices, device_chunks);
    let mut rows = vec![vec!['.'; devices as usize]; device_chunks as usize];
    for chunk in 0..copies.size() / CHUNK {
        for place in copies.places(chunk * CHUNK).unwrap() {
            let cell = &mut rows[(place.offset / CHUNK) as usize][place.member];
            assert_eq!(*cell, '.', "two chunks in one place");
            *cell = char::from(b'A' + chunk as u8);
        }
    }
    rows.into_iter().map(|row| row.into_iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// As the manuals draw them: md(4), and dm-raid's of the kernel for those with sets.
#[test]
fn layouts_are_those_that_the_manuals_draw() {
    let whole = FarSets::Whole;
    assert_eq!(drawn(raid10(2, 1, false, whole), 2, 3), "AA BB CC");
    assert_eq!(drawn(raid10(2, 1, false, whole), 3, 4), "AAB BCC DDE EFF");
    assert_eq!(drawn(raid10(2, 1, false, whole), 4, 3), "AABB CCDD EEFF");
    assert_eq!(drawn(raid10(1, 2, false, whole), 2, 4), "AB CD BA DC");
    assert_eq!(drawn(raid10(1, 2, false, whole), 3, 4), "ABC DEF CAB FDE");
    assert_eq!(drawn(raid10(1, 2, false, whole), 4, 4), "ABCD EFGH DABC HEFG");
    assert_eq!(drawn(raid10(1, 2, false, FarSets::Improved), 4, 4), "ABCD EFGH BADC FEHG");
    assert_eq!(drawn(raid10(1, 2, true, whole), 2, 4), "AB BA CD DC");
    assert_eq!(drawn(raid10(1, 2, true, whole), 3, 4), "ABC CAB DEF FDE");
    assert_eq!(drawn(raid10(1, 2, true, FarSets::Improved), 4, 4), "ABCD BADC EFGH FEHG");
    assert_eq!(drawn(raid10(1, 3, false, whole), 4, 3), "ABCD DABC CDAB");
    // Five devices in sets of two: the last set has three.
    assert_eq!(drawn(raid10(1, 2, false, FarSets::Improved), 5, 2), "ABCDE BAECD");
    assert_eq!(drawn(raid10(2, 2, false, whole), 4, 2), "AABB BBAA");
}

/// Copies as the manual describes them: each chunk `near` times, dealt to the devices in rows; all of that again for each
/// far copy, with each device's going to the device `near` further on in its set.
fn modelled(layout: Raid10, devices: usize, device_chunks: usize, chunks: usize) -> Vec<Vec<Option<usize>>> {
    let (near, far) = (layout.near as usize, layout.far as usize);
    let set = match layout.far_sets {
        FarSets::Whole => devices,
        FarSets::Divided => devices / far,
        FarSets::Improved => near * far,
    };
    let sets = devices / set;
    let next = |device: usize| {
        let first = (device / set).min(sets - 1) * set;
        let size = if first / set == sets - 1 { devices - first } else { set };
        first + (device - first + near) % size
    };
    let mut grid = vec![vec![None; device_chunks]; devices];
    for (number, chunk) in (0..chunks).flat_map(|chunk| std::iter::repeat_n(chunk, near)).enumerate() {
        let (row, mut device) = (number / devices, number % devices);
        for copy in 0..far {
            let at = if layout.offset { row * far + copy } else { copy * (device_chunks / far) + row };
            grid[device][at] = Some(chunk);
            device = next(device);
        }
    }
    grid
}

#[test]
fn every_layout_is_read_whole_without_any_devices_that_leave_a_copy_of_each_chunk() {
    let mut read = 0;
    for near in 1..4 {
        for (far, offset) in [(1, false), (2, false), (3, false), (2, true), (3, true)] {
            for far_sets in [FarSets::Whole, FarSets::Divided, FarSets::Improved] {
                for devices in (near * far).max(2)..8 {
                    let layout = raid10(near, far, offset, far_sets);
                    let set = layout.set(devices).unwrap().get();
                    // With others md's own arithmetic differs from what the manual says; mdadm makes none of them.
                    let fits = devices % set == 0 && (!offset || devices % near == 0);
                    if near * far > 1 && set >= near && (near == 1 || fits) {
                        read += check(layout, devices as usize);
                    }
                }
            }
        }
    }
    assert!(read > 1000, "{read}");
}

fn check(raid10: Raid10, devices: usize) -> usize {
    let device_chunks = 2 * 3 * raid10.far as usize;
    let copies = made(raid10, devices as u64, device_chunks as u64);
    let chunks = (copies.size() / CHUNK) as usize;
    let grid = modelled(raid10, devices, device_chunks, chunks);
    let content =
        |chunk: Option<usize>| chunk.map_or([0xee; CHUNK as usize], |chunk| [chunk as u8 + 1; CHUNK as usize]);
    let volume: Vec<u8> = (0..chunks).flat_map(|chunk| content(Some(chunk))).collect();
    let mut read = 0;
    for without in 0..1_usize << devices {
        let is_there = |device: usize| without >> device & 1 == 0;
        let has = |chunk| (0..devices).any(|device| is_there(device) && grid[device].contains(&Some(chunk)));
        let leg = |device: usize| {
            let bytes: Vec<u8> = grid[device].iter().copied().flat_map(content).collect();
            let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(bytes, BlockSize::B512));
            Leg { name: format!("disk {device}"), data: is_there(device).then_some(disk) }
        };
        let layout = Box::new(made(raid10, devices as u64, device_chunks as u64));
        let map = Map::new(layout, (0..devices).map(leg).collect(), &Arc::new(Faults::default()));
        let mut bytes = vec![0; volume.len()];
        let result = map.read_exact_at(0, &mut bytes);
        assert_eq!(result.is_ok(), (0..chunks).all(has), "{raid10:?} {devices} {without:b} {result:?}");
        assert!(result.is_err() || bytes == volume, "{raid10:?} {devices} {without:b}");
        read += usize::from(result.is_ok());
    }
    read
}

#[test]
fn md_numbers_layouts_so() {
    let far_2 = 1 | 2 << 8;
    assert_eq!(Raid10::from_md(0x102), Some(raid10(2, 1, false, FarSets::Whole)));
    assert_eq!(Raid10::from_md(far_2), Some(raid10(1, 2, false, FarSets::Whole)));
    assert_eq!(Raid10::from_md(far_2 | 1 << 16), Some(raid10(1, 2, true, FarSets::Whole)));
    assert_eq!(Raid10::from_md(far_2 | 1 << 17), Some(raid10(1, 2, false, FarSets::Divided)));
    assert_eq!(Raid10::from_md(far_2 | 1 << 18), Some(raid10(1, 2, false, FarSets::Improved)));
    for layout in [0, 2, 0x100, far_2 | 3 << 17, far_2 | 1 << 19, u32::MAX] {
        assert_eq!(Raid10::from_md(layout), None, "{layout:#x}");
    }
}

#[test]
fn sizes_are_those_of_md() {
    let size =
        |layout: Raid10, devices, chunks: u64| layout.stride_and_size(devices, 4096, chunks * 4096 + 511).unwrap();
    assert_eq!(size(raid10(2, 1, false, FarSets::Whole), 3, 5), (5 * 4096, 7 * 4096));
    assert_eq!(size(raid10(1, 2, false, FarSets::Whole), 3, 5), (2 * 4096, 6 * 4096));
    assert_eq!(size(raid10(1, 2, true, FarSets::Whole), 3, 5), (4096, 6 * 4096));
    assert_eq!(raid10(2, 1, false, FarSets::Whole).stride_and_size(4, 0, 1 << 20), None);
    assert_eq!(raid10(2, 1, false, FarSets::Whole).stride_and_size(4, 512, u64::MAX), None);
}

#[test]
fn volumes_that_cannot_be_are_refused() {
    let new = |layout, devices, chunk| Copies::new(layout, devices, chunk, 1 << 20, 1 << 20).is_some();
    let near = raid10(2, 1, false, FarSets::Whole);
    assert!(new(near, 2, 512) && new(near, 4096, 512));
    assert!(!new(near, 0, 512) && !new(near, 1, 512) && !new(near, 4097, 512) && !new(near, 2, 0));
    assert!(!new(near, 2, 1000) && !new(raid10(0, 2, false, FarSets::Whole), 4, 512));
    assert!(!new(raid10(2, 0, false, FarSets::Divided), 4, 512) && !new(raid10(2, 2, false, FarSets::Whole), 3, 512));
    let far = Copies::new(raid10(1, 2, false, FarSets::Whole), 2, 512, u64::MAX / 2, u64::MAX).unwrap();
    assert!([0, u64::MAX / 2, u64::MAX].into_iter().all(|offset| far.piece(offset).unwrap().length <= 512));
}

#[test]
fn a_mirror_is_read_from_any_leg_that_is_there() {
    let disk = || Arc::new(MemoryDisk::new(vec![7; 2048], BlockSize::B512)) as Arc<dyn ReadAt>;
    let leg = |number: usize, there: bool| Leg { name: format!("leg {number}"), data: there.then(disk) };
    for there in 0..8 {
        let legs = (0..3).map(|number| leg(number, there >> number & 1 == 1)).collect();
        let map = Map::new(Box::new(Mirror::new(3, 1536)), legs, &Arc::default());
        let mut bytes = [0; 1000];
        let result = map.read_exact_at(536, &mut bytes).map_err(|error| (error.kind, error.to_string()));
        assert_eq!(map.size(), 1536);
        match result {
            Ok(()) => assert!(there != 0 && bytes == [7; 1000]),
            Err((kind, text)) => {
                assert!(there == 0 && kind == ReadErrorKind::Missing);
                assert!(text.contains("leg 0 is missing; leg 1 is missing; leg 2 is missing"), "{text}");
            }
        }
    }
    let nothing = Map::new(Box::new(Mirror::new(0, 512)), Vec::new(), &Arc::default());
    assert_eq!(nothing.read_exact_at(0, &mut [0; 9]).map_err(|error| error.kind), Err(ReadErrorKind::Missing));
}
