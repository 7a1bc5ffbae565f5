//! What descriptors are for Linux.

use super::super::mapping::HostNames;
use super::super::samples::{
    self, ADMINISTRATORS, ALICE, BOB, EVERYONE, FULL, READ, READ_AND_EXECUTE, SYSTEM, USERS, acl, allow, deny,
    descriptor,
};
use super::*;

const GROUP: &str = "S-1-5-21-1111-2222-3333-513";
const MAPPED: &str = "1001:1001:S-1-5-21-1111-2222-3333-1001\n1002:1002:S-1-5-21-1111-2222-3333-1002\n\
    :513:S-1-5-21-1111-2222-3333-513\n";

fn mapped() -> Options {
    Options { user_mapping: Some(UserMapping::parse(MAPPED, &HostNames::default()).unwrap()), owner: None }
}

fn access_of(bytes: &[u8], kind: FileType, options: &Options) -> Access {
    access(Some(&Descriptor::parse(bytes).unwrap()), kind, options, None)
}

/// Permissions in octal and the ACL, as getfacl would abbreviate them.
fn short(access: &Access) -> String {
    let mut text = format!("{:o}", access.permissions);
    for entry in access.acl.access.iter().flat_map(PosixAcl::entries) {
        let bits = entry.permissions.bits();
        match entry.qualifier {
            AclQualifier::User(id) => text += &format!(" u{id}:{bits}"),
            AclQualifier::OwningGroup => text += &format!(" g:{bits}"),
            AclQualifier::Group(id) => text += &format!(" g{id}:{bits}"),
            _ => {}
        }
    }
    text
}

fn file(owner: &str, group: &str, entries: &[Vec<u8>], options: &Options) -> String {
    short(&access_of(&descriptor(Some(owner), Some(group), Some(&acl(entries))), FileType::Regular, options))
}

#[test]
fn samples_have_the_owners_and_permissions_that_their_lists_give() {
    let shown = |kind: &str, options: &Options| {
        let access = access_of(&samples::of(kind), FileType::Directory, options);
        (access.uid, access.gid, short(&access))
    };
    let with = |kind| shown(kind, &mapped());
    assert_eq!(with("simple"), (1001, 0, "755".to_owned()));
    assert_eq!(with("deny"), (1002, 0, "444".to_owned()));
    assert_eq!(with("audit"), (0, 0, "700".to_owned()));
    assert_eq!(with("dir"), (1001, 0, "755".to_owned()));
    assert_eq!(with("null"), (1001, 0, "777".to_owned()), "nothing is denied to anybody");
    assert_eq!(with("empty"), (1001, 0, "0".to_owned()), "everything is denied to everybody");
    let without = |kind| shown(kind, &Options::default());
    let Identity::Account(alice) = identity::of(&ALICE.parse().unwrap()) else { panic!() };
    assert_eq!(without("simple"), (alice, NOBODY, "755".to_owned()));
    assert_eq!(without("audit"), (0, 0, "700".to_owned()));
}

#[test]
fn users_and_groups_that_entries_name_are_in_the_acl() {
    let entries = [allow(ALICE, FULL), allow(BOB, READ), allow(GROUP, READ_AND_EXECUTE), allow(EVERYONE, READ)];
    assert_eq!(file(ALICE, USERS, &entries, &mapped()), "754 u1002:4 g:4 g513:5");
    assert_eq!(file(ALICE, GROUP, &entries, &mapped()), "754 u1002:4 g:5");
    let Identity::Account(group) = identity::of(&GROUP.parse().unwrap()) else { panic!() };
    assert_eq!(file(ALICE, USERS, &entries, &Options::default()), format!("754 u{group}:5 g:4 g{group}:5"));
}

#[test]
fn what_is_denied_first_is_not_allowed_and_what_was_allowed_first_stays() {
    let options = mapped();
    assert_eq!(file(ALICE, GROUP, &[deny(ALICE, 1), allow(ALICE, FULL)], &options), "300");
    assert_eq!(file(ALICE, GROUP, &[allow(ALICE, FULL), deny(ALICE, 1)], &options), "700");
    assert_eq!(file(ALICE, GROUP, &[deny(EVERYONE, 0x20), allow(ALICE, FULL), allow(GROUP, FULL)], &options), "660");
    // Generic rights deny what they mean, and allow nothing.
    assert_eq!(file(ALICE, GROUP, &[deny(ALICE, 0x8000_0000), allow(ALICE, FULL)], &options), "300");
    assert_eq!(file(ALICE, GROUP, &[allow(ALICE, 0x1000_0000)], &options), "0");
}

#[test]
fn whoever_could_be_in_a_group_that_is_denied_something_is_denied_it() {
    let options = mapped();
    let other = "S-1-5-21-9-9-9-1200";
    for group in [other, GROUP, ADMINISTRATORS, "S-1-5-7"] {
        let entries = [deny(group, 1), allow(ALICE, FULL), allow(EVERYONE, READ)];
        assert_eq!(file(ALICE, USERS, &entries, &options), "300", "{group}");
    }
    // Another user is certainly another one, and is named.
    let entries = [deny(BOB, 1), allow(ALICE, FULL), allow(EVERYONE, READ)];
    assert_eq!(file(ALICE, USERS, &entries, &options), "744 u1002:0 g:4");
    // One by a pattern may be a group.
    let pattern = UserMapping::parse(&format!("{MAPPED}::S-1-5-21-9-9-9-1000\n"), &HostNames::default()).unwrap();
    let by_pattern = Options { user_mapping: Some(pattern), owner: None };
    let of_pattern = [deny("S-1-5-21-9-9-9-1200", 1), allow(ALICE, FULL), allow(EVERYONE, READ)];
    assert_eq!(file(ALICE, USERS, &of_pattern, &by_pattern), "300");
    // Without a mapping file an account may be a group.
    assert_eq!(file(ALICE, USERS, &entries, &Options::default()), "300");
}

#[test]
fn groups_of_root_and_of_nobody_get_what_everybody_gets() {
    let entries = [allow(SYSTEM, FULL), allow(ADMINISTRATORS, FULL), allow(EVERYONE, READ)];
    for options in [mapped(), Options::default()] {
        assert_eq!(file(SYSTEM, ADMINISTRATORS, &entries, &options), "744");
        assert_eq!(file(SYSTEM, SYSTEM, &entries, &options), "744");
    }
    let app = "S-1-15-2-1";
    assert_eq!(file(app, app, &[allow(app, FULL), allow(EVERYONE, READ)], &Options::default()), "444");
    let owned = access_of(&descriptor(Some(app), Some(USERS), Some(&acl(&[]))), FileType::Regular, &Options::default());
    assert_eq!((owned.uid, owned.gid), (NOBODY, NOBODY));
}

#[test]
fn rights_of_whoever_owns_a_file_are_the_owners() {
    assert_eq!(file(ALICE, GROUP, &[allow("S-1-3-4", READ)], &mapped()), "400");
    assert_eq!(file(ALICE, GROUP, &[allow("S-1-3-0", READ)], &mapped()), "0", "who made it is for heirs only");
    // With a mapping file whoever may take the file is the owner, but has the rights of nobody else.
    let entries = [allow("S-1-3-4", READ), allow(ALICE, 0x8_0000 | 0x20)];
    assert_eq!(file(BOB, GROUP, &entries, &mapped()), "100");
}

#[test]
fn directories_need_both_kinds_of_new_entries_to_be_writable() {
    let shown = |mask| {
        let bytes = descriptor(Some(ALICE), Some(GROUP), Some(&acl(&[allow(ALICE, mask)])));
        let permissions = |kind| access_of(&bytes, kind, &mapped()).permissions;
        (permissions(FileType::Directory), permissions(FileType::Regular))
    };
    assert_eq!(shown(WRITE_DATA), (0, 0o200));
    assert_eq!(shown(APPEND_DATA), (0, 0));
    assert_eq!(shown(WRITE_DATA | APPEND_DATA), (0o200, 0o200));
    assert_eq!(shown(EXECUTE), (0o100, 0o100));
    assert_eq!(shown(READ_DATA), (0o400, 0o400));
}

#[test]
fn a_file_without_a_descriptor_is_roots_alone() {
    let shown = |kind| access(None, kind, &Options::default(), None);
    assert_eq!(shown(FileType::Regular), Access { uid: 0, gid: 0, permissions: 0o600, acl: Acl::default() });
    assert_eq!(shown(FileType::Directory).permissions, 0o700);
    assert_eq!(shown(FileType::Symlink).permissions, 0o777);
    let bytes = descriptor(None, None, Some(&acl(&[allow(EVERYONE, READ)])));
    let access = access_of(&bytes, FileType::Regular, &Options::default());
    assert_eq!((access.uid, access.gid, access.permissions), (0, 0, 0o44));
}

#[test]
fn what_wsl_recorded_wins() {
    let descriptor = Descriptor::parse(&samples::of("simple")).unwrap();
    let wsl = WslMetadata { uid: Some(1), gid: Some(2), mode: Some(0o104_751), device: None };
    let shown = |options: &Options, wsl: WslMetadata| access(Some(&descriptor), FileType::Regular, options, Some(&wsl));
    let all = shown(&mapped(), wsl);
    assert_eq!((all.uid, all.gid, all.permissions, all.acl), (1, 2, 0o4751, Acl::default()));
    let part = shown(&mapped(), WslMetadata { uid: None, mode: None, ..wsl });
    assert_eq!((part.uid, part.gid, part.permissions), (1001, 2, 0o755));
    let owned = shown(&Options { owner: Some((7, 8)), ..mapped() }, wsl);
    assert_eq!((owned.uid, owned.gid, owned.permissions), (7, 8, 0o711), "everything is the user's, who may read it");
}

#[test]
fn one_user_may_own_everything() {
    let options = Options { owner: Some((7, 8)), user_mapping: None };
    let shown = |kind, file_type| {
        let access = access_of(&samples::of(kind), file_type, &options);
        (access.uid, access.gid, short(&access))
    };
    assert_eq!(shown("empty", FileType::Regular), (7, 8, "600".to_owned()));
    assert_eq!(shown("empty", FileType::Directory), (7, 8, "700".to_owned()));
    assert_eq!(shown("deny", FileType::Regular), (7, 8, "644".to_owned()));
    assert_eq!(shown("simple", FileType::Regular), (7, 8, "755".to_owned()));
}

#[test]
fn nobody_gains_when_a_list_names_more_than_an_acl_can_carry() {
    let many = |mask| -> Vec<_> {
        let named = (0..=500).map(|rid| allow(&format!("S-1-5-21-1-2-3-{}", 2000 + rid), mask));
        [allow(EVERYONE, READ), allow(ALICE, FULL)].into_iter().chain(named).collect()
    };
    assert_eq!(file(ALICE, GROUP, &many(FULL), &Options::default()), "744");
    assert_eq!(file(ALICE, GROUP, &many(READ), &Options::default()), "744");
    let lines: String = (0..=500).map(|rid| format!("{0}::S-1-5-21-1-2-3-{0}\n", 2000 + rid)).collect();
    let mapping = UserMapping::parse(&format!("{MAPPED}{lines}"), &HostNames::default()).unwrap();
    let denied: Vec<_> = (0..=500).map(|rid| deny(&format!("S-1-5-21-1-2-3-{}", 2000 + rid), 1)).collect();
    let entries = [denied, vec![allow(ALICE, FULL), allow(EVERYONE, READ)]].concat();
    assert_eq!(file(ALICE, GROUP, &entries, &Options { user_mapping: Some(mapping), owner: None }), "700");
}

#[test]
fn the_longest_lists_are_weighed_at_once() {
    for who in [4, 5] {
        let entry = |number: u32| allow(&format!("S-1-5-21-{who}-0-0-{number}"), READ_AND_EXECUTE);
        let entries: Vec<_> = (0..1800).map(entry).collect();
        let lines: String = (1..1800).map(|number| format!("{number}::S-1-5-21-5-0-0-{number}\n")).collect();
        let mapping = (who > 4).then(|| UserMapping::parse(&lines, &HostNames::default()).unwrap());
        let options = Options { user_mapping: mapping, owner: None };
        assert_eq!(file(ALICE, GROUP, &entries, &options), "0");
    }
}

#[test]
fn two_identifiers_of_one_user_have_what_both_have() {
    let mapping = format!("{MAPPED}1002::S-1-5-21-9-9-9-1002\n");
    let options =
        Options { user_mapping: Some(UserMapping::parse(&mapping, &HostNames::default()).unwrap()), owner: None };
    let entries = [allow(ALICE, FULL), allow(BOB, FULL), allow("S-1-5-21-9-9-9-1002", READ)];
    assert_eq!(file(ALICE, USERS, &entries, &options), "740 u1002:4 g:0");
}

#[test]
fn setuid_setgid_and_sticky_are_kept_as_ntfs_3g_keeps_them() {
    let entries = [allow(ALICE, FULL), allow("S-1-0-0", 0x7)];
    assert_eq!(file(ALICE, USERS, &entries, &mapped()), "7700");
    assert_eq!(file(ALICE, USERS, &entries, &Options::default()), "700", "only ntfs-3g means that by it");
}

proptest::proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        super::super::try_all(&bytes);
    }

    #[test]
    fn nothing_panics_on_damaged_descriptors(kind in 0..samples::KINDS.len(), at in 0..200_usize, byte: u8, end in 0..300_usize) {
        let mut bytes = samples::of(samples::KINDS[kind]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(end);
        super::super::try_all(&bytes);
    }
}
