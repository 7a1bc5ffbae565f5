//! Images made by a script from the specifications: differencing ones, logs that were not replayed, bitmaps and states
//! of blocks.

use super::fixtures::{directory, skipped, unpacked};
use super::support::{Memory, assert_content, content, read};
use crate::{Error, Format};
use block::Disk;
use std::fs;
use std::process::Command;

/// Bytes of a disk, and where they are.
type Record = (u64, Vec<u8>);

fn fixture(name: &str) -> Vec<u8> {
    unpacked(&directory("image").join(format!("{name}.zst")))
}

/// What a disk holds; zeros elsewhere.
fn records(name: &str) -> Vec<Record> {
    let bytes = fixture(&format!("{name}.disk"));
    let (mut found, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap());
        let length = number(8) as usize;
        found.push((number(0), rest[16..16 + length].to_vec()));
        rest = &rest[16 + length..];
    }
    found
}

fn all() -> Memory {
    let names = ["base.vhd", "middle.vhd", "top.vhd", "by-name.vhd", "sectors.vhd", "no-end.vhd", "old-footer.vhd"];
    let more = ["base.vhdx", "child.vhdx", "top.vhdx", "sectors-4096.vhdx", "log-one.vhdx", "log-ring.vhdx"];
    let logs = ["log-torn.vhdx", "log-gap.vhdx", "log-many.vhdx", "log-longer.vhdx", "log-cut.vhdx", "log-empty.vhdx"];
    let names = names.iter().chain(&more).chain(&logs);
    names.fold(Memory::default(), |files, name| files.with(name, fixture(name)))
}

/// What a disk must hold, as far as it is not so large that only zeros are left out.
fn expected(records: &[Record], size: u64) -> Vec<u8> {
    let mut expected = vec![0; size as usize];
    for (at, bytes) in records {
        expected[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
    }
    expected
}

fn assert_holds(disk: &dyn Disk, name: &str) {
    let (records, geometry) = (records(name), disk.geometry());
    assert!(!records.is_empty(), "{name}: the fixture says nothing");
    if geometry.bytes() < 16 << 20 {
        let found = content(disk).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = expected(&records, geometry.bytes());
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{name}: the first byte that differs");
        return;
    }
    // Most of a large disk is zeros: what is there, and what is right before and after it.
    for (at, bytes) in records {
        let (first, count) = (at / 512, bytes.len() as u64 / 512);
        let before = u64::from(first > 0);
        let after = u64::from(first + count < geometry.blocks());
        let found = read(disk, first - before, (before + count + after) as u32).unwrap();
        let zeros = |is_there: u64| vec![0; is_there as usize * 512];
        let expected = [zeros(before), bytes, zeros(after)].concat();
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{name}: around byte {at}");
    }
}

fn assert_fixture(name: &str, format: Format, chain: &[&str]) {
    let opened = all().open_image(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(
        (opened.format, opened.files.as_slice()),
        (format, chain.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().as_slice())
    );
    assert_holds(&*opened.disk, name);
}

#[test]
fn sectors_that_a_dynamic_vhd_does_not_have_are_zeros_whatever_lies_there() {
    assert_fixture("sectors.vhd", Format::Vhd, &["sectors.vhd"]);
}

#[test]
fn a_vhd_whose_end_is_missing_is_read_by_the_footer_at_its_front() {
    assert_fixture("no-end.vhd", Format::Vhd, &["no-end.vhd"]);
}

#[test]
fn a_vhd_with_a_footer_of_511_bytes_is_read() {
    assert_fixture("old-footer.vhd", Format::Vhd, &["old-footer.vhd"]);
}

#[test]
fn sectors_of_a_differencing_vhd_are_its_own_or_its_parents() {
    assert_fixture("middle.vhd", Format::Vhd, &["middle.vhd", "base.vhd"]);
    assert_fixture("top.vhd", Format::Vhd, &["top.vhd", "middle.vhd", "base.vhd"]);
    assert_fixture("by-name.vhd", Format::Vhd, &["by-name.vhd", "base.vhd"]);
}

#[test]
fn a_vhdx_with_sectors_of_4096_bytes_says_so_and_is_read() {
    let opened = all().open_image("sectors-4096.vhdx").unwrap();
    assert_eq!(opened.disk.geometry().block_size(), block::BlockSize::B4096);
    assert_fixture("sectors-4096.vhdx", Format::Vhdx, &["sectors-4096.vhdx"]);
}

#[test]
fn sectors_of_a_differencing_vhdx_are_its_own_or_its_parents() {
    assert_fixture("base.vhdx", Format::Vhdx, &["base.vhdx"]);
    assert_fixture("child.vhdx", Format::Vhdx, &["child.vhdx", "base.vhdx"]);
    assert_fixture("top.vhdx", Format::Vhdx, &["top.vhdx", "child.vhdx", "base.vhdx"]);
}

#[test]
fn a_log_that_was_not_replayed_is_replayed_in_memory() {
    for name in ["log-one.vhdx", "log-ring.vhdx", "log-torn.vhdx", "log-gap.vhdx", "log-many.vhdx", "log-longer.vhdx"] {
        assert_fixture(name, Format::Vhdx, &[name]);
    }
}

#[test]
fn a_log_that_cannot_be_replayed_is_told() {
    let cut = all().refusal("log-cut.vhdx");
    assert!(cut.contains("cut short") && cut.contains("log"), "{cut}");
    let empty = all().refusal("log-empty.vhdx");
    assert!(empty.contains("no entry that is intact"), "{empty}");
}

#[test]
fn qemu_replays_logs_to_the_same_disks() {
    if Command::new("qemu-img").arg("--version").output().is_err() {
        skipped("no log was compared with what qemu-img makes of it, which is missing (apt-get install qemu-utils)");
        return;
    }
    let bench = tempfile::tempdir().unwrap();
    let qemu = |arguments: &[&str]| {
        let output = Command::new("qemu-img").args(arguments).current_dir(bench.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for name in ["log-one.vhdx", "log-torn.vhdx"] {
        fs::write(bench.path().join("ours"), fixture(name)).unwrap();
        fs::write(bench.path().join("theirs"), fixture(name)).unwrap();
        qemu(&["check", "-q", "-r", "all", "-f", "vhdx", "theirs"]);
        qemu(&["convert", "-f", "vhdx", "-O", "raw", "theirs", "raw"]);
        let theirs = fs::read(bench.path().join("raw")).unwrap();
        assert_content(&bench.path().join("ours"), Format::Vhdx, &theirs, &mut super::support::Dice::new());
        assert_eq!(fs::read(bench.path().join("ours")).unwrap(), fixture(name), "{name} was written to");
    }
}

#[test]
fn a_parent_that_is_not_there_is_told_with_where_it_was_looked_for() {
    for (child, parent) in [("middle.vhd", "base.vhd"), ("by-name.vhd", "base.vhd"), ("child.vhdx", "base.vhdx")] {
        let mut files = all();
        files.0.remove(parent);
        let refusal = files.refusal(child);
        assert!(refusal.contains("is missing") && refusal.contains(parent), "{refusal}");
    }
}

#[test]
fn a_parent_that_is_another_image_is_an_error_and_never_read() {
    for (child, parent, other) in [
        ("middle.vhd", "base.vhd", "sectors.vhd"),
        ("top.vhd", "base.vhd", "old-footer.vhd"),
        ("child.vhdx", "base.vhdx", "log-one.vhdx"),
        ("top.vhdx", "base.vhdx", "sectors-4096.vhdx"),
    ] {
        let files = all().with(parent, fixture(other));
        let refusal = files.refusal(child);
        assert!(refusal.contains("its identity is another one"), "{refusal}");
        let files = all().with(parent, vec![0; 1 << 20]);
        assert!(files.open_image(child).is_err(), "{child} over nothing was accepted");
    }
}

#[test]
fn a_parent_is_looked_for_further_when_the_first_one_found_is_another() {
    // Its path leads to some image of another disk; the right one lies beside it.
    let files = all().with("dir/./middle.vhd", fixture("middle.vhd"));
    let files = files.with("dir/nowhere.vhd", fixture("sectors.vhd")).with("dir/base.vhd", fixture("base.vhd"));
    let opened = files.with("dir/middle.vhd", fixture("middle.vhd")).open_image("dir/middle.vhd").unwrap();
    assert_eq!(opened.files, ["dir/middle.vhd", "dir/base.vhd"]);
    let mut files = all().with("nowhere.vhd", fixture("middle.vhd"));
    files.0.remove("middle.vhd");
    let opened = files.open_image("top.vhd").unwrap();
    assert_eq!(opened.files, ["top.vhd", "nowhere.vhd", "base.vhd"]);
}

#[test]
fn a_vhd_that_builds_on_itself_is_refused() {
    let mut image = fixture("by-name.vhd");
    let (id, parent_id) = (68..84, 512 + 40..512 + 56);
    let own = image[id].to_vec();
    image[parent_id].copy_from_slice(&own);
    let sum = image[512..1536].iter().enumerate().filter(|(at, _)| !(36..40).contains(at));
    let sum = !sum.map(|(_, byte)| u32::from(*byte)).sum::<u32>();
    image[512 + 36..512 + 40].copy_from_slice(&sum.to_be_bytes());
    let refusal = Memory::default().with("base.vhd", image).refusal("base.vhd");
    assert!(refusal.contains("has no end"), "{refusal}");
}

#[test]
fn damage_of_one_copy_does_not_matter_and_of_both_is_told() {
    let damaged = |name: &str, places: &[usize]| {
        let mut image = fixture(name);
        for place in places {
            let length = image.len();
            image[if *place == 0 { length - 400 } else { *place }] ^= 1;
        }
        Memory::default().with(name, image)
    };
    // The footer, 0 here, and its copy; the headers; the region tables.
    for (name, copies) in
        [("sectors.vhd", [0, 100]), ("sectors-4096.vhdx", [0x10010, 0x20010]), ("log-one.vhdx", [0x30020, 0x40020])]
    {
        for copy in copies {
            let opened = damaged(name, &[copy]).open_image(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_holds(&*opened.disk, name);
        }
        assert!(matches!(damaged(name, &copies).open_image(name), Err(Error::Damaged { .. })), "{name}");
    }
    assert!(damaged("sectors.vhd", &[600]).refusal("sectors.vhd").contains("checksum of its header"));
    assert!(damaged("old-footer.vhd", &[0]).refusal("old-footer.vhd").contains("checksum of its footer"));
}
