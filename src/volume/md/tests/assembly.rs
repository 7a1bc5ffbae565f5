//! Who is a member and who is not, and what is read then.

use super::arrays::{Array, array_of};
use super::crafted::{
    CHUNK_SECTORS, COMPONENT_SECTORS, DATA_SECTOR, FAULTY, Made, SPARE, change_members, count, disk, fill, geometry,
    members, readable, readable_sectors, write,
};
use crate::md::geometry::Level;
use crate::md::superblock::SECTOR;
use crate::{Health, MemberState, Purpose};

const MIRROR: i32 = 1;
const RAID5: i32 = 5;
const LEFT_SYMMETRIC: u32 = 2;

fn array(disks: &[Vec<u8>]) -> Array {
    array_of(&disks.iter().map(|disk| readable(disk)).collect::<Vec<_>>())
}

fn states(array: &Array) -> Vec<MemberState> {
    let mut members = array.members.clone();
    members.sort_by_key(|member| member.device.unwrap_or(usize::MAX));
    members.iter().map(|member| member.state).collect()
}

fn all_read(array: &Array) -> bool {
    let (read, all) = count(&array.data);
    assert!(all > 0);
    read == all
}

#[test]
fn an_array_is_described_by_its_superblock() {
    let mut disks = members(RAID5, LEFT_SYMMETRIC, 3);
    disks.reverse();
    let array = array(&disks);
    assert_eq!(array.kind, "md RAID 5");
    assert_eq!(array.layout, "RAID 5 of 3, left-symmetric, chunks of 4 KiB");
    assert_eq!(array.name.as_deref(), Some("name"));
    assert_eq!(array.uuid.as_deref(), Some("30313233:34353637:38396162:63646566"));
    assert_eq!(array.health, Health::Whole);
    let roles: Vec<_> = array.members.iter().map(|member| (member.device, member.role.as_str())).collect();
    assert_eq!(roles, [(Some(0), "device 2"), (Some(1), "device 1"), (Some(2), "device 0")]);
    assert!(all_read(&array));
}

#[test]
fn a_member_may_be_one_event_behind_and_no_more() {
    for (behind, state) in [(0, MemberState::Active), (1, MemberState::Active), (2, MemberState::Stale)] {
        let disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |number, made| {
            made.events -= if number == 1 { behind } else { 0 };
        });
        let array = array(&disks);
        assert_eq!(states(&array), [MemberState::Active, state, MemberState::Active], "{behind}");
        assert!(all_read(&array));
        assert_eq!(array.health, if behind < 2 { Health::Whole } else { Health::Degraded });
    }
}

#[test]
fn a_member_that_the_freshest_knows_as_failed_is_left_out_even_if_it_is_one_event_behind() {
    let mut disks = change_members(MIRROR, 0, 2, |number, made| match number {
        0 => made.roles = vec![0, FAULTY],
        _ => made.events -= 1,
    });
    disks[1][(DATA_SECTOR * SECTOR) as usize..].fill(0xaa);
    let array = array(&disks);
    assert_eq!(states(&array), [MemberState::Active, MemberState::Stale]);
    assert_eq!(array.health, Health::Degraded);
    assert!(all_read(&array));
}

#[test]
fn halves_of_a_mirror_that_went_separate_ways_are_not_mixed() {
    for (first, second, fresh) in
        [((9, 5), (10, 4), 1), ((10, 5), (10, 4), 0), ((10, 4), (10, 5), 1), ((12, 9), (10, 9), 0)]
    {
        let mut disks = change_members(MIRROR, 0, 2, |number, made| {
            (made.events, made.utime) = if number == 0 { first } else { second };
            made.roles[1 - usize::from(number)] = FAULTY;
        });
        disks[1 - fresh][(DATA_SECTOR * SECTOR) as usize..].fill(0xaa);
        let array = array(&disks);
        assert_eq!(array.devices(MemberState::Active), [fresh], "{first:?} {second:?}");
        assert!(all_read(&array));
        assert!(array.notices.iter().any(|notice| notice.contains("without the others")), "{:?}", array.notices);
    }
}

#[test]
fn of_two_devices_in_one_role_the_younger_counts_and_of_equals_none() {
    // The event count of the other one, the time of its last change, its size; who of the two is read, and what is said.
    for (events, utime, grown, expected, told) in [
        (9, 2_000, 0, Some(1), "out of date"),
        (10, 1_999, 0, Some(1), "as it was earlier (1970-01-01 00:33:19 UTC instead of 1970-01-01 00:33:20 UTC)"),
        (10, 2_000, 0, Some(1), "with the same superblock"),
        (10, 2_000, 512, None, "open the array again without"),
    ] {
        for is_first in [false, true] {
            let mut disks = members(RAID5, LEFT_SYMMETRIC, 3);
            let twin = Made { events, utime, ..Made::new(RAID5, LEFT_SYMMETRIC, 3, 1) };
            let mut bad = disks[1].clone();
            if told != "with the same superblock" {
                bad[(DATA_SECTOR * SECTOR) as usize..].fill(0xaa);
            }
            write(&mut bad, twin.at, &twin.bytes());
            bad.resize(bad.len() + grown, 0);
            disks.insert(if is_first { 0 } else { 3 }, bad);
            let array = array(&disks);
            let (own, other) = if is_first { (2, 0) } else { (1, 3) };
            let read = array.devices(MemberState::Active);
            let is_equal = told == "with the same superblock";
            let (right, wrong) = if is_equal && is_first { (other, own) } else { (own, other) };
            assert_eq!(read.contains(&right), expected.is_some(), "{told}: {:?}", array.notices);
            assert!(!read.contains(&wrong));
            assert!(array.notices.iter().any(|notice| notice.contains(told)), "{:?}", array.notices);
            assert!(all_read(&array));
        }
    }
}

#[test]
fn members_of_different_times_are_told_and_the_newest_is_read_first() {
    for (level, layout, count) in [(MIRROR, 0, 2), (10, 0x102, 4)] {
        for (apart, is_dirty) in [(1, false), (60, false), (60, true)] {
            let mut disks = change_members(level, layout, count, |number, made| {
                made.utime -= if number.is_multiple_of(2) { apart } else { 0 };
                made.resync_offset = if is_dirty { 0 } else { u64::MAX };
                made.devflags = u8::from(apart > 1 && number == 1);
            });
            for old in disks.iter_mut().step_by(2).filter(|_| apart > 1) {
                old[(DATA_SECTOR * SECTOR) as usize..].fill(0xaa);
            }
            let array = array(&disks);
            assert!(all_read(&array), "{level} {apart}");
            let told = array.notices.iter().find(|notice| notice.contains("of different recovery points"));
            assert_eq!(told.is_some(), apart > 1, "{:?}", array.notices);
            assert_eq!(told.is_some_and(|told| told.contains("MAY MIX")), is_dirty);
            assert!(told.is_none_or(|told| told.contains("disk 0 at 1970-01-01 00:32:20 UTC")), "{told:?}");
        }
    }
}

#[test]
fn a_spare_is_not_read() {
    let mut disks = change_members(MIRROR, 0, 2, |_, made| made.roles.push(SPARE));
    let mut spare = Made::new(MIRROR, 0, 2, 2);
    spare.roles.push(SPARE);
    spare.events = 3;
    disks.insert(0, disk(&spare));
    let array = array(&disks);
    assert_eq!(states(&array), [MemberState::Spare, MemberState::Active, MemberState::Active]);
    assert_eq!(array.health, Health::Whole);
    assert!(all_read(&array));
}

#[test]
fn a_member_that_is_being_filled_is_read_as_far_as_that_went() {
    const RECOVERY_OFFSET: u32 = 2;
    let mut disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |number, made| {
        if number == 0 {
            (made.feature_map, made.recovery_offset) = (RECOVERY_OFFSET, 64);
        }
    });
    disks[0][((DATA_SECTOR + 64) * SECTOR) as usize..].fill(0xaa);
    let whole = array(&disks);
    assert_eq!(states(&whole)[0], MemberState::Rebuilding);
    assert_eq!(whole.health, Health::Degraded);
    assert!(all_read(&whole));
    // Without another one, everything is there up to that place, and behind it what is on the one that is left.
    let sectors = readable_sectors(&array(&disks[..2]).data);
    let (filled, rest) = sectors.split_at(128);
    assert!(filled.iter().all(|read| *read));
    assert!(rest.iter().any(|read| *read) && rest.iter().any(|read| !*read));
}

#[test]
fn a_replacement_stands_in_for_what_it_replaces() {
    let replacing = |disks: &mut Vec<Vec<u8>>| {
        let mut made = Made::new(RAID5, LEFT_SYMMETRIC, 3, 3);
        (made.feature_map, made.recovery_offset) = (16 + 2, 128);
        made.roles.push(1);
        let mut new = disks[1].clone();
        new[((DATA_SECTOR + 128) * SECTOR) as usize..].fill(0xaa);
        write(&mut new, made.at, &made.bytes());
        disks.push(new);
    };
    let mut disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| made.roles.push(1));
    replacing(&mut disks);
    let whole = array(&disks);
    assert_eq!(whole.health, Health::Whole);
    assert_eq!(whole.devices(MemberState::Rebuilding), [3]);
    assert!(all_read(&whole));
    disks.remove(1);
    let degraded = array(&disks);
    assert_eq!(degraded.health, Health::Degraded);
    assert!(all_read(&degraded));
}

#[test]
fn bad_blocks_are_read_from_others_or_not_at_all() {
    const BAD_BLOCKS: u32 = 8;
    let disks = || {
        let mut disks = change_members(MIRROR, 0, 2, |number, made| {
            if number == 0 {
                (made.feature_map, made.bblog) = (BAD_BLOCKS, (1, 1, 8));
            }
        });
        let mut list = vec![0xff; 512];
        // Counted in two sectors from the start of the device: sectors 10 to 15 of the data.
        let entry = ((DATA_SECTOR + 10) / 2) << 10 | 3;
        list[..8].copy_from_slice(&entry.to_le_bytes());
        write(&mut disks[0], 4096 + 8 * 512, &list);
        disks[0][((DATA_SECTOR + 10) * SECTOR) as usize..][..6 * 512].fill(0xaa);
        disks
    };
    assert!(all_read(&array(&disks())));
    let sectors = readable_sectors(&array(&disks()[..1]).data);
    let bad: Vec<_> = (0..sectors.len()).filter(|sector| !sectors[*sector]).collect();
    assert_eq!(bad, [10, 11, 12, 13, 14, 15]);
}

#[test]
fn of_a_mirror_those_for_writing_come_last() {
    let mut disks = change_members(MIRROR, 0, 2, |number, made| made.devflags = u8::from(number == 0));
    disks[0][(DATA_SECTOR * SECTOR) as usize..].fill(0xaa);
    assert!(all_read(&array(&disks)));
}

#[test]
fn without_a_member_raid_0_has_what_is_on_the_others() {
    let disks = members(0, 0, 3);
    let array = array(&disks[1..]);
    assert_eq!(array.health, Health::Partial);
    let sectors = readable_sectors(&array.data);
    assert_eq!(sectors.len() as u64, 3 * COMPONENT_SECTORS);
    let chunk = CHUNK_SECTORS as usize;
    assert!((0..sectors.len()).all(|sector| sectors[sector] != (sector / chunk).is_multiple_of(3)));
}

#[test]
fn raid_0_of_unequal_members_needs_its_layout_and_all_of_them() {
    const RAID0_LAYOUT: u32 = 4096;
    for (feature_map, kept, readable) in [(0, 3, false), (RAID0_LAYOUT, 3, true), (RAID0_LAYOUT, 2, false)] {
        let made = |number: u16| {
            let mut made = Made::new(0, 2, 3, number);
            made.feature_map = feature_map;
            made.data_size += if number > 0 { 64 } else { 0 };
            disk(&made)
        };
        let disks: Vec<_> = (0..kept).map(made).collect();
        let array = array(&disks);
        assert_eq!(array.purpose == Purpose::Data, readable, "{:?}", array.purpose);
        assert_eq!(array.data.size() / SECTOR, if kept == 3 { 3 * COMPONENT_SECTORS + 128 } else { 0 });
        if kept < 3 {
            let Purpose::Refused(why) = array.purpose else { panic!("it is not refused") };
            assert!(why.contains("needs all of its 3 devices; missing: device 2. Add these disks."), "{why}");
        }
    }
}

#[test]
fn of_a_linear_array_what_is_before_a_missing_member_is_read() {
    let disks = members(-1, 0, 3);
    let array = array(&[disks[0].clone(), disks[2].clone()]);
    assert_eq!(array.health, Health::Partial);
    let sectors = readable_sectors(&array.data);
    assert_eq!(sectors.iter().position(|read| !read), Some(COMPONENT_SECTORS as usize));
    assert!(!sectors.last().unwrap());
}

#[test]
fn parity_that_was_not_made_yet_is_not_used() {
    let disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| made.resync_offset = 64);
    let whole = array(&disks);
    assert_eq!(whole.health, Health::Whole);
    assert!(all_read(&whole));
    let degraded = array(&disks[1..]);
    let sectors = readable_sectors(&degraded.data);
    assert!(sectors[..128].iter().all(|read| *read));
    assert!(sectors[128..].iter().any(|read| !*read));
}

#[test]
fn a_dirty_array_without_a_member_is_read_and_says_so() {
    let disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| made.resync_offset = 0);
    let degraded = array(&disks[1..]);
    assert!(all_read(&degraded));
    assert!(degraded.warnings.iter().any(|notice| notice.contains("write hole")), "{:?}", degraded.warnings);
    assert_eq!(array(&disks).warnings, [""; 0]);
}

#[test]
fn without_two_members_raid_5_has_what_is_on_the_others() {
    let disks = members(RAID5, LEFT_SYMMETRIC, 4);
    let array = array(&disks[2..]);
    assert_eq!(array.health, Health::Partial);
    let (read, all) = count(&array.data);
    assert_eq!(read * 2, all);
}

#[test]
fn a_device_that_is_cut_short_gives_what_it_has() {
    let mut disks = members(MIRROR, 0, 2);
    disks[0].truncate(((DATA_SECTOR + 100) * SECTOR) as usize);
    assert!(all_read(&array(&disks)));
    let short = array(&disks[..1]);
    assert_eq!(count(&short.data), (100, COMPONENT_SECTORS as usize));
    assert!(short.notices.iter().any(|notice| notice.contains("cut short")), "{:?}", short.notices);
}

#[test]
fn a_member_that_is_cut_short_moves_nothing_that_is_on_others() {
    let cut = 100;
    for (level, layout, health) in
        [(-1, 0, Health::Partial), (0, 0, Health::Partial), (5, 2, Health::Degraded), (10, 0x102, Health::Degraded)]
    {
        for short in 0..3 {
            let mut disks = members(level, layout, 3);
            let whole = array(&disks).data.size();
            disks[short].truncate(((DATA_SECTOR + cut) * SECTOR) as usize);
            let found = array(&disks);
            assert_eq!((found.health, found.data.size()), (health, whole), "{level}");
            // Those that can be read are compared with what they have to be.
            let (read, all) = count(&found.data);
            let lost = if health == Health::Partial { COMPONENT_SECTORS - cut } else { 0 };
            assert_eq!(all - read, lost as usize, "{level}: {short} is cut short");
            assert!(found.notices.iter().any(|notice| notice.contains("cut short")), "{:?}", found.notices);
        }
    }
    let mut disks = members(RAID5, LEFT_SYMMETRIC, 3);
    disks[1].truncate(((DATA_SECTOR + cut) * SECTOR) as usize);
    let found = array(&disks[1..]);
    assert_eq!(found.health, Health::Partial);
    assert!(count(&found.data).0 > 0);
}

/// A RAID 5 of three that becomes one of four, which has got to the middle of the data there were.
fn reshaping(new_offset: i32, is_backwards: bool) -> Vec<Vec<u8>> {
    let (before, after) = if is_backwards { (4, 3) } else { (3, 4) };
    let position = if is_backwards { 192 } else { 240 };
    let made = |number| {
        let mut made = Made::new(RAID5, LEFT_SYMMETRIC, 4, number);
        made.feature_map = 4 + 64;
        made.raid_disks = after;
        made.delta_disks = after as i32 - before;
        (made.reshape_position, made.new_offset) = (position, new_offset);
        made.new_layout = 0;
        disk(&made)
    };
    let mut disks: Vec<_> = (0..4).map(made).collect();
    let old = geometry(Level::Raid5, LEFT_SYMMETRIC, before as u64);
    let new = geometry(Level::Raid5, 0, u64::from(after));
    let moved = (DATA_SECTOR as i64 + i64::from(new_offset)) as u64 * SECTOR;
    let at = position * SECTOR;
    // The old part is written last where it was, the new part where it is to be: none of them may touch the other.
    if is_backwards {
        fill(&mut disks, &new, at..u64::MAX, moved);
        fill(&mut disks, &old, 0..at, DATA_SECTOR * SECTOR);
    } else {
        fill(&mut disks, &old, at..u64::MAX, DATA_SECTOR * SECTOR);
        fill(&mut disks, &new, 0..at, moved);
    }
    disks
}

#[test]
fn an_array_that_is_being_reshaped_is_read_in_two_parts() {
    for (new_offset, is_backwards) in [(0, false), (-16, false), (16, true)] {
        let disks = reshaping(new_offset, is_backwards);
        let whole = array(&disks);
        assert_eq!(whole.purpose, Purpose::Data);
        assert_eq!(whole.health, Health::Whole);
        assert_eq!(whole.data.size() / SECTOR, 2 * COMPONENT_SECTORS);
        assert!(all_read(&whole), "{new_offset} {is_backwards}");
        for missing in 0..4 {
            let mut some = disks.clone();
            some.remove(missing);
            let degraded = array(&some);
            assert_eq!(degraded.health, Health::Degraded);
            assert!(all_read(&degraded), "{new_offset} {is_backwards} without {missing}");
        }
    }
}

#[test]
fn a_reshape_that_needs_its_backup_file_is_refused() {
    let in_place = change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| {
        (made.feature_map, made.new_layout, made.reshape_position) = (4, 0, 64);
    });
    let early = change_members(RAID5, LEFT_SYMMETRIC, 4, |_, made| {
        (made.feature_map, made.delta_disks, made.reshape_position) = (4, 1, 0);
    });
    for disks in [in_place, early] {
        let array = array(&disks);
        assert_eq!(array.health, Health::Unreadable);
        let Purpose::Refused(why) = array.purpose else { panic!("it is not refused") };
        assert!(why.contains("backup file"), "{why}");
    }
}

#[test]
fn what_an_array_needs_is_said_with_it_and_with_every_error() {
    let disks = members(RAID5, LEFT_SYMMETRIC, 3);
    let array = array(&disks[..1]);
    let needs = "RAID 5 'name' needs 2 of its 3 devices; missing: device 1, device 2. Add these disks.";
    assert_eq!(array.health, Health::Partial);
    assert_eq!(array.warnings, [needs]);
    let errors = (0..array.data.size()).step_by(512).map(|at| array.data.read_exact_at(at, &mut [0; 512]));
    let errors: Vec<_> = errors.filter_map(Result::err).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| error.detail.as_deref() == Some(needs)), "{errors:?}");
}

#[test]
fn an_array_of_which_only_the_journal_is_there_says_what_it_needs() {
    const JOURNAL: u16 = 0xfffd;
    let mut made = Made::new(RAID5, LEFT_SYMMETRIC, 3, 3);
    made.feature_map = 512;
    made.roles.push(JOURNAL);
    let array = array(&[disk(&made)]);
    assert_eq!(array.health, Health::Unreadable);
    assert_eq!(array.data.size(), 2 * COMPONENT_SECTORS * SECTOR);
    let Purpose::Refused(why) = array.purpose else { panic!("it is not refused") };
    assert!(why.contains("needs 2 of its 3 devices; missing: device 0, device 1, device 2"), "{why}");
}

#[test]
fn an_array_whose_journal_is_missing_or_out_of_date_is_degraded_and_says_so() {
    const JOURNAL: u16 = 0xfffd;
    let with_journal = |resync_offset| {
        change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| {
            made.feature_map = 512;
            made.resync_offset = resync_offset;
            made.roles.push(JOURNAL);
        })
    };
    for (resync_offset, told) in [(u64::MAX, "nothing else tells"), (0, "it was in use")] {
        for events in [None, Some(5)] {
            let mut disks = with_journal(resync_offset);
            disks.extend(events.map(|events| {
                let mut made = Made { events, feature_map: 512, ..Made::new(RAID5, LEFT_SYMMETRIC, 3, 3) };
                made.roles.push(JOURNAL);
                disk(&made)
            }));
            let array = array(&disks);
            assert_eq!(array.health, Health::Degraded);
            let is_told = |notice: &String| notice.contains("newest writes") && notice.contains(told);
            assert!(array.warnings.iter().any(is_told), "{:?}", array.warnings);
            assert!(all_read(&array));
        }
    }
}

#[test]
fn a_list_of_bad_blocks_that_is_all_zeros_has_none() {
    let disks = change_members(MIRROR, 0, 2, |_, made| (made.feature_map, made.bblog) = (8, (0, 1, 8)));
    let array = array(&disks);
    assert_eq!(array.notices, [""; 0]);
    assert!(all_read(&array));
}

#[test]
fn a_journal_that_is_cut_short_is_refused_with_what_to_do() {
    const JOURNAL: u16 = 0xfffd;
    let with_journal = |made: &mut Made| {
        made.feature_map = 512;
        made.roles.push(JOURNAL);
    };
    let mut disks = change_members(RAID5, LEFT_SYMMETRIC, 3, |_, made| with_journal(made));
    let mut made = Made::new(RAID5, LEFT_SYMMETRIC, 3, 3);
    with_journal(&mut made);
    let mut journal = disk(&made);
    journal.truncate(((DATA_SECTOR + 16) * SECTOR) as usize);
    disks.push(journal);
    let Purpose::Refused(why) = array(&disks).purpose else { panic!("it is not refused") };
    assert!(why.contains("open the array without disk 3"), "{why}");
    assert!(all_read(&array(&disks[..3])));
}
