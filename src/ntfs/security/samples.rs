//! Descriptors for tests: those of the images that ntfs-3g makes for this project, and parts to make others of.

/// All that [`of`] knows.
pub(crate) const KINDS: [&str; 6] = ["simple", "deny", "audit", "dir", "null", "empty"];
pub(crate) const ALICE: &str = "S-1-5-21-1111-2222-3333-1001";
pub(crate) const BOB: &str = "S-1-5-21-1111-2222-3333-1002";
pub(crate) const EVERYONE: &str = "S-1-1-0";
pub(crate) const ADMINISTRATORS: &str = "S-1-5-32-544";
pub(crate) const USERS: &str = "S-1-5-32-545";
pub(crate) const SYSTEM: &str = "S-1-5-18";
pub(crate) const FULL: u32 = 0x1F_01FF;
pub(crate) const READ_AND_EXECUTE: u32 = 0x12_00A9;
pub(crate) const READ: u32 = 0x12_0089;

/// A SID in its binary form.
pub(crate) fn sid(text: &str) -> Vec<u8> {
    let sid: super::sid::Sid = text.parse().unwrap();
    let (authority, parts) = sid.parts();
    let mut bytes = vec![1, u8::try_from(parts.len()).unwrap()];
    bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
    parts.iter().for_each(|part| bytes.extend_from_slice(&part.to_le_bytes()));
    bytes
}

/// An entry: its type, flags, mask, and what follows.
pub(crate) fn ace(kind: u8, flags: u8, mask: u32, rest: &[u8]) -> Vec<u8> {
    let size = u16::try_from(rest.len() + 8).unwrap();
    [&[kind, flags][..], &size.to_le_bytes(), &mask.to_le_bytes(), rest].concat()
}

pub(crate) fn allow(who: &str, mask: u32) -> Vec<u8> {
    ace(0, 0, mask, &sid(who))
}

pub(crate) fn deny(who: &str, mask: u32) -> Vec<u8> {
    ace(1, 0, mask, &sid(who))
}

pub(crate) fn acl(entries: &[Vec<u8>]) -> Vec<u8> {
    let body = entries.concat();
    let size = u16::try_from(body.len() + 8).unwrap();
    let count = u16::try_from(entries.len()).unwrap();
    [&[2, 0][..], &size.to_le_bytes(), &count.to_le_bytes(), &[0, 0], &body].concat()
}

pub(crate) fn descriptor(owner: Option<&str>, group: Option<&str>, dacl: Option<&[u8]>) -> Vec<u8> {
    with_audit(owner, group, dacl, None, 0)
}

/// Parts in the order of those that Windows writes: audits, access, owner, group.
pub(crate) fn with_audit(
    owner: Option<&str>,
    group: Option<&str>,
    dacl: Option<&[u8]>,
    sacl: Option<&[u8]>,
    control: u16,
) -> Vec<u8> {
    let control = 0x8000 | control | if dacl.is_some() { 4 } else { 0 } | if sacl.is_some() { 0x10 } else { 0 };
    let (owner, group) = (owner.map(sid), group.map(sid));
    let mut body = Vec::new();
    let mut place = |part: Option<&[u8]>| {
        let at = part.map_or(0, |_| u32::try_from(20 + body.len()).unwrap());
        body.extend_from_slice(part.unwrap_or_default());
        at.to_le_bytes()
    };
    let (sacl, dacl) = (place(sacl), place(dacl));
    let (owner, group) = (place(owner.as_deref()), place(group.as_deref()));
    [&[1, 0][..], &control.to_le_bytes(), &owner, &group, &sacl, &dacl, &body].concat()
}

/// The descriptors of the images that ntfs-3g makes for this project.
pub(crate) fn of(kind: &str) -> Vec<u8> {
    let heir = |flags, mask, who| ace(0, flags, mask, &sid(who));
    let (owner, group, dacl, sacl, control) = match kind {
        "simple" => (ALICE, USERS, acl(&[allow(ALICE, FULL), allow(USERS, READ_AND_EXECUTE)]), None, 0),
        "deny" => {
            let list = acl(&[deny(BOB, 0x116), allow(ADMINISTRATORS, FULL), heir(0x10, READ, EVERYONE)]);
            (BOB, USERS, list, None, 0x0400)
        }
        "audit" => {
            let audits = acl(&[ace(2, 0xC0, 0x1_0000, &sid(EVERYONE))]);
            (ADMINISTRATORS, SYSTEM, acl(&[allow(SYSTEM, FULL)]), Some(audits), 0)
        }
        "dir" => {
            let list = [heir(3, FULL, ALICE), heir(11, FULL, "S-1-3-0"), heir(2, READ_AND_EXECUTE, USERS)];
            (ALICE, USERS, acl(&list), None, 0x1000)
        }
        "null" => return with_audit(Some(ALICE), Some(USERS), None, None, 4),
        "empty" => (ALICE, USERS, acl(&[]), None, 0),
        _ => panic!("no sample {kind}"),
    };
    with_audit(Some(owner), Some(group), Some(&dacl), sacl.as_deref(), control)
}
