//! Which users and groups of Linux those of Windows are, as a mapping file of ntfs-3g says (`UserMapping`): lines of
//! `user:group:SID` where one of the first two may be empty; with both empty the SID is a pattern for all others
//! (ntfs-3g `libntfs-3g/acls.c`, `ntfs_read_mapping`, `ntfs_do_user_mapping`, `ntfs_do_group_mapping`, `findimplicit`).

use super::sid::Sid;
use std::collections::HashMap;
use vfs::{Error, ErrorKind, Result};

/// Bytes of a mapping file at most.
const BYTES_MAX: usize = 1 << 20;
/// RIDs below are those of well-known accounts, and none of them can begin a pattern (ntfs-3g `ntfs_valid_pattern`).
const FIRST_RID: u32 = 1000;
/// Bits of an id that a pattern puts in the RID, twice the id of a user or one more for a group; the rest goes into the
/// sub-authority before it.
const ID_BITS: u32 = 30;

/// The names of users and groups that this host has, for mapping files that use them.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl HostNames {
    /// Reads the text of `/etc/passwd` and of `/etc/group`; lines that are no entries are left out.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let entry = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            Some((name.to_owned(), fields.nth(1)?.parse().ok()?))
        };
        Self { users: passwd.lines().filter_map(entry).collect(), groups: group.lines().filter_map(entry).collect() }
    }
}

/// A mapping file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMapping {
    users: Table,
    groups: Table,
}

/// SIDs and their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    ids: HashMap<Sid, u32>,
    /// The SID of the id 0, when a pattern names the rest.
    pattern: Option<Sid>,
}

impl UserMapping {
    /// Reads a mapping file. What ntfs-3g would pass over with a message in its log is an error here: somebody would get
    /// less than the file says, or somebody else would.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] with the number of the line that is wrong.
    pub fn parse(text: &str, names: &HostNames) -> Result<Self> {
        if text.len() > BYTES_MAX {
            return Err(refused(format!("a user mapping of {} bytes; {BYTES_MAX} are possible", text.len())));
        }
        let mut mapping = Self::default();
        // Groups that are no users as well come first, so that real groups win (ntfs-3g `ntfs_do_group_mapping`).
        let mut of_users = Vec::new();
        for (line, number) in text.lines().zip(1_u32..) {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let item =
                Item::parse(line, names).map_err(|what| refused(format!("user mapping, line {number}: {what}")))?;
            match (item.user, item.group) {
                (None, None) => {
                    mapping.users.set_pattern(&item.sid);
                    of_users.push(item);
                }
                (None, Some(id)) => mapping.groups.insert(&item.sid, id),
                (Some(id), _) => {
                    mapping.users.insert(&item.sid, id);
                    of_users.push(item);
                }
            }
        }
        for item in of_users {
            match (item.user, item.group) {
                (None, _) => mapping.groups.set_pattern(&item.sid),
                (_, Some(id)) => mapping.groups.insert(&item.sid, id),
                (_, None) => {}
            }
        }
        Ok(mapping)
    }

    /// The user that a SID is; nobody is made root by a mapping.
    pub(crate) fn user(&self, sid: &Sid) -> Option<u32> {
        self.users.id(sid, 0)
    }

    /// The user that a SID is by a line of its own, and so certainly no group: patterns take numbers for users and groups
    /// by turns, whatever they are on Windows.
    pub(crate) fn only_user(&self, sid: &Sid) -> Option<u32> {
        self.users.ids.get(sid).copied()
    }

    /// The group that a SID is.
    pub(crate) fn group(&self, sid: &Sid) -> Option<u32> {
        self.groups.id(sid, 1)
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

/// A line.
struct Item {
    user: Option<u32>,
    group: Option<u32>,
    sid: Sid,
}

impl Item {
    fn parse(line: &str, names: &HostNames) -> std::result::Result<Self, String> {
        let mut fields = line.split(':').map(str::trim);
        let (Some(user), Some(group), Some(sid)) = (fields.next(), fields.next(), fields.next()) else {
            return Err("expected user:group:SID".to_owned());
        };
        let id = |text: &str, kind: &str, names: &HashMap<String, u32>| match text {
            "" => Ok(None),
            text if text.starts_with(|first: char| first.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| format!("'{text}' is no {kind} number"))
            }
            text => names.get(text).copied().map(Some).ok_or_else(|| format!("this host has no {kind} '{text}'")),
        };
        let (user, group) = (id(user, "user", &names.users)?, id(group, "group", &names.groups)?);
        let sid: Sid = sid.parse().map_err(|error: Error| error.message)?;
        let is_pattern = user.is_none() && group.is_none();
        match sid.account() {
            Some((_, rid)) if is_pattern && !(FIRST_RID..=u32::MAX >> 1).contains(&rid) => {
                return Err(format!("the last number of the pattern {sid} has to be {FIRST_RID} or more"));
            }
            None if is_pattern => return Err(format!("the pattern {sid} is not of accounts (S-1-5-21-...)")),
            _ => {}
        }
        // Null, world, local, creator: these are no users or groups.
        if matches!(sid.parts(), (0..=3, _)) {
            return Err(format!("{sid} is no user or group"));
        }
        Ok(Self { user, group, sid })
    }
}

impl Table {
    /// The first line that names a SID wins; lines after a pattern have no effect, as in ntfs-3g. Root is never an id.
    fn insert(&mut self, sid: &Sid, id: u32) {
        if id != 0 && self.pattern.is_none() {
            self.ids.entry(sid.clone()).or_insert(id);
        }
    }

    fn set_pattern(&mut self, sid: &Sid) {
        if self.pattern.is_none() {
            self.pattern = Some(sid.clone());
        }
    }

    /// The id of a SID; `parity` is that of what a pattern adds to its RID: even for users, odd for groups.
    fn id(&self, sid: &Sid, parity: u32) -> Option<u32> {
        self.ids.get(sid).copied().or_else(|| implicit(sid, self.pattern.as_ref()?, parity)).filter(|id| *id != 0)
    }
}

/// The id of a SID by a pattern.
fn implicit(sid: &Sid, pattern: &Sid, parity: u32) -> Option<u32> {
    let (of_sid, of_pattern) = (sid.nt_parts()?, pattern.nt_parts()?);
    let (rid, domain) = of_sid.split_last()?;
    let (first_rid, first_domain) = of_pattern.split_last()?;
    let distance = rid.checked_sub(*first_rid).filter(|distance| *distance > 0 && distance & 1 == parity)?;
    let (last, above) = domain.split_last()?;
    let (first_last, first_above) = first_domain.split_last()?;
    let high = last.wrapping_sub(*first_last);
    let is_of_pattern = sid.account().is_some() && above == first_above && high < 1 << (u32::BITS - ID_BITS);
    is_of_pattern.then_some(((distance >> 1) & ((1 << ID_BITS) - 1)) | (high << ID_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    fn mapping(text: &str) -> UserMapping {
        let names = HostNames::parse("root:x:0:0::/:\nalice:x:1001:1001::/:\nbad\n", "users:x:100:\n");
        UserMapping::parse(text, &names).unwrap()
    }

    const ACCOUNT: &str = "S-1-5-21-1111-2222-3333";

    #[test]
    fn lines_name_users_and_groups_by_number_or_name() {
        let text = format!(
            "# comment\n\nalice:users:{ACCOUNT}-1001\r\n1002::{ACCOUNT}-1002:more\n:513:{ACCOUNT}-513\n:5:S-1-5-4\n"
        );
        let mapping = mapping(&text);
        let user = |rid: u32| mapping.user(&sid(&format!("{ACCOUNT}-{rid}")));
        let group = |rid: u32| mapping.group(&sid(&format!("{ACCOUNT}-{rid}")));
        assert_eq!((user(1001), user(1002), user(513)), (Some(1001), Some(1002), None));
        assert_eq!((group(1001), group(1002), group(513)), (Some(100), None, Some(513)));
        assert_eq!(mapping.group(&sid("S-1-5-4")), Some(5));
    }

    #[test]
    fn a_real_group_wins_over_that_of_a_user_and_the_first_line_over_later_ones() {
        let mapping = mapping(&format!("1:2:{ACCOUNT}-1\n3:4:{ACCOUNT}-1\n:5:{ACCOUNT}-1\n0:0:{ACCOUNT}-2\n"));
        assert_eq!(
            (mapping.user(&sid(&format!("{ACCOUNT}-1"))), mapping.group(&sid(&format!("{ACCOUNT}-1")))),
            (Some(1), Some(5))
        );
        assert_eq!(mapping.user(&sid(&format!("{ACCOUNT}-2"))), None, "nobody becomes root");
    }

    #[test]
    fn a_pattern_names_all_others() {
        let mapping = mapping(&format!("7:7:{ACCOUNT}-500\n::{ACCOUNT}-10000\n8:8:{ACCOUNT}-501\n"));
        let user = |text: &str| mapping.user(&sid(text));
        let group = |text: &str| mapping.group(&sid(text));
        assert_eq!((user("S-1-5-21-1111-2222-3333-12000"), group("S-1-5-21-1111-2222-3333-12000")), (Some(1000), None));
        assert_eq!((user("S-1-5-21-1111-2222-3333-12001"), group("S-1-5-21-1111-2222-3333-12001")), (None, Some(1000)));
        assert_eq!(user("S-1-5-21-1111-2222-3335-10002"), Some((2 << 30) | 1), "high bits are in the number before");
        assert_eq!((user("S-1-5-21-1111-2222-3337-10002"), user("S-1-5-21-1112-2222-3333-10002")), (None, None));
        assert_eq!((user("S-1-5-21-1111-2222-3333-10000"), user("S-1-5-21-1111-2222-3333-9998")), (None, None));
        assert_eq!(user("S-1-5-21-1111-2222-3333-500"), Some(7));
        assert_eq!(user("S-1-5-21-1111-2222-3333-501"), None, "lines after the pattern have no effect");
    }

    #[test]
    fn lines_that_are_wrong_are_refused_by_number() {
        let wrong = [
            "1000:1000",
            "bob::S-1-5-21-1-2-3-4",
            ":staff:S-1-5-21-1-2-3-4",
            "1000x::S-1-5-21-1-2-3-4",
            "-1::S-1-5-21-1-2-3-4",
            "1:1:S-1-5-x",
            "::S-1-5-32-1000",
            "::S-1-5-21-1-2-3-999",
            "::S-1-5-21-1-2-3-2147483648",
            "1::S-1-1-0",
            "1::S-1-3-0",
        ];
        for line in wrong {
            let error = UserMapping::parse(&format!("#\n{line}\n"), &HostNames::default()).unwrap_err();
            assert!(error.message.starts_with("user mapping, line 2: "), "{line}: {}", error.message);
        }
        assert!(UserMapping::parse(&"#".repeat(BYTES_MAX + 1), &HostNames::default()).is_err());
    }
}
