//! Who may do what, for Linux: an owner, a group, permission bits and a POSIX ACL, of a security descriptor.
//!
//! Nobody gets more than Windows would give. Entries are weighed in their order, as Windows does ([MS-DTYP] 2.5.3.2): what
//! was allowed before it is denied stays allowed. For each class of POSIX (the owner, the group, named users and groups, all
//! others) what is allowed counts when everybody in the class certainly is the one it is allowed to; what is denied counts
//! when anybody in it could be. Where that and the kernel's rules for POSIX ACLs differ, the result is less.

use super::descriptor::{Descriptor, Discretionary, Effect, Entry};
use super::identity::{self, Identity, NOBODY};
use super::mapping::UserMapping;
use super::sid::Sid;
use super::wsl::WslMetadata;
use std::collections::BTreeMap;
use vfs::{Acl, AclEntry, AclPermissions, AclQualifier, FileType, PosixAcl};

/// How owners, groups and permissions are found.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which users and groups those of Windows are. Without it, SIDs decide (see `identity.rs`).
    pub user_mapping: Option<UserMapping>,
    /// The user and group to whom everything belongs, and who may read all of it.
    pub owner: Option<(u32, u32)>,
}

/// What Linux shows of the access to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// `st_mode` without the type: 12 bits.
    pub(crate) permissions: u16,
    pub(crate) acl: Acl,
}

/// `FILE_READ_DATA`, `FILE_LIST_DIRECTORY`.
const READ_DATA: u32 = 0x1;
/// `FILE_WRITE_DATA`, `FILE_ADD_FILE`.
const WRITE_DATA: u32 = 0x2;
/// `FILE_APPEND_DATA`, `FILE_ADD_SUBDIRECTORY`.
const APPEND_DATA: u32 = 0x4;
/// `FILE_EXECUTE`, `FILE_TRAVERSE`.
const EXECUTE: u32 = 0x20;
/// `WRITE_OWNER`: who has it may take the file; ntfs-3g tells owners by it.
const WRITE_OWNER: u32 = 0x8_0000;
/// Generic rights and what they are of files ([MS-DTYP] 2.4.3; `FILE_ALL_ACCESS` and so on). Windows replaces them when it
/// stores an entry; one that was left allows nothing, and denies what it means.
const GENERIC: [(u32, u32); 4] =
    [(0x1000_0000, 0x1F_01FF), (0x2000_0000, 0x12_00A0), (0x4000_0000, 0x12_0116), (0x8000_0000, 0x12_0089)];
/// Named users and groups in an ACL at most. FUSE carries about 500; lists of Windows with more are not made by people.
const NAMED_MAX: usize = 400;
const READ_BIT: u16 = 4;
const WRITE_BIT: u16 = 2;
const EXECUTE_BIT: u16 = 1;

/// The access to a file with this descriptor. Without one (or with a damaged one) only root has any.
pub(crate) fn access(
    descriptor: Option<&Descriptor>,
    kind: FileType,
    options: &Options,
    wsl: Option<&WslMetadata>,
) -> Access {
    let is_directory = kind == FileType::Directory;
    let all_of_owner = if is_directory { 0o700 } else { 0o600 };
    let mut access = match descriptor {
        Some(descriptor) => View { descriptor, mapping: options.user_mapping.as_ref(), is_directory }.access(),
        None => Access { uid: 0, gid: 0, permissions: all_of_owner, acl: Acl::default() },
    };
    if let Some(wsl) = wsl {
        access.uid = wsl.uid.unwrap_or(access.uid);
        access.gid = wsl.gid.unwrap_or(access.gid);
        if let Some(mode) = wsl.mode {
            access.permissions = u16::try_from(mode & 0o7777).unwrap_or(0);
            access.acl = Acl::default();
        }
    }
    if let Some((uid, gid)) = options.owner {
        // The group gets what everybody gets: the given one may be that of other people.
        let others = access.permissions & 0o7;
        let execute = if access.permissions & 0o111 == 0 { 0 } else { 0o100 };
        access = Access { uid, gid, permissions: all_of_owner | execute | (others << 3) | others, acl: Acl::default() };
    }
    if kind == FileType::Symlink {
        // Linux does not ask for permissions of a link.
        access = Access { permissions: 0o777, acl: Acl::default(), ..access };
    }
    access
}

/// Who a SID is on this host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Root,
    Everybody,
    /// By the mapping file: this user, and no group.
    User(u32),
    /// By the mapping file.
    Group(u32),
    /// A user or a group, as its SID alone does not say.
    Account(u32),
    Nobody,
}

/// An entry, with who its SID is: that is looked up once.
struct Weighed<'a> {
    entry: &'a Entry,
    who: Who,
    /// The user who alone is meant, by a line of the mapping file.
    only: Option<u32>,
}

/// Those whose access is asked for.
struct Class<'a> {
    /// The SID that everybody of the class has, where there is one.
    sid: Option<&'a Sid>,
    /// The user that the class is, where it is one.
    uid: Option<u32>,
    /// Whether these are all for whom root stands.
    is_root: bool,
    /// Whether the owner of the descriptor is meant.
    has_owner_rights: bool,
    /// Rights that tell that an entry is not for this class.
    not_with: u32,
}

impl<'a> Class<'a> {
    const OTHERS: Self = Self { sid: None, uid: None, is_root: false, has_owner_rights: false, not_with: 0 };

    const fn of(sid: &'a Sid, uid: Option<u32>) -> Self {
        Self { sid: Some(sid), uid, ..Self::OTHERS }
    }

    /// Whether everybody of the class certainly is among those to whom an entry allows something.
    fn is_allowed(&self, weighed: &Weighed<'_>) -> bool {
        let Weighed { entry, who, .. } = weighed;
        *who == Who::Everybody
            || (self.is_root && *who == Who::Root)
            || (self.has_owner_rights && is_owner_rights(&entry.sid))
            || (self.sid == Some(&entry.sid) && entry.mask & self.not_with == 0)
    }

    /// Whether anybody of the class could be among those to whom an entry denies something. Only users by a line of the
    /// mapping file are certainly nobody else; they have entries of their own.
    fn may_be_denied(&self, weighed: &Weighed<'_>) -> bool {
        weighed.only.is_none() || weighed.only == self.uid
    }
}

struct View<'a> {
    descriptor: &'a Descriptor,
    mapping: Option<&'a UserMapping>,
    is_directory: bool,
}

impl View<'_> {
    fn access(&self) -> Access {
        let owner = self.owner();
        let uid = owner.map_or(0, |sid| self.uid(sid));
        let group = self.descriptor.group.as_ref();
        let gid = group.map_or(0, |sid| self.gid(sid));
        let Discretionary::Entries(entries) = &self.descriptor.access else {
            return Access { uid, gid, permissions: 0o777, acl: Acl::default() };
        };
        let entries: Vec<_> = entries.iter().map(|entry| self.weighed(entry)).collect();
        let other = self.granted(&entries, &Class::OTHERS);
        let of_owner = owner.map_or(0, |sid| self.granted(&entries, &self.class_of_owner(sid, uid)));
        let of_group = self.granted(&entries, &self.class_of_group(owner));
        let mut bits = Bits { owner: of_owner, group: of_group, other };
        let mut named = self.named(&entries, owner, other);
        if named.len() > NAMED_MAX {
            // Whoever is not named after all gets no more than any of them.
            let least = named.values().fold(7, |least, bits| least & bits);
            bits = Bits { group: bits.group & least, other: bits.other & least, ..bits };
            named.clear();
        }
        named.remove(&AclName::User(uid));
        let (permissions, access) = bits.with(&named);
        Access { uid, gid, permissions: permissions | self.special(&entries), acl: Acl { access, default: None } }
    }

    /// Who owns the file for Linux. With a mapping file that is, as in ntfs-3g (`ntfs_acl_owner`), the first account that may
    /// take the file: what a user makes in a directory of another one belongs to either, by what Windows version made it.
    fn owner(&self) -> Option<&Sid> {
        let takes = |entry: &&Entry| {
            entry.effect == Effect::Allow && entry.mask & WRITE_OWNER != 0 && entry.sid.account().is_some()
        };
        let taker = match (&self.descriptor.access, self.mapping) {
            (Discretionary::Entries(entries), Some(_)) => entries.iter().find(takes).map(|entry| &entry.sid),
            _ => None,
        };
        taker.or(self.descriptor.owner.as_ref())
    }

    fn weighed<'a>(&self, entry: &'a Entry) -> Weighed<'a> {
        let only = self.mapping.and_then(|mapping| mapping.only_user(&entry.sid));
        Weighed { entry, who: self.who(&entry.sid), only }
    }

    fn who(&self, sid: &Sid) -> Who {
        if let Some(id) = self.mapping.and_then(|mapping| mapping.user(sid)) {
            return Who::User(id);
        }
        if let Some(id) = self.mapping.and_then(|mapping| mapping.group(sid)) {
            return Who::Group(id);
        }
        match (identity::of(sid), self.mapping) {
            (Identity::System, _) => Who::Root,
            (Identity::Everybody, _) => Who::Everybody,
            (Identity::Account(id), None) => Who::Account(id),
            (Identity::Account(_), Some(_)) | (Identity::Nobody, _) => Who::Nobody,
        }
    }

    /// The user to whom the file of this owner belongs: for ntfs-3g root, unless the mapping file names one.
    fn uid(&self, sid: &Sid) -> u32 {
        match (self.who(sid), self.mapping) {
            (Who::User(id) | Who::Account(id), _) => id,
            (Who::Root, _) | (_, Some(_)) => 0,
            _ => NOBODY,
        }
    }

    fn gid(&self, sid: &Sid) -> u32 {
        match self.mapping {
            Some(mapping) => mapping.group(sid).unwrap_or(0),
            None => self.uid(sid),
        }
    }

    fn class_of_owner<'a>(&'a self, sid: &'a Sid, uid: u32) -> Class<'a> {
        // Processes of `nobody` are not who owns the file.
        let is_somebody = uid != NOBODY || matches!(self.who(sid), Who::User(_));
        let has_owner_rights = is_somebody && self.descriptor.owner.as_ref() == Some(sid);
        let sid_of_somebody = is_somebody.then_some(sid);
        let is_root = self.who(sid) == Who::Root;
        Class { sid: sid_of_somebody, uid: Some(uid), is_root, has_owner_rights, not_with: 0 }
    }

    /// Members of root's group need not be administrators, nor those of `nogroup` anybody: they get what everybody gets.
    fn class_of_group(&self, owner: Option<&Sid>) -> Class<'_> {
        let is_known = |sid: &&Sid| match self.mapping {
            Some(mapping) => mapping.group(sid).is_some(),
            None => matches!(self.who(sid), Who::Account(_)),
        };
        let Some(sid) = self.descriptor.group.as_ref().filter(is_known) else { return Class::OTHERS };
        // Where one SID is both owner and group, ntfs-3g writes an entry for each, and only that of the owner allows to take
        // the file.
        let not_with = if owner == Some(sid) { WRITE_OWNER } else { 0 };
        Class { not_with, ..Class::of(sid, None) }
    }

    /// The permissions of a class: read 4, write 2, execute 1.
    fn granted(&self, entries: &[Weighed<'_>], class: &Class<'_>) -> u16 {
        let (mut allowed, mut denied) = (0_u32, 0_u32);
        for weighed in entries {
            match weighed.entry.effect {
                Effect::Allow if class.is_allowed(weighed) => allowed |= weighed.entry.mask & !denied,
                Effect::Deny if class.may_be_denied(weighed) => denied |= specific(weighed.entry.mask),
                Effect::Allow | Effect::Deny => {}
            }
        }
        self.bits(allowed)
    }

    fn bits(&self, rights: u32) -> u16 {
        let write = if self.is_directory { WRITE_DATA | APPEND_DATA } else { WRITE_DATA };
        let has = |wanted: u32, bit: u16| if rights & wanted == wanted { bit } else { 0 };
        has(READ_DATA, READ_BIT) | has(write, WRITE_BIT) | has(EXECUTE, EXECUTE_BIT)
    }

    /// Permissions of the users and groups whom entries name, where they differ from those of others. When two SIDs are the
    /// same user or group, they have what both have.
    fn named(&self, entries: &[Weighed<'_>], owner: Option<&Sid>, other: u16) -> BTreeMap<AclName, u16> {
        let mut sids = BTreeMap::new();
        for weighed in entries {
            let sid = &weighed.entry.sid;
            let (is_owner, is_group) = (owner == Some(sid), self.descriptor.group.as_ref() == Some(sid));
            // What owns the file is taken for a user, and what is its group for a group.
            let has_entry = match weighed.who {
                Who::User(_) => is_owner,
                Who::Group(_) => is_group,
                _ => is_owner || is_group,
            };
            if !has_entry && (weighed.entry.effect == Effect::Allow || weighed.only.is_some()) {
                sids.insert(sid, weighed.who);
            }
        }
        let mut named = BTreeMap::new();
        let mut add = |name: AclName, bits: u16| {
            named.entry(name).and_modify(|known| *known &= bits).or_insert(bits);
        };
        for (sid, who) in sids {
            let user = |id| self.granted(entries, &Class::of(sid, Some(id)));
            let group = || self.granted(entries, &Class::of(sid, None));
            match who {
                Who::User(id) => add(AclName::User(id), user(id)),
                Who::Group(id) if group() & !other != 0 => add(AclName::Group(id), group()),
                // Nothing says which of the two it is; the rights are the same.
                Who::Account(id) if group() & !other != 0 => {
                    add(AclName::User(id), user(id));
                    add(AclName::Group(id), group());
                }
                _ => {}
            }
        }
        named
    }

    /// The bits for setuid, setgid and sticky, which ntfs-3g keeps in an entry for S-1-0-0, who is nobody.
    fn special(&self, entries: &[Weighed<'_>]) -> u16 {
        let entries = entries.iter().map(|weighed| weighed.entry);
        let is_special = |entry: &&Entry| entry.effect == Effect::Allow && matches!(entry.sid.parts(), (0, [0]));
        let masks = entries.filter(is_special).fold(0, |masks, entry| masks | entry.mask);
        let bits = [(APPEND_DATA, 0o4000), (WRITE_DATA, 0o2000), (READ_DATA, 0o1000)];
        let bits = bits.into_iter().filter(|(right, _)| masks & right != 0).map(|(_, bit)| bit);
        if self.mapping.is_some() { bits.sum() } else { 0 }
    }
}

/// OWNER RIGHTS, S-1-3-4: who owns the file.
fn is_owner_rights(sid: &Sid) -> bool {
    matches!(sid.parts(), (3, [4]))
}

/// The rights that a mask means.
fn specific(mask: u32) -> u32 {
    GENERIC.iter().filter(|(generic, _)| mask & generic != 0).fold(mask, |mask, (_, rights)| mask | rights)
}

/// Whom an ACL names, users first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AclName {
    User(u32),
    Group(u32),
}

/// The permissions of the three classes that every file has.
struct Bits {
    owner: u16,
    group: u16,
    other: u16,
}

impl Bits {
    /// The mode, and the ACL when others are named as well; then the mode has the ACL's mask for the group.
    fn with(&self, named: &BTreeMap<AclName, u16>) -> (u16, Option<PosixAcl>) {
        let mode = |group: u16| (self.owner << 6) | (group << 3) | self.other;
        if named.is_empty() {
            return (mode(self.group), None);
        }
        let mask = named.values().fold(self.group, |mask, bits| mask | bits);
        let of = |wanted: fn(&AclName) -> Option<AclQualifier>| {
            named.iter().filter_map(move |(name, bits)| wanted(name).map(|qualifier| (qualifier, *bits)))
        };
        let users = of(|name| if let AclName::User(id) = name { Some(AclQualifier::User(*id)) } else { None });
        let groups = of(|name| if let AclName::Group(id) = name { Some(AclQualifier::Group(*id)) } else { None });
        let list = [(AclQualifier::Owner, self.owner)].into_iter().chain(users);
        let list = list.chain([(AclQualifier::OwningGroup, self.group)]).chain(groups);
        let list = list.chain([(AclQualifier::Mask, mask), (AclQualifier::Other, self.other)]);
        let entry =
            |(qualifier, bits)| AclPermissions::from_bits(bits).map(|permissions| AclEntry { qualifier, permissions });
        // Bits are three at most, and the order is the canonical one; if that were wrong, nobody but the owner gets anything.
        match list.map(entry).collect::<Option<Vec<_>>>().and_then(|list| PosixAcl::new(list).ok()) {
            Some(acl) => (mode(mask), Some(acl)),
            None => (self.owner << 6, None),
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
