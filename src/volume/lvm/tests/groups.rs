//! Groups that are damaged, incomplete, copied, or made of themselves.

use super::made::{PE_START, device, disk, group, id, logical, piece, sectors, write_area};
use crate::lvm::Lvm;
use crate::map::Faults;
use crate::{Device, Error, Group, Health, MemberState, Purpose, Volume, VolumeManager, scan};
use proptest::prelude::*;
use std::sync::Arc;

fn assemble(devices: &[Device]) -> Result<Group, Error> {
    Lvm.assemble(&devices.iter().collect::<Vec<_>>(), &Arc::new(Faults::default()))
}

fn sets(devices: &[Device]) -> Vec<(String, Vec<usize>, bool)> {
    let sets = Lvm.sets(&devices.iter().collect::<Vec<_>>());
    sets.into_iter().map(|set| (set.id, set.members, set.complete)).collect()
}

fn volume<'a>(group: &'a Group, name: &str) -> &'a Volume {
    group.volumes.iter().find(|volume| volume.name == name).unwrap()
}

/// One disk with these volumes.
fn single(volumes: &str) -> Group {
    assemble(&[device("disk 0", disk("a", Some(&group("vg", 1, &["a"], volumes))))]).unwrap()
}

fn why(volume: &Volume) -> &str {
    match &volume.purpose {
        Purpose::Refused(why) => why,
        other => panic!("{}: {other:?}", volume.name),
    }
}

#[test]
fn a_text_that_goes_on_at_the_start_of_its_ring_is_read() {
    let text = group("vg", 1, &["a"], &logical("lv", &[(2, &piece("pv0", 5))]));
    let mut bytes = disk("a", None);
    write_area(&mut bytes, &text, 16384 - 100);
    let group = assemble(&[device("disk 0", bytes)]).unwrap();
    assert_eq!(sectors(volume(&group, "lv").data.as_ref()), [Some(('a', 5)), Some(('a', 6))]);
}

#[test]
fn the_newest_text_of_all_members_counts() {
    let old = group("vg", 1, &["a", "b"], &logical("lv", &[(1, &piece("pv0", 0))]));
    let new = group("vg", 2, &["a", "b"], &logical("lv", &[(1, &piece("pv1", 7))]));
    let disks = [device("disk 0", disk("a", Some(&old))), device("disk 1", disk("b", Some(&new)))];
    let group = assemble(&disks).unwrap();
    assert_eq!(sectors(volume(&group, "lv").data.as_ref()), [Some(('b', 7))]);
    assert_eq!(group.notices, ["disk 0: it describes version 1 of the group, and the newest is 2, which is used"]);
    assert_eq!(sets(&disks), [("vg0000-0000-0000-0000-0000-0000-000000".to_owned(), vec![0, 1], true)]);
}

#[test]
fn a_member_without_metadata_joins_by_its_uuid() {
    let text = group("vg", 1, &["a", "b"], &logical("lv", &[(1, &piece("pv1", 3))]));
    let disks = [device("disk 0", disk("b", None)), device("disk 1", disk("a", Some(&text)))];
    let [(_, members, complete)] = &sets(&disks)[..] else { panic!() };
    assert_eq!((members.as_slice(), complete), ([1, 0].as_slice(), &true));
    assert_eq!(sectors(volume(&assemble(&disks).unwrap(), "lv").data.as_ref()), [Some(('b', 3))]);
    // Nobody names the other one.
    let disks = [device("disk 0", disk("c", None))];
    assert_eq!(sets(&disks), [("alone disk 0".to_owned(), vec![0], false)]);
    assert_eq!(assemble(&disks).unwrap().kind, "LVM2 physical volume");
}

#[test]
fn a_missing_member_loses_what_was_on_it_and_nothing_else() {
    let volumes = logical("there", &[(1, &piece("pv0", 0))])
        + &logical("half", &[(1, &piece("pv0", 1)), (1, &piece("pv1", 1))])
        + &logical("gone", &[(1, &piece("pv1", 2))]);
    let disks = [device("disk 0", disk("a", Some(&group("vg", 1, &["a", "b"], &volumes))))];
    let [(_, _, false)] = &sets(&disks)[..] else { panic!("it is complete") };
    let group = assemble(&disks).unwrap();
    let state = |name: &str| (volume(&group, name).health, sectors(volume(&group, name).data.as_ref()));
    assert_eq!(state("there"), (Health::Whole, vec![Some(('a', 0))]));
    assert_eq!(state("half"), (Health::Partial, vec![Some(('a', 1)), None]));
    assert_eq!(state("gone"), (Health::Unreadable, vec![None]));
    assert_eq!(group.health, Health::Partial);
    let error = volume(&group, "gone").data.read_exact_at(0, &mut [0]).unwrap_err().to_string();
    assert!(
        error.contains("physical volume b00000-0000-0000-0000-0000-0000-000000 (was /dev/b) is missing"),
        "{error}"
    );
    assert_eq!(group.members[1].state, MemberState::Missing);
}

#[test]
fn a_member_that_is_marked_missing_is_read_where_nothing_else_holds_the_same() {
    let mirror = |legs: &str| format!("type = \"mirror\"\nmirror_count = 2\nregion_size = 1\nmirrors = [{legs}]");
    let volumes = logical("lv", &[(1, &piece("pv1", 0))])
        + &logical("first", &[(1, &mirror("\"pv1\", 2, \"pv0\", 1"))])
        + &logical("second", &[(1, &mirror("\"pv0\", 3, \"pv1\", 4"))]);
    let text = group("vg", 2, &["a", "b"], &volumes);
    let from = "device = \"/dev/b\"\nstatus = [\"ALLOCATABLE\"]\nflags = []";
    let marked = text.replacen(from, "status = []\nflags = [\"MISSING\"]", 1);
    assert_ne!(text, marked);
    let older = text.replacen("seqno = 2", "seqno = 1", 1);
    let disks = [device("disk 0", disk("a", Some(&marked))), device("disk 1", disk("b", Some(&older)))];
    let group = assemble(&disks).unwrap();
    assert_eq!(sectors(volume(&group, "lv").data.as_ref()), [Some(('b', 0))]);
    // The kernel would take the first leg for the truth, which is what was, and the second is not known to be the same.
    assert_eq!(sectors(volume(&group, "first").data.as_ref()), [None]);
    assert_eq!(sectors(volume(&group, "second").data.as_ref()), [Some(('a', 3))]);
    assert_eq!(group.members[1].state, MemberState::Stale);
    assert!(group.notices.iter().any(|notice| notice.contains("disk 1: the group was changed while it was missing")));
}

#[test]
fn copies_of_a_group_are_told_apart_or_refused() {
    let lone = |name: &str| device(name, disk("a", Some(&group("one", 1, &["a"], ""))));
    let ids: Vec<_> =
        sets(&[lone("disk 0"), lone("disk 1")]).into_iter().map(|(_, members, all)| (members, all)).collect();
    assert_eq!(ids, [(vec![0], true), (vec![1], true)]);
    let pair = |name: &str, which: &str, seqno| device(name, disk(which, Some(&group("two", seqno, &["a", "b"], ""))));
    let members = |devices: &[Device]| {
        let mut sets: Vec<_> = sets(devices).into_iter().map(|(_, members, all)| (members, all)).collect();
        sets.sort();
        sets
    };
    // Of different times.
    let devices = [pair("disk 0", "a", 1), pair("disk 1", "b", 1), pair("disk 2", "b", 2), pair("disk 3", "a", 2)];
    assert_eq!(members(&devices), [(vec![0, 1], true), (vec![2, 3], true)]);
    // Each on one disk.
    let named = |disk: usize, which: &str| pair(&format!("disk {disk} partition {}", which.len()), which, 1);
    let devices = [named(0, "a"), named(0, "b"), named(1, "a"), named(1, "b")];
    assert_eq!(members(&devices), [(vec![0, 1], true), (vec![2, 3], true)]);
    // Which belong together nobody knows.
    let devices = [pair("disk 0", "a", 1), pair("disk 1", "b", 1), pair("disk 2", "b", 1)];
    assert_eq!(members(&devices), [(vec![0, 1, 2], false)]);
    let error = assemble(&devices).err().unwrap().to_string();
    assert!(error.contains("disk 1 and disk 2 are copies of one physical volume"), "{error}");
    let devices = [pair("disk 0", "a", 1), pair("disk 1", "b", 1), pair("disk 2", "b", 1), pair("disk 3", "a", 1)];
    assert_eq!(members(&devices), [(vec![0, 1, 2, 3], false)]);
}

#[test]
fn copies_come_in_the_order_of_versions_and_of_disks() {
    let pair = |disk_name: &str, which: &str, seqno| {
        device(disk_name, disk(which, Some(&group("two", seqno, &["a", "b"], ""))))
    };
    let members = |devices: &[Device]| -> Vec<_> { sets(devices).into_iter().map(|(_, members, _)| members).collect() };
    let by_time = [pair("disk 0", "a", 10), pair("disk 1", "b", 10), pair("disk 2", "a", 9), pair("disk 3", "b", 9)];
    assert_eq!(members(&by_time), [[2, 3], [0, 1]]);
    let names = ["disk 2 partition 1", "disk 2 partition 2", "disk 10 partition 1", "disk 10 partition 2"];
    let by_disk: Vec<_> = names.iter().zip(["a", "b", "a", "b"]).map(|(name, which)| pair(name, which, 1)).collect();
    assert_eq!(members(&by_disk), [[0, 1], [2, 3]]);
}

#[test]
fn copies_of_a_group_say_which_they_are() {
    let copy = |seqno: u64, time: &str| {
        let text = group("vg", seqno, &["a"], "") + time;
        device("", disk("a", Some(&text)))
    };
    let scan = scan(&[copy(9, "creation_time = 1700000000\n"), copy(10, ""), device("", disk("b", None))]);
    let notices: Vec<_> = scan.groups.iter().flat_map(|group| &group.notices).filter(|it| it.contains("cop")).collect();
    let expected = [
        "there are 2 copies of it: this one is of disk 0, version 9, written 2023-11-14 22:13 UTC",
        "there are 2 copies of it: this one is of disk 1, version 10",
    ];
    assert_eq!(notices, expected);
    assert!(expected.iter().all(|notice| scan.notices.contains(&format!("vg: {notice}"))), "{:?}", scan.notices);
}

#[test]
fn groups_of_one_name_are_two() {
    let text = |uuid: &str, which: &str| {
        group("vg", 1, &[which], &logical("lv", &[(1, &piece("pv0", 0))])).replacen(&id("vg"), &id(uuid), 1)
    };
    let disks = [("a", "x"), ("b", "y")].map(|(which, uuid)| device("", disk(which, Some(&text(uuid, which)))));
    let scan = scan(&disks);
    let names: Vec<_> =
        scan.volumes().map(|node| (node.position.clone(), sectors(node.volume.data.as_ref()))).collect();
    let expected = [("vg-x0000000/lv", 'a'), ("vg-y0000000/lv", 'b')];
    assert_eq!(names, expected.map(|(name, which)| (name.to_owned(), vec![Some((which, 0))])));
}

#[test]
fn a_volume_made_of_itself_is_an_error() {
    let group = single(
        &(logical("self", &[(1, &piece("self", 0))])
            + &logical("a", &[(1, &piece("b", 0))])
            + &logical("b", &[(1, &piece("c", 0))])
            + &logical("c", &[(1, &piece("pv0", 0)), (1, &piece("a", 0))])
            + &logical("leads", &[(1, &piece("a", 0))])
            + &logical("fine", &[(1, &piece("pv0", 1))])),
    );
    for name in ["self", "a", "b", "c", "leads"] {
        assert!(why(volume(&group, name)).contains("is made of itself"), "{name}");
        assert_eq!(volume(&group, name).health, Health::Unreadable);
    }
    assert_eq!(sectors(volume(&group, "fine").data.as_ref()), [Some(('a', 1))]);
}

#[test]
fn a_chain_of_volumes_ends() {
    let over = |number| logical(&format!("v{number}"), &[(1, &piece(&format!("v{}", number - 1), 0))]);
    // The last one is asked for first.
    let volumes: String = (1..40).rev().map(over).collect();
    let group = single(&(volumes + &logical("v0", &[(1, &piece("pv0", 0))])));
    assert!(
        group.volumes.iter().any(|volume| why_if_any(volume).is_some_and(|why| why.contains("more than 16 volumes")))
    );
}

fn why_if_any(volume: &Volume) -> Option<String> {
    match &volume.purpose {
        Purpose::Refused(why) => Some(why.clone()),
        _ => volume.data.read_exact_at(0, &mut [0]).err().map(|error| error.to_string()),
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let stripes = |rest: &str| format!("type = \"striped\"\n{rest}");
    let bad = [
        ("outside", piece("pv0", 64), "1 extents from 64 on of physical volume"),
        ("nowhere", piece("pv9", 0), "it is made of pv9, which is not there"),
        ("negative", piece("pv0", 0).replace(", 0]", ", -1]"), "its stripes have extent -1"),
        (
            "odd",
            stripes("stripe_count = 2\nstripe_size = 1\nstripes = [\"pv0\", 0, \"pv0\", 1]"),
            "1 extents over 2 stripes",
        ),
        (
            "few",
            stripes("stripe_count = 2\nstripe_size = 1\nstripes = [\"pv0\", 0]"),
            "1 stripes, and its stripe_count is 2",
        ),
        ("many", stripes("stripe_count = 99999999\nstripes = []"), "its stripe_count is 99999999"),
        ("nothing", stripes("stripe_count = 0\nstripes = []"), "its stripe_count is 0"),
        ("names", stripes("stripe_count = 1\nstripes = [\"pv0\"]"), "its stripes are no names with extents"),
        ("vdo", "type = \"vdo\"".to_owned(), "VDO"),
        ("integrity", "type = \"integrity\"".to_owned(), "integrity"),
        ("future", "type = \"striped+FUTURE\"".to_owned(), "striped+FUTURE"),
        ("error", "type = \"error\"".to_owned(), "it is made of error segments"),
    ];
    let volumes: String = bad.iter().map(|(name, segment, _)| logical(name, &[(1, segment.as_str())])).collect();
    let group = single(&(volumes + &logical("fine", &[(1, &piece("pv0", 1))])));
    for (name, _, expected) in bad {
        assert!(why(volume(&group, name)).contains(expected), "{name}: {}", why(volume(&group, name)));
    }
    assert_eq!(volume(&group, "fine").purpose, Purpose::Data);
}

#[test]
fn a_volume_with_a_flag_that_is_not_known_is_refused_by_name() {
    let text = group("vg", 1, &["a"], &logical("lv", &[(3, &piece("pv0", 0))]));
    let changed = text.replace("\"VISIBLE\"]", "\"VISIBLE\", \"FROM_THE_FUTURE\"]");
    assert_ne!(text, changed);
    let group = assemble(&[device("disk 0", disk("a", Some(&changed)))]).unwrap();
    let volume = volume(&group, "lv");
    assert_eq!(why(volume), "its status has FROM_THE_FUTURE, which is not known here");
    assert_eq!(volume.bytes, 3 * 512);
}

#[test]
fn a_volume_whose_segments_are_damaged_keeps_its_size() {
    let volumes = logical("lv", &[(2, &piece("pv0", 0)), (3, &piece("pv0", 9))]);
    let group = single(&volumes.replacen("stripe_count = 1", "stripe_count = 2", 1));
    let volume = volume(&group, "lv");
    assert!(why(volume).contains("stripe_count is 2"));
    assert_eq!((volume.bytes, sectors(volume.data.as_ref())), (5 * 512, vec![None; 5]));
}

#[test]
fn a_snapshot_keeps_the_size_that_its_origin_had() {
    let snapshot = "type = \"snapshot\"\nchunk_size = 8\norigin = \"origin\"\ncow_store = \"early\"";
    let volumes = logical("origin", &[(5, &piece("pv0", 0))])
        + &logical("early", &[(8, &piece("pv0", 20))])
        + &logical("snapshot0", &[(2, snapshot)]);
    let text = group("vg", 1, &["a"], &volumes);
    let mut bytes = disk("a", Some(&text));
    let store = |extent: usize| (PE_START as usize + extent) * 512;
    // One that nothing was written to yet.
    bytes[store(20)..store(28)].fill(0);
    let group = assemble(&[device("disk 0", bytes)]).unwrap();
    assert_eq!(volume(&group, "origin").bytes, 5 * 512);
    assert_eq!(sectors(volume(&group, "early").data.as_ref()), [Some(('a', 0)), Some(('a', 1))]);
    // Nothing that can be read: the same size.
    let mut bytes = disk("a", Some(&text));
    bytes[store(20)..store(28)].fill(7);
    let group = assemble(&[device("disk 0", bytes)]).unwrap();
    assert!(why_if_any(volume(&group, "early")).is_some());
    assert_eq!(sectors(volume(&group, "early").data.as_ref()), [None, None]);
}

#[test]
fn segments_that_overlap_or_leave_gaps_are_refused() {
    let lv = logical("lv", &[(2, &piece("pv0", 0)), (2, &piece("pv0", 4))]);
    for (start, what) in [("1", "overlaps the one before it"), ("3", "leaves a gap before it")] {
        let group = single(&lv.replacen("start_extent = 2", &format!("start_extent = {start}"), 1));
        assert!(why(volume(&group, "lv")).contains(what));
    }
    let group = single(&lv.replacen("segment_count = 2", "segment_count = 3", 1));
    assert!(why(volume(&group, "lv")).contains("2 segments, and its segment_count is 3"));
}

#[test]
fn volumes_that_share_extents_are_refused() {
    let group = single(
        &(logical("a", &[(4, &piece("pv0", 0))])
            + &logical("b", &[(2, &piece("pv0", 3))])
            + &logical("c", &[(2, &piece("pv0", 5))])),
    );
    for name in ["a", "b"] {
        assert!(why(volume(&group, name)).contains("extent 3 of physical volume"), "{name}");
    }
    assert_eq!(volume(&group, "c").purpose, Purpose::Data);
}

#[test]
fn a_disk_that_was_cut_short_is_read_up_to_its_end() {
    let mut bytes = disk("a", Some(&group("vg", 1, &["a"], &logical("lv", &[(4, &piece("pv0", 60))]))));
    bytes.truncate((64 + 62) * 512);
    let group = assemble(&[device("disk 0", bytes)]).unwrap();
    assert_eq!(sectors(volume(&group, "lv").data.as_ref()), [Some(('a', 60)), Some(('a', 61)), None, None]);
    assert_eq!(volume(&group, "lv").health, Health::Partial);
    assert!(group.notices[0].contains("what is behind its end cannot be read"));
}

#[test]
fn damaged_labels_and_areas_are_told() {
    let text = group("vg", 1, &["a"], "");
    let mut bytes = disk("a", Some(&text));
    bytes[512 + 40] ^= 1;
    let error = Lvm.probe(&device("disk 0", bytes)).unwrap_err().to_string();
    assert!(error.starts_with("the label in sector 1: its checksum is"), "{error}");
    let mut bytes = disk("a", Some(&text));
    bytes[4096 + 520] ^= 1;
    let group = assemble(&[device("disk 0", bytes)]).unwrap();
    assert!(
        group.notices[0].contains("the metadata area at byte 4096: the checksum of its text is"),
        "{:?}",
        group.notices
    );
    assert_eq!(Lvm.probe(&device("disk 0", vec![0; 1000])).unwrap(), None);
}

#[test]
fn a_copy_of_the_label_in_another_sector_is_none() {
    let mut bytes = disk("a", None);
    bytes.copy_within(512..1024, 1024);
    bytes[512..1024].fill(0);
    let error = Lvm.probe(&device("disk 0", bytes)).unwrap_err().to_string();
    assert!(error.contains("it says that it is in sector 1"), "{error}");
}

fn sample() -> Vec<u8> {
    let raid = "type = \"raid5_ls\"\ndevice_count = 3\nstripe_size = 1\nregion_size = 2\n\
                raids = [\"m_rmeta_0\", \"i0\", \"m_rmeta_1\", \"i1\", \"m_rmeta_2\", \"i2\"]";
    let mut volumes = logical("r5", &[(4, raid)]);
    for number in 0..3 {
        volumes += &logical(&format!("m_rmeta_{number}"), &[(1, &piece("pv0", number))]);
        volumes += &logical(&format!("i{number}"), &[(2, &piece("pv0", 10 + 2 * number))]);
    }
    let mirror = "type = \"mirror\"\nmirror_count = 2\nregion_size = 1\nmirrors = [\"i0\", 0, \"i1\", 0]";
    volumes += &logical("m", &[(2, mirror)]);
    disk("a", Some(&group("vg", 1, &["a"], &volumes)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_is_an_error_and_never_a_panic(
        places in prop::collection::vec((0_usize..65536, any::<u8>()), 1..6),
        text in prop::collection::vec((0_usize..3000, any::<u8>()), 0..4),
    ) {
        let mut bytes = sample();
        // Text that was changed, with a checksum that is right.
        let start = 4096 + 512;
        let length = bytes[start..].iter().position(|byte| *byte == 0).unwrap();
        let mut changed = bytes[start..start + length].to_vec();
        for (at, byte) in text {
            let at = at % changed.len();
            changed[at] = byte;
        }
        write_area(&mut bytes, &String::from_utf8_lossy(&changed), 512);
        for (at, byte) in places {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let scan = scan(&[device("", bytes)]);
        for node in &scan.nodes {
            drop(sectors(node.volume.data.as_ref()));
        }
    }
}
