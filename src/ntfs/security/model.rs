//! The kernel's check of permissions and ACLs against the check of Windows, for everybody there could be: nobody gets more.

use super::access::{Access, Options, access};
use super::descriptor::{Descriptor, Discretionary, Effect};
use super::mapping::{HostNames, UserMapping};
use super::samples::{ADMINISTRATORS, ALICE, BOB, EVERYONE, SYSTEM, USERS, ace, acl, descriptor, sid};
use proptest::prelude::{Just, Strategy, any, prop_assert, proptest};
use vfs::{AclQualifier, FileType};

const CAROL: &str = "S-1-5-21-1111-2222-3333-1003";
const MEMBERS: &str = "S-1-5-21-1111-2222-3333-513";
const STAFF: &str = "S-1-5-21-1111-2222-3333-1200";
const INTERACTIVE: &str = "S-1-5-4";
const AUTHENTICATED: &str = "S-1-5-11";
const OWNER_RIGHTS: &str = "S-1-3-4";
const USERS_OF_WINDOWS: [&str; 3] = [ALICE, BOB, CAROL];
const GROUPS_OF_WINDOWS: [&str; 3] = [MEMBERS, STAFF, ADMINISTRATORS];
const ANYBODY: [&str; 4] = [USERS, EVERYONE, INTERACTIVE, AUTHENTICATED];
const NAMED: [&str; 14] = [
    ALICE,
    BOB,
    CAROL,
    MEMBERS,
    STAFF,
    ADMINISTRATORS,
    SYSTEM,
    USERS,
    EVERYONE,
    INTERACTIVE,
    AUTHENTICATED,
    OWNER_RIGHTS,
    "S-1-3-0",
    "S-1-5-7",
];
/// Carol and the staff have no number on the host.
const MAPPING: &str = "1001:1001:S-1-5-21-1111-2222-3333-1001\n1002::S-1-5-21-1111-2222-3333-1002\n\
    :513:S-1-5-21-1111-2222-3333-513\n";

/// Somebody: a user with groups.
struct Person {
    sids: Vec<&'static str>,
}

/// Everybody whom Windows could know: each user in each set of groups.
fn people() -> Vec<Person> {
    let mut people = Vec::new();
    for user in USERS_OF_WINDOWS {
        for set in 0..1 << GROUPS_OF_WINDOWS.len() {
            let groups = GROUPS_OF_WINDOWS.into_iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
            let always = [user].into_iter().chain(ANYBODY);
            people.push(Person { sids: always.chain(groups.map(|(_, group)| group)).collect() });
        }
    }
    people
}

/// What Windows allows: the access check of [MS-DTYP] 2.5.3.2.
fn by_windows(descriptor: &Descriptor, person: &Person, wanted: u32) -> bool {
    let Discretionary::Entries(entries) = &descriptor.access else { return true };
    let is_owner = descriptor.owner.as_ref().is_some_and(|owner| person.sids.contains(&owner.to_string().as_str()));
    let mut missing = wanted;
    for entry in entries {
        let sid = entry.sid.to_string();
        if person.sids.contains(&sid.as_str()) || (is_owner && sid == OWNER_RIGHTS) {
            match entry.effect {
                Effect::Allow => missing &= !entry.mask,
                Effect::Deny if entry.mask & missing != 0 => return false,
                Effect::Deny => {}
            }
        }
    }
    missing == 0
}

/// What the kernel allows (`acl_permission_check` and `posix_acl_permission`) to a user with groups.
fn by_linux(access: &Access, uid: u32, gids: &[u32], bit: u16) -> bool {
    let has = |bits: u8| u16::from(bits) & bit != 0;
    if uid == access.uid {
        return access.permissions & (bit << 6) != 0;
    }
    let Some(acl) = &access.acl.access else {
        let shift = if gids.contains(&access.gid) { 3 } else { 0 };
        return access.permissions & (bit << shift) != 0;
    };
    let find = |wanted: AclQualifier| acl.entries().iter().find(|entry| entry.qualifier == wanted);
    let mask = find(AclQualifier::Mask).is_none_or(|mask| has(mask.permissions.bits()));
    if let Some(user) = find(AclQualifier::User(uid)) {
        return has(user.permissions.bits()) && mask;
    }
    let of_group = |qualifier: AclQualifier| match qualifier {
        AclQualifier::OwningGroup => gids.contains(&access.gid),
        AclQualifier::Group(gid) => gids.contains(&gid),
        _ => false,
    };
    let groups: Vec<_> = acl.entries().iter().filter(|entry| of_group(entry.qualifier)).collect();
    if groups.is_empty() {
        return find(AclQualifier::Other).is_some_and(|other| has(other.permissions.bits()));
    }
    groups.iter().any(|group| has(group.permissions.bits())) && mask
}

/// The numbers of a person on this host, which agree with those of files: as the mapping says, or as sssd gives them.
fn on_linux(person: &Person, options: &Options) -> (u32, Vec<u32>) {
    let number = |who: &str| -> Option<u32> {
        let sid = who.parse().unwrap();
        match (&options.user_mapping, super::identity::of(&sid)) {
            (Some(mapping), _) => mapping.user(&sid).or_else(|| mapping.group(&sid)),
            (None, super::identity::Identity::Account(id)) => Some(id),
            (None, _) => None,
        }
    };
    let uid = number(person.sids[0]).unwrap_or(5000);
    (uid, person.sids[1..].iter().filter_map(|group| number(group)).chain([uid]).collect())
}

fn one_entry() -> impl Strategy<Value = Vec<u8>> {
    let mask =
        proptest::sample::select(&[0x1F_01FF_u32, 0x12_00A9, 0x12_0089, 0x12_0116, 1, 2, 4, 6, 0x20, 0xA000_0000][..]);
    (any::<bool>(), mask, proptest::sample::select(&NAMED[..]))
        .prop_map(|(denies, mask, who)| ace(u8::from(denies), 0, mask, &sid(who)))
}

proptest! {
    #[test]
    fn nobody_gets_more_than_windows_gives(
        owner in proptest::sample::select(&NAMED[..8]),
        group in proptest::sample::select(&NAMED[..9]),
        entries in proptest::collection::vec(one_entry(), 0..7),
        is_mapped: bool,
        kind in proptest::prop_oneof![Just(FileType::Regular), Just(FileType::Directory)],
    ) {
        let bytes = descriptor(Some(owner), Some(group), Some(&acl(&entries)));
        let parsed = Descriptor::parse(&bytes).unwrap();
        let mapping = || UserMapping::parse(MAPPING, &HostNames::default()).unwrap();
        let options = Options { user_mapping: is_mapped.then(mapping), owner: None };
        let shown = access(Some(&parsed), kind, &options, None);
        let write = if kind == FileType::Directory { 6 } else { 2 };
        let known = people().into_iter().map(|person| (on_linux(&person, &options), person));
        // People of this host whom Windows knows no better than as somebody who logged in.
        let strangers = [5001, 65_534].map(|uid| ((uid, vec![uid, 0, 65_534]), Person { sids: ANYBODY.to_vec() }));
        for ((uid, gids), person) in known.chain(strangers) {
            for (bit, right) in [(4, 1), (2, write), (1, 0x20)] {
                let allowed = by_linux(&shown, uid, &gids, bit);
                prop_assert!(
                    !allowed || by_windows(&parsed, &person, right),
                    "{:?} ({uid} {gids:?}) gets {bit} of {parsed:?}: {shown:?}", person.sids
                );
            }
        }
    }
}
