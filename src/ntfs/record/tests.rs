//! Records and attributes that cannot be, one by one.

use super::*;

/// Where the attribute of [`record`] is.
const AT: usize = 0x38;

/// A record of 1 KiB with a resident attribute, or one in clusters.
fn record(is_resident: bool) -> Vec<u8> {
    let mut record = vec![0; 1024];
    record[..8].copy_from_slice(b"FILE\x30\0\x03\0");
    record[0x10] = 7;
    record[0x12] = 1;
    record[0x14] = 0x38;
    record[0x16] = 1;
    record[0x2C] = 42;
    let attribute = &mut record[AT..];
    attribute[0] = 0x80;
    attribute[0x0E] = 3;
    if is_resident {
        attribute[4] = 0x28;
        attribute[0x10] = 9;
        attribute[0x14] = 0x18;
    } else {
        attribute[4] = 0x48;
        attribute[8] = 1;
        attribute[0x18] = 4;
        attribute[0x20] = 0x40;
    }
    let end = AT + usize::from(attribute[4]);
    record[end..end + 4].fill(0xFF);
    record[0x18] = u8::try_from(end + 8).unwrap();
    record
}

fn parse(is_resident: bool, change: impl FnOnce(&mut [u8])) -> Result<Record> {
    let mut record = record(is_resident);
    change(&mut record);
    Record::parse(42, record)
}

#[test]
fn a_sound_record_gives_its_attributes() {
    let resident = parse(true, |_| {}).unwrap();
    assert_eq!((resident.sequence, resident.links, resident.is_directory, resident.base), (7, 1, false, None));
    let attribute = resident.find(Kind::DATA, &[], 0, Some(3)).unwrap();
    assert_eq!(attribute.body, Body::Resident(AT + 0x18..AT + 0x21));
    assert!(resident.find(Kind::DATA, &[0x61], 0, None).is_none());
    let clusters = parse(false, |_| {}).unwrap();
    let Body::NonResident(body) = &clusters.attributes[0].body else { panic!("it is in clusters") };
    assert_eq!((body.lowest, body.end, &body.pairs, body.compressed), (0, 5, &(AT + 0x40..AT + 0x48), None));
}

#[test]
fn records_that_are_not_in_use_are_told_from_damaged_ones() {
    for change in [|record: &mut [u8]| record[..4].fill(0), |record: &mut [u8]| record[0x16] = 2] {
        assert_eq!(parse(true, change).unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(Record::parse(42, vec![0; 3]).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn each_field_of_a_record_that_cannot_be_is_damage() {
    for (what, at, value) in [
        ("another mark", 0, b'B'),
        ("the end of a piece", 511, 1),
        ("the place of the update sequence", 4, 0x31),
        ("the length of the update sequence", 6, 2),
        ("the number of another record", 0x2C, 43),
        ("more used than there is", 0x19, 0x40),
        ("less used than the attributes", 0x18, 0x50),
        ("attributes within the header", 0x14, 0x20),
        ("attributes at an odd place", 0x14, 0x3A),
        ("attributes behind the used part", 0x15, 3),
    ] {
        let error = parse(true, |record| record[at] = value).expect_err(what);
        assert_eq!(error.kind, ErrorKind::Corrupt, "{what}");
    }
}

#[test]
fn each_field_of_an_attribute_that_cannot_be_is_damage() {
    for (what, is_resident, at, value) in [
        ("no length", true, 4, 0),
        ("a length that is shorter than its header", true, 4, 0x10),
        ("a length that is no multiple of 8", true, 4, 0x29),
        ("a length beyond the record", true, 6, 1),
        ("a form that is not known", true, 8, 2),
        ("a name beyond it", true, 9, 200),
        ("a value that begins behind it", true, 0x14, 0x29),
        ("a value that ends behind it", true, 0x10, 0x11),
        ("a value of gigabytes", true, 0x13, 0x80),
        ("a form without room for its header", true, 8, 1),
        ("runs that begin in the header", false, 0x20, 0x38),
        ("runs that begin behind it", false, 0x20, 0x49),
        ("a first cluster behind the last", false, 0x10, 6),
    ] {
        let error = parse(is_resident, |record| record[AT + at] = value).expect_err(what);
        assert_eq!(error.kind, ErrorKind::Corrupt, "{what}");
    }
}

#[test]
fn an_attribute_without_clusters_ends_before_its_first() {
    let record = parse(false, |record| record[AT + 0x18..AT + 0x20].fill(0xFF)).unwrap();
    let Body::NonResident(body) = &record.attributes[0].body else { panic!("it is in clusters") };
    assert_eq!((body.lowest, body.end), (0, 0));
}

#[test]
fn a_reference_has_the_record_in_48_bits_and_its_sequence_number() {
    let reference = Reference::new(0x0007_0000_0000_002A);
    assert_eq!(reference, Reference { record: 42, sequence: 7 });
    let record = parse(true, |_| {}).unwrap();
    assert!(record.check(reference).is_ok() && record.check(Reference { sequence: 0, ..reference }).is_ok());
    assert_eq!(record.check(Reference { sequence: 8, ..reference }).unwrap_err().kind, ErrorKind::Corrupt);
}
