use super::*;
use block::{BlockSize, MemoryDisk};

/// A disk of a size that no memory has; nothing is read from it.
struct Huge(Geometry);

impl Disk for Huge {
    fn geometry(&self) -> Geometry {
        self.0
    }
    fn submit(&self, _: BlockRange, _: block::Completion) {}
}

fn huge(block_size: BlockSize, blocks: u64) -> Arc<dyn Disk> {
    Arc::new(Huge(Geometry::new(block_size, blocks).unwrap()))
}

fn small() -> Arc<dyn Disk> {
    Arc::new(MemoryDisk::new(vec![7; 8 * 512], BlockSize::B512))
}

fn units(disks: Vec<Arc<dyn Disk>>) -> LogicalUnits {
    LogicalUnits::new("iqn.2026-11.invalid.test:disks", disks, 1 << 20)
}

fn cdb(bytes: &[u8]) -> Cdb {
    let mut cdb = [0; 16];
    cdb[..bytes.len()].copy_from_slice(bytes);
    cdb
}

fn lun(index: usize) -> LunNumber {
    lun_number(index).unwrap()
}

fn ask(units: &LogicalUnits, index: usize, bytes: &[u8]) -> Answer {
    units.answer(lun(index), &cdb(bytes), &mut Attention::default())
}

fn data(answer: Answer) -> Bytes {
    match answer {
        Answer::Good(data) => data,
        Answer::Read { .. } => panic!("a read"),
        Answer::CheckCondition(sense) => panic!("{sense:?}"),
    }
}

fn sense(answer: Answer) -> Sense {
    match answer {
        Answer::CheckCondition(sense) => sense,
        Answer::Good(data) => panic!("{data:?}"),
        Answer::Read { .. } => panic!("a read"),
    }
}

#[test]
fn inquiry_tells_a_direct_access_device() {
    let data = data(ask(&units(vec![small()]), 0, &[0x12, 0, 0, 0, 255]));
    assert_eq!(data.len(), 96);
    assert_eq!(usize::from(data[4]), data.len() - 5);
    assert_eq!((data[0], data[1], data[2], data[3] & 0xf), (0, 0, 6, 2));
    assert_eq!(&data[8..36], b"FR-MOUNTrecovery disk   0001");
    assert_eq!(&data[58..66], &[0x00, 0xa0, 0x09, 0x60, 0x04, 0x60, 0x04, 0xc0]);
}

#[test]
fn inquiry_is_cut_at_the_allocation_length() {
    assert_eq!(data(ask(&units(vec![small()]), 0, &[0x12, 0, 0, 0, 36])).len(), 36);
    assert_eq!(data(ask(&units(vec![small()]), 0, &[0x12, 0, 0, 0, 0])).len(), 0);
}

#[test]
fn inquiry_of_a_number_without_unit_says_so() {
    assert_eq!(data(ask(&units(vec![small()]), 1, &[0x12, 0, 0, 0, 255]))[0], 0x7f);
}

#[test]
fn inquiry_with_a_page_but_without_evpd_is_an_invalid_field() {
    assert_eq!(sense(ask(&units(vec![small()]), 0, &[0x12, 0, 0x80, 0, 255])), Sense::INVALID_FIELD_IN_CDB);
    assert_eq!(sense(ask(&units(vec![small()]), 0, &[0x12, 2, 0, 0, 255])), Sense::INVALID_FIELD_IN_CDB);
}

#[test]
fn every_page_of_the_list_is_there_and_no_other() {
    let units = units(vec![small()]);
    let list = data(ask(&units, 0, &[0x12, 1, 0, 0, 255]));
    assert_eq!(list, &[0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2][..]);
    for page in 0..=255 {
        let answer = ask(&units, 0, &[0x12, 1, page, 0, 255]);
        if list[4..].contains(&page) {
            let data = data(answer);
            assert_eq!((data[0], data[1]), (0, page));
            assert_eq!(usize::from(data[3]), data.len() - 4);
        } else {
            assert_eq!(sense(answer), Sense::INVALID_FIELD_IN_CDB);
        }
    }
}

#[test]
fn the_serial_number_differs_by_unit_and_by_target_and_stays() {
    let serial = |target: &str, index| {
        let units = LogicalUnits::new(target, vec![small(), small()], 1 << 20);
        data(ask(&units, index, &[0x12, 1, 0x80, 0, 255]))
    };
    assert_eq!(serial("iqn.a", 0), serial("iqn.a", 0));
    assert_ne!(serial("iqn.a", 0), serial("iqn.a", 1));
    assert_ne!(serial("iqn.a", 0), serial("iqn.b", 0));
}

#[test]
fn the_designators_are_an_naa_number_and_the_vendors_serial() {
    let units = units(vec![small()]);
    let serial = data(ask(&units, 0, &[0x12, 1, 0x80, 0, 255])).slice(4..);
    let page = data(ask(&units, 0, &[0x12, 1, 0x83, 0, 255]));
    assert_eq!(page[4..8], [1, 3, 0, 8]);
    assert_eq!(page[8] >> 4, 3);
    assert_eq!(page[16..20], [2, 1, 0, 24]);
    assert_eq!(&page[20..28], b"FR-MOUNT");
    assert_eq!(&page[28..44], &serial[..]);
    assert_eq!(page.len(), 44);
}

#[test]
fn block_limits_tell_the_longest_read() {
    let disks = units(vec![small(), huge(BlockSize::B4096, 1 << 31)]);
    for (index, blocks) in [(0, 2048_u32), (1, 256)] {
        let page = data(ask(&disks, index, &[0x12, 1, 0xb0, 0, 255]));
        assert_eq!(page.len(), 64);
        assert_eq!(page[8..12], blocks.to_be_bytes());
        assert_eq!(page[12..16], blocks.to_be_bytes());
    }
}

#[test]
fn capacities_of_8_tib_disks_fit_only_the_long_form() {
    for (block_size, blocks) in [(BlockSize::B512, 1_u64 << 34), (BlockSize::B4096, 1 << 33)] {
        let units = units((0..32).map(|_| huge(block_size, blocks)).collect());
        for index in 0..32 {
            let short = data(ask(&units, index, &[0x25]));
            assert_eq!(short[..4], [0xff; 4]);
            assert_eq!(short[4..], block_size.bytes().to_be_bytes());
            let long = data(ask(&units, index, &[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]));
            assert_eq!(long.len(), 32);
            assert_eq!(long[..8], (blocks - 1).to_be_bytes());
            assert_eq!(long[8..12], block_size.bytes().to_be_bytes());
        }
    }
}

#[test]
fn a_small_capacity_fits_the_short_form() {
    assert_eq!(data(ask(&units(vec![small()]), 0, &[0x25])), &[0, 0, 0, 7, 0, 0, 2, 0][..]);
}

#[test]
fn report_luns_lists_every_unit_above_255_in_flat_form() {
    let units = units((0..300).map(|_| small()).collect());
    let all = data(ask(&units, 0, &[0xa0, 0, 0, 0, 0, 0, 0, 1, 0, 0]));
    assert_eq!(all.len(), 8 + 300 * 8);
    assert_eq!(all[..4], 2400_u32.to_be_bytes());
    assert_eq!(all[8 + 255 * 8..][..8], [0, 255, 0, 0, 0, 0, 0, 0]);
    assert_eq!(all[8 + 299 * 8..][..8], [0x41, 43, 0, 0, 0, 0, 0, 0]);
    assert_eq!(data(ask(&units, 299, &[0x00])).len(), 0);
}

#[test]
fn report_luns_is_answered_whatever_unit_is_asked_and_cut_at_the_allocation_length() {
    let units = units(vec![small()]);
    assert_eq!(data(ask(&units, 9, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16])).len(), 16);
    assert_eq!(data(ask(&units, 9, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 12])).len(), 12);
    assert_eq!(data(ask(&units, 0, &[0xa0, 0, 1, 0, 0, 0, 0, 0, 0, 16])), &[0; 8][..]);
    assert_eq!(sense(ask(&units, 0, &[0xa0, 0, 3, 0, 0, 0, 0, 0, 0, 16])), Sense::INVALID_FIELD_IN_CDB);
}

#[test]
fn commands_to_a_number_without_unit_are_refused() {
    let units = units(vec![small()]);
    for command in [&[0x00][..], &[0x28, 0, 0, 0, 0, 0, 0, 0, 1], &[0x12, 1, 0x80, 0, 255], &[0xff], &[0x2a]] {
        assert_eq!(sense(ask(&units, 1, command)), Sense::LOGICAL_UNIT_NOT_SUPPORTED);
    }
    let answer = units.answer(LunNumber(u64::MAX), &cdb(&[0x00]), &mut Attention::default());
    assert_eq!(sense(answer), Sense::LOGICAL_UNIT_NOT_SUPPORTED);
    assert_eq!(data(ask(&units, 1, &[0x03, 0, 0, 0, 18]))[12], 0x25);
}

#[test]
fn mode_sense_says_write_protected_in_both_forms() {
    let units = units(vec![small()]);
    let short = data(ask(&units, 0, &[0x1a, 0, 0x3f, 0, 255]));
    assert_eq!(usize::from(short[0]), short.len() - 1);
    assert_eq!((short[2] & 0x80, short[3]), (0x80, 8));
    assert_eq!(short[4..12], [0, 0, 0, 8, 0, 0, 2, 0]);
    let long = data(ask(&units, 0, &[0x5a, 0x18, 0x0a, 0, 0, 0, 0, 0, 255]));
    assert_eq!(usize::from(long[1]), long.len() - 2);
    assert_eq!(long[3] & 0x80, 0x80);
    assert_eq!((long[7], long[8]), (0, 0x0a), "no block descriptor was wanted");
    let long = data(ask(&units, 0, &[0x5a, 0x10, 0x0a, 0, 0, 0, 0, 0, 255]));
    assert_eq!((long[4], long[7]), (1, 16));
    assert_eq!(long[8..24], [0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0]);
}

#[test]
fn the_control_page_says_software_write_protect_and_that_it_cannot_be_changed() {
    let units = units(vec![small()]);
    assert_eq!(data(ask(&units, 0, &[0x1a, 8, 0x0a, 0, 255]))[4..9], [0x0a, 10, 0, 0, 8]);
    assert_eq!(data(ask(&units, 0, &[0x1a, 8, 0x4a, 0, 255]))[4..], [0x0a, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn saved_and_unknown_mode_pages_are_refused() {
    let units = units(vec![small()]);
    assert_eq!(sense(ask(&units, 0, &[0x1a, 0, 0xff, 0, 255])), Sense::SAVING_PARAMETERS_NOT_SUPPORTED);
    assert_eq!(sense(ask(&units, 0, &[0x1a, 0, 0x02, 0, 255])), Sense::INVALID_FIELD_IN_CDB);
    assert_eq!(sense(ask(&units, 0, &[0x1a, 0, 0x0a, 1, 255])), Sense::INVALID_FIELD_IN_CDB);
}

#[test]
fn reads_inside_the_disk_are_reads_in_every_form() {
    let units = units(vec![huge(BlockSize::B512, 1 << 34)]);
    for command in [
        &[0x28, 0x18, 0x01, 0x02, 0x03, 0x04, 0, 0x01, 0x02][..],
        &[0xa8, 0x18, 0x01, 0x02, 0x03, 0x04, 0, 0, 0x01, 0x02],
        &[0x88, 0x18, 0, 0, 0, 0, 0x01, 0x02, 0x03, 0x04, 0, 0, 0x01, 0x02],
    ] {
        let Answer::Read { blocks, discard: false, .. } = ask(&units, 0, command) else { panic!("not a read") };
        assert_eq!(blocks, BlockRange { first: 0x0102_0304, count: 0x102 });
    }
}

#[test]
fn a_read_in_six_bytes_has_21_bits_of_address_and_no_empty_length() {
    let units = units(vec![huge(BlockSize::B512, 1 << 34)]);
    for (command, blocks) in [
        ([0x08, 0xff, 2, 3, 4], BlockRange { first: 0x1f_0203, count: 4 }),
        ([0x08, 0, 0, 9, 0], BlockRange { first: 9, count: 256 }),
    ] {
        let Answer::Read { blocks: read, discard: false, .. } = ask(&units, 0, &command) else { panic!("not a read") };
        assert_eq!(read, blocks);
    }
}

#[test]
fn reads_beyond_the_end_are_out_of_range_also_when_they_are_empty() {
    let units = units(vec![small()]);
    assert!(matches!(ask(&units, 0, &[0x28, 0, 0, 0, 0, 7, 0, 0, 1]), Answer::Read { .. }));
    assert_eq!(sense(ask(&units, 0, &[0x28, 0, 0, 0, 0, 7, 0, 0, 2])), Sense::LBA_OUT_OF_RANGE);
    assert_eq!(sense(ask(&units, 0, &[0x28, 0, 0, 0, 0, 9, 0, 0, 0])), Sense::LBA_OUT_OF_RANGE);
    assert_eq!(data(ask(&units, 0, &[0x28, 0, 0, 0, 0, 8, 0, 0, 0])).len(), 0);
    let all_ones = [0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
    assert_eq!(sense(ask(&units, 0, &all_ones)), Sense::LBA_OUT_OF_RANGE);
}

#[test]
fn a_read_longer_than_the_limit_or_with_protection_information_is_an_invalid_field() {
    let units = units(vec![huge(BlockSize::B512, 1 << 34)]);
    assert!(matches!(ask(&units, 0, &[0x28, 0, 0, 0, 0, 0, 0, 8, 0]), Answer::Read { .. }));
    assert_eq!(sense(ask(&units, 0, &[0x28, 0, 0, 0, 0, 0, 0, 8, 1])), Sense::INVALID_FIELD_IN_CDB);
    assert_eq!(sense(ask(&units, 0, &[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1])), Sense::INVALID_FIELD_IN_CDB);
}

#[test]
fn every_writing_command_is_refused_as_write_protected() {
    let units = units(vec![small()]);
    let writes = [
        0x04, 0x07, 0x0a, 0x15, 0x2a, 0x2e, 0x3f, 0x41, 0x42, 0x48, 0x53, 0x55, 0x83, 0x89, 0x8a, 0x8b, 0x8e, 0x93,
        0x9c, 0x9f, 0xaa, 0xae,
    ];
    for operation in writes {
        assert_eq!(sense(ask(&units, 0, &[operation])), Sense::WRITE_PROTECTED, "{operation:#x}");
    }
    assert_eq!(sense(ask(&units, 0, &[0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x0b])), Sense::WRITE_PROTECTED);
}

#[test]
fn commands_that_are_not_known_are_refused_and_none_of_them_reads() {
    let units = units(vec![small()]);
    // 0x16, 0x17, 0x56, 0x57 and 0x5f: RESERVE, RELEASE and PERSISTENT RESERVE OUT.
    for operation in [0x01, 0x16, 0x17, 0x37, 0x3b, 0x4d, 0x56, 0x57, 0x5f, 0x84, 0xa3, 0xb7, 0xc0, 0xff] {
        let answer = ask(&units, 0, &[operation]);
        assert_eq!(sense(answer), Sense::INVALID_COMMAND_OPERATION_CODE, "{operation:#x}");
    }
    assert_eq!(sense(ask(&units, 0, &[0x9e, 0x11])), Sense::INVALID_COMMAND_OPERATION_CODE);
}

#[test]
fn any_cdb_has_an_answer() {
    let units = units(vec![small()]);
    for operation in 0..=255 {
        for filler in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = [filler; 16];
            bytes[0] = operation;
            ask(&units, 0, &bytes);
            ask(&units, 5, &bytes);
        }
    }
}

#[test]
fn what_needs_nothing_to_be_done_is_good() {
    let units = units(vec![small()]);
    for command in [&[0x35][..], &[0x91], &[0x1b, 0, 0, 0, 1], &[0x1b, 1, 0, 0, 0], &[0x1e, 0, 0, 0, 1], &[0x1d, 4]] {
        assert!(data(ask(&units, 0, command)).is_empty(), "{command:x?}");
    }
    for command in [&[0x1b, 0, 0, 0, 2][..], &[0x1d, 0x24], &[0x1d, 4, 0, 0, 8], &[0x1d, 0, 0, 0, 0]] {
        assert_eq!(sense(ask(&units, 0, command)), Sense::INVALID_FIELD_IN_CDB, "{command:x?}");
    }
}

#[test]
fn verifying_reads_the_blocks_inside_the_disk_and_compares_nothing() {
    let units = units(vec![small()]);
    for command in [
        &[0x2f, 0x10, 0, 0, 0, 2, 0, 0, 6][..],
        &[0xaf, 0, 0, 0, 0, 2, 0, 0, 0, 6],
        &[0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 6],
    ] {
        let Answer::Read { blocks, discard: true, .. } = ask(&units, 0, command) else { panic!("no verification") };
        assert_eq!(blocks, BlockRange { first: 2, count: 6 });
    }
    assert_eq!(sense(ask(&units, 0, &[0x2f, 0, 0, 0, 0, 2, 0, 0, 7])), Sense::LBA_OUT_OF_RANGE);
    for flags in [0x02, 0x04, 0x06, 0x20] {
        assert_eq!(sense(ask(&units, 0, &[0x2f, flags, 0, 0, 0, 0, 0, 0, 1])), Sense::INVALID_FIELD_IN_CDB);
    }
    assert_eq!(sense(ask(&units, 0, &[0x2f, 2, 0, 0, 0, 2, 0, 0, 7])), Sense::LBA_OUT_OF_RANGE);
    assert!(data(ask(&units, 0, &[0x2f, 2, 0, 0, 0, 8, 0, 0, 0])).is_empty());
}

#[test]
fn prefetching_is_good_inside_the_disk_only() {
    let units = units(vec![small()]);
    assert!(data(ask(&units, 0, &[0x34, 2, 0, 0, 0, 0, 0, 0, 8])).is_empty());
    assert!(data(ask(&units, 0, &[0x90, 0, 0, 0, 0, 0, 0, 0, 0, 8])).is_empty());
    assert_eq!(sense(ask(&units, 0, &[0x34, 0, 0, 0, 0, 1, 0, 0, 8])), Sense::LBA_OUT_OF_RANGE);
    assert_eq!(sense(ask(&units, 0, &[0x90, 0, 0, 0, 0, 1])), Sense::LBA_OUT_OF_RANGE);
}

#[test]
fn every_block_is_mapped_and_nothing_can_be_unmapped() {
    let disks = units(vec![small(), huge(BlockSize::B512, 1 << 33)]);
    let status = |index, lba: u64| {
        let mut command = [0; 14];
        (command[0], command[1], command[13]) = (0x9e, 0x12, 64);
        command[2..10].copy_from_slice(&lba.to_be_bytes());
        ask(&disks, index, &command)
    };
    assert_eq!(data(status(0, 3)), &[0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0][..]);
    assert_eq!(data(status(1, 0))[16..20], [0xff; 4]);
    for lba in [8, u64::MAX] {
        assert_eq!(sense(status(0, lba)), Sense::LBA_OUT_OF_RANGE);
    }
    assert_eq!(data(ask(&disks, 0, &[0x12, 1, 0xb2, 0, 255])), &[0, 0xb2, 0, 4, 0, 0, 0, 0][..]);
    let capacity = data(ask(&disks, 0, &[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32]));
    assert_eq!(capacity[14] & 0xc0, 0, "LBPME and LBPRZ");
    assert_eq!(data(ask(&disks, 0, &[0x12, 1, 0xb0, 0, 255]))[20..36], [0; 16], "unmap limits");
}

#[test]
fn nobody_holds_a_key_or_a_reservation_and_nobody_can() {
    let units = units(vec![small()]);
    let ask = |action, length| ask(&units, 0, &[0x5e, action, 0, 0, 0, 0, 0, 0, length]);
    for action in [0, 1, 3] {
        assert_eq!(data(ask(action, 255)), &[0; 8][..]);
    }
    assert_eq!(data(ask(2, 255)), &[0, 8, 0, 0x80, 0, 0, 0, 0][..]);
    assert_eq!(data(ask(2, 3)).len(), 3);
    assert_eq!(sense(ask(4, 255)), Sense::INVALID_FIELD_IN_CDB);
}

#[test]
fn a_unit_attention_is_told_once_per_unit_and_not_by_inquiry_or_report_luns() {
    let units = units(vec![small(), small()]);
    let mut attention = Attention::all(&units);
    let mut ask = |index, bytes: &[u8]| units.answer(lun(index), &cdb(bytes), &mut attention);
    assert_eq!(data(ask(0, &[0x12, 0, 0, 0, 36])).len(), 36);
    assert_eq!(data(ask(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64])).len(), 24);
    assert_eq!(sense(ask(0, &[0x00])), Sense::POWER_ON_OR_RESET);
    assert_eq!(data(ask(0, &[0x00])).len(), 0);
    assert_eq!(data(ask(1, &[0x03, 0, 0, 0, 18]))[2], 6, "request sense tells it as data");
    assert_eq!(data(ask(1, &[0x03, 1, 0, 0, 18])), &[0x72, 0, 0, 0, 0, 0, 0, 0][..]);
    assert_eq!(data(ask(1, &[0x00])).len(), 0);
}

#[test]
fn a_disk_without_blocks_is_a_drive_without_a_medium() {
    let units = units(vec![huge(BlockSize::B512, 0)]);
    for command in [&[0x00][..], &[0x25], &[0x9e, 0x10], &[0x28, 0, 0, 0, 0, 0, 0, 0, 1]] {
        assert_eq!(sense(ask(&units, 0, command)), Sense::MEDIUM_NOT_PRESENT);
    }
}
