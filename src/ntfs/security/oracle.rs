//! What ntfs-3g makes of the same descriptors, with the same mapping file.

use super::access::{Options, access};
use super::descriptor::Descriptor;
use super::mapping::{HostNames, UserMapping};
use super::samples::{
    ADMINISTRATORS, ALICE, BOB, EVERYONE, FULL, READ, SYSTEM, USERS, ace, acl, allow, deny, descriptor, sid, with_audit,
};
use crate::tests::fixtures;
use std::io::Write as _;
use std::process::{Command, Stdio};
use vfs::{AclQualifier, FileType};

const GROUP: &str = "S-1-5-21-1111-2222-3333-513";
const STRANGER: &str = "S-1-5-21-9-9-9-1500";
const MAPPING: &str = "# alice and bob\n1001:1001:S-1-5-21-1111-2222-3333-1001\n1002:1002:S-1-5-21-1111-2222-3333-1002\n\
    :513:S-1-5-21-1111-2222-3333-513\n::S-1-5-21-4444-5555-6666-10000\n";
/// A user and a group by the pattern.
const BY_PATTERN: [&str; 2] = ["S-1-5-21-4444-5555-6666-12468", "S-1-5-21-4444-5555-6666-10201"];

/// What is compared of an access: user, group, and the mode with the permissions of the group itself, not of an ACL's mask.
type Shown = (u32, u32, u16);

fn ours(bytes: &[u8], kind: FileType) -> Shown {
    let mapping = UserMapping::parse(MAPPING, &HostNames::default()).unwrap();
    let options = Options { user_mapping: Some(mapping), owner: None };
    let access = access(Some(&Descriptor::parse(bytes).unwrap()), kind, &options, None);
    let list = access.acl.access.as_ref().map(vfs::PosixAcl::entries).unwrap_or_default();
    let group = list.iter().find(|entry| entry.qualifier == AclQualifier::OwningGroup);
    let group = group.map(|entry| u16::from(entry.permissions.bits()) << 3);
    let permissions = group.map_or(access.permissions, |group| access.permissions & 0o7707 | group);
    (access.uid, access.gid, permissions)
}

/// What ntfs-3g shows of each, and the descriptor that it gives back; `None` where it cannot be asked.
fn of_ntfs_3g(descriptors: &[(FileType, Vec<u8>)]) -> Option<Vec<(Shown, Vec<u8>)>> {
    let mut mapping = tempfile::NamedTempFile::new().unwrap();
    mapping.write_all(MAPPING.as_bytes()).unwrap();
    let script = fixtures::directory("ntfs").join("security").join("by-ntfs-3g.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(mapping.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for (kind, bytes) in descriptors {
        let kind = if *kind == FileType::Directory { "d" } else { "f" };
        writeln!(input, "{kind} {}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        fixtures::skipped(&format!("permissions were not compared with ntfs-3g, which cannot mount here: {why}"));
        return None;
    }
    let line = |line: &str| {
        let fields: Vec<_> = line.split(' ').collect();
        let shown =
            (fields[0].parse().unwrap(), fields[1].parse().unwrap(), u16::from_str_radix(fields[2], 8).unwrap());
        let hex = |at: usize| u8::from_str_radix(&fields[3][at..at + 2], 16).unwrap();
        (shown, (0..fields[3].len()).step_by(2).map(hex).collect())
    };
    Some(String::from_utf8(output.stdout).unwrap().lines().map(line).collect())
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A list as Windows and ntfs-3g write them: denials to everybody first, then what the owner, the group, and everybody may.
fn ordinary(numbers: &mut Numbers) -> (FileType, Vec<u8>) {
    let kind = numbers.of(&[FileType::Regular, FileType::Directory]);
    let owner = numbers.of(&[ALICE, BOB, BY_PATTERN[0]]);
    let group = numbers.of(&[GROUP, BY_PATTERN[1]]);
    let rights = [0x12_00A9, 0x12_0089, 0x13_01BF, 0x12_0116, 0x12_019F, 0x12_0080];
    let inherited = numbers.of(&[0, 0x10]);
    let allow = |who: &str, mask: u32| ace(0, inherited, mask, &sid(who));
    let mut entries = Vec::new();
    if numbers.below(4) == 0 {
        entries.push(ace(1, inherited, numbers.of(&[1, 0x20, 0x116]), &sid(EVERYONE)));
    }
    entries.push(allow(owner, FULL));
    if numbers.below(3) != 0 {
        entries.push(allow(group, numbers.of(&rights)));
    }
    if numbers.below(2) == 0 {
        entries.extend([allow(SYSTEM, FULL), allow(ADMINISTRATORS, FULL), allow(STRANGER, READ)]);
    }
    if numbers.below(2) == 0 {
        entries.push(allow(numbers.of(&[EVERYONE, USERS, "S-1-5-11"]), numbers.of(&rights)));
    }
    entries.push(ace(0, 11, FULL, &sid("S-1-3-0")));
    (kind, descriptor(Some(owner), Some(group), Some(&acl(&entries))))
}

#[test]
fn owners_and_modes_of_ordinary_lists_are_those_of_ntfs_3g() {
    let mut numbers = Numbers(2_026);
    let descriptors: Vec<_> = (0..500).map(|_| ordinary(&mut numbers)).collect();
    let Some(theirs) = of_ntfs_3g(&descriptors) else { return };
    for ((kind, bytes), (shown, given_back)) in descriptors.iter().zip(&theirs) {
        assert_eq!(given_back, Descriptor::parse(bytes).unwrap().bytes());
        assert_eq!(ours(bytes, *kind), *shown, "{:?}", Descriptor::parse(bytes).unwrap());
    }
    assert_eq!(theirs.len(), descriptors.len());
}

/// Where the two differ: what, the list (`None` for none), the mode of ours, and that of ntfs-3g.
type Difference = (&'static str, &'static str, Option<Vec<Vec<u8>>>, u16, u16);

fn differences() -> Vec<Difference> {
    let write = 0x12_0116;
    let list = |what, group, list: &[Vec<u8>], ours, theirs| (what, group, Some(list.to_vec()), ours, theirs);
    let all = [allow(ALICE, FULL), allow(GROUP, 0x80), allow(USERS, READ), allow("S-1-5-11", write)];
    vec![
        ("no list: Windows denies nobody anything", GROUP, None, 0o777, 0o700),
        list("an empty list: Windows allows nobody anything", GROUP, &[], 0, 0o700),
        list("nothing for the owner: Windows gives nothing", GROUP, &[allow(EVERYONE, READ)], 0o444, 0o744),
        list(
            "what a group may, its owner need not",
            GROUP,
            &[allow(ALICE, READ | 0x8_0000), allow(GROUP, write)],
            0o420,
            0o620,
        ),
        list("root's group is not administrators", ADMINISTRATORS, &[allow(ADMINISTRATORS, READ)], 0, 0o740),
        list("generic rights in an entry allow nothing", GROUP, &[allow(ALICE, 0x8000_0000)], 0, 0o700),
        list("the owner may be in a denied group", GROUP, &[deny(STRANGER, 1), allow(ALICE, FULL)], 0o300, 0o700),
        list(
            "what was allowed before it is denied stays",
            GROUP,
            &[allow(ALICE, FULL), deny(EVERYONE, 1)],
            0o700,
            0o300,
        ),
        list("appending alone is no writing", GROUP, &[allow(ALICE, 0x8_0004)], 0, 0o200),
        list("all that everybody may is the group's too", GROUP, &all, 0o766, 0o726),
    ]
}

#[test]
fn where_ntfs_3g_differs_it_is_known_how() {
    let differences = differences();
    let control = |list: Option<&[u8]>| if list.is_none() { 4 } else { 0 };
    let bytes = |(_, group, list, _, _): &Difference| {
        let list = list.as_ref().map(|list| acl(list));
        with_audit(Some(ALICE), Some(group), list.as_deref(), None, control(list.as_deref()))
    };
    let descriptors: Vec<_> = differences.iter().map(|one| (FileType::Regular, bytes(one))).collect();
    let Some(theirs) = of_ntfs_3g(&descriptors) else { return };
    let octal = |mode: u16| format!("{mode:o}");
    let found = descriptors
        .iter()
        .zip(theirs)
        .map(|((kind, bytes), (theirs, _))| (octal(ours(bytes, *kind).2), octal(theirs.2)));
    let known = differences.iter().map(|(.., ours, theirs)| (octal(*ours), octal(*theirs)));
    assert_eq!(found.collect::<Vec<_>>(), known.collect::<Vec<_>>());
}
