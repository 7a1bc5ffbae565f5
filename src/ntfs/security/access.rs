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
    /// Which users and groups those of Windows are. Without it, SIDs decide (see [`identity`]).
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

/// Those whose access is asked for.
enum Class<'a> {
    /// With the user's number.
    Owner(&'a Sid, u32),
    OwningGroup(&'a Sid),
    User(&'a Sid, u32),
    Group(&'a Sid),
    Other,
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
        let other = self.granted(entries, &Class::Other);
        let mut of_owner = owner.map_or(other, |sid| self.granted(entries, &Class::Owner(sid, uid)));
        let mut of_group = group.map_or(other, |sid| self.granted(entries, &Class::OwningGroup(sid)));
        let mut of_other = other;
        let mut named = self.named(entries, owner, other);
        if named.len() > NAMED_MAX {
            // Whoever is not named after all gets no more than any of them.
            let least = named.values().fold(7, |least, bits| least & bits);
            (of_owner, of_group, of_other) = (of_owner, of_group & least, of_other & least);
            named.clear();
        }
        named.remove(&AclName::User(uid));
        if owner.is_none() {
            of_owner = 0;
        }
        let bits = Bits { owner: of_owner, group: of_group, other: of_other };
        let (permissions, access) = bits.with(&named);
        Access { uid, gid, permissions: permissions | self.special(entries), acl: Acl { access, default: None } }
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

    /// The permissions of a class: read 4, write 2, execute 1.
    fn granted(&self, entries: &[Entry], class: &Class<'_>) -> u16 {
        let (mut allowed, mut denied) = (0_u32, 0_u32);
        for entry in entries {
            match entry.effect {
                Effect::Allow if self.is_allowed(class, entry) => allowed |= entry.mask & !denied,
                Effect::Deny if self.may_be_denied(class, &entry.sid) => denied |= specific(entry.mask),
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

    /// Whether everybody of the class is certainly among those to whom an entry allows something.
    fn is_allowed(&self, class: &Class<'_>, entry: &Entry) -> bool {
        let who = self.who(&entry.sid);
        if who == Who::Everybody {
            return true;
        }
        match class {
            Class::Owner(sid, uid) => match self.who(sid) {
                // For Linux all these are root.
                Who::Root => who == Who::Root || is_owner_rights(&entry.sid),
                // Processes of `nobody` are not who owns the file.
                Who::Nobody if *uid == NOBODY => false,
                _ => {
                    **sid == entry.sid || (is_owner_rights(&entry.sid) && self.descriptor.owner.as_ref() == Some(*sid))
                }
            },
            Class::OwningGroup(sid) => self.is_allowed_to_group(sid, entry),
            Class::User(sid, _) | Class::Group(sid) => **sid == entry.sid,
            Class::Other => false,
        }
    }

    /// Members of root's group need not be administrators, nor those of `nogroup` anybody. Where one SID is both owner and
    /// group, ntfs-3g writes an entry for each and only that of the owner allows to take the file: the rest are of the group.
    fn is_allowed_to_group(&self, sid: &Sid, entry: &Entry) -> bool {
        let is_group = match self.mapping {
            Some(mapping) => mapping.group(sid).is_some(),
            None => matches!(self.who(sid), Who::Account(_)),
        };
        let is_owner = self.owner() == Some(sid);
        is_group && *sid == entry.sid && !(is_owner && entry.mask & WRITE_OWNER != 0)
    }

    /// Whether anybody of the class could be among those to whom an entry denies something. Only users by the mapping file
    /// are certainly nobody else; they have entries of their own.
    fn may_be_denied(&self, class: &Class<'_>, sid: &Sid) -> bool {
        match (self.who(sid), class) {
            (Who::User(id), Class::Owner(_, uid) | Class::User(_, uid)) => id == *uid,
            (Who::User(_), _) => false,
            _ => true,
        }
    }

    /// Permissions of the users and groups whom entries name, where they differ from those of others. When two SIDs are the
    /// same user or group, they have what both have.
    fn named(&self, entries: &[Entry], owner: Option<&Sid>, other: u16) -> BTreeMap<AclName, u16> {
        let mut named = BTreeMap::new();
        let mut add = |name: AclName, bits: u16| {
            named.entry(name).and_modify(|known| *known &= bits).or_insert(bits);
        };
        for entry in entries {
            let sid = &entry.sid;
            let (is_owner, is_group) = (owner == Some(sid), self.descriptor.group.as_ref() == Some(sid));
            let user = |id| self.granted(entries, &Class::User(sid, id));
            let group = || self.granted(entries, &Class::Group(sid));
            let allows = |bits: u16| entry.effect == Effect::Allow && bits & !other != 0;
            match self.who(sid) {
                Who::User(id) if !is_owner => add(AclName::User(id), user(id)),
                Who::Group(id) if !is_group && allows(group()) => add(AclName::Group(id), group()),
                Who::Account(id) => {
                    // What owns the file is taken for a user, and what is its group for a group.
                    if !is_owner && !is_group && allows(user(id)) {
                        add(AclName::User(id), user(id));
                    }
                    if !is_owner && !is_group && allows(group()) {
                        add(AclName::Group(id), group());
                    }
                }
                _ => {}
            }
        }
        named
    }

    /// The bits for setuid, setgid and sticky, which ntfs-3g keeps in an entry for S-1-0-0, who is nobody.
    fn special(&self, entries: &[Entry]) -> u16 {
        let is_special = |entry: &&Entry| entry.effect == Effect::Allow && matches!(entry.sid.parts(), (0, [0]));
        let masks = entries.iter().filter(is_special).fold(0, |masks, entry| masks | entry.mask);
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
