//! Access-control lists, typed: POSIX 1003.1e draft 17 ACLs and their form as an extended attribute.

use crate::{Error, ErrorKind, Result};

/// The access control of a node beyond its permission bits.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Acl {
    /// The ACL that decides about access to this node; `None` when the permission bits say it all.
    pub access: Option<PosixAcl>,
    /// The ACL that new entries of this directory inherit.
    pub default: Option<PosixAcl>,
}

/// Whom an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AclQualifier {
    /// `ACL_USER_OBJ`: the owner.
    Owner,
    /// `ACL_USER`: the user with this id.
    User(u32),
    /// `ACL_GROUP_OBJ`: the owning group.
    OwningGroup,
    /// `ACL_GROUP`: the group with this id.
    Group(u32),
    /// `ACL_MASK`: the most that named users and groups get.
    Mask,
    /// `ACL_OTHER`: everybody else.
    Other,
}

/// Permission bits of one entry: read 4, write 2, execute 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AclPermissions(u8);

impl AclPermissions {
    /// `bits` as permissions; `None` unless it is 0 to 7.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self(0)),
            1 => Some(Self(1)),
            2 => Some(Self(2)),
            3 => Some(Self(3)),
            4 => Some(Self(4)),
            5 => Some(Self(5)),
            6 => Some(Self(6)),
            7 => Some(Self(7)),
            _ => None,
        }
    }

    /// The bits, 0 to 7.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// One entry of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AclEntry {
    /// Whom it is about.
    pub qualifier: AclQualifier,
    /// What they may do.
    pub permissions: AclPermissions,
}

/// A POSIX ACL that is complete: exactly one owner, owning-group and other entry, a mask when users or groups are
/// named, entries in the canonical order and no id twice (Linux `fs/posix_acl.c`, `posix_acl_valid`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixAcl {
    entries: Vec<AclEntry>,
}

impl PosixAcl {
    /// Checks a list of entries by the kernel's rules.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is not a valid ACL.
    pub fn new(entries: Vec<AclEntry>) -> Result<Self> {
        let ranks: Vec<_> = entries.iter().map(|entry| rank(entry.qualifier)).collect();
        let in_order = ranks.is_sorted_by(|a, b| a <= b);
        let count = |wanted: u8| ranks.iter().filter(|rank| **rank == wanted).count();
        let named = count(1).saturating_add(count(3));
        let complete = count(0) == 1 && count(2) == 1 && count(5) == 1;
        let masked = count(4) == 1 || (count(4) == 0 && named == 0);
        if in_order && complete && masked {
            Ok(Self { entries })
        } else {
            Err(Error::new(ErrorKind::Corrupt, "an access-control list is incomplete or out of order"))
        }
    }

    /// The entries in canonical order.
    #[must_use]
    pub fn entries(&self) -> &[AclEntry] {
        &self.entries
    }

    /// The value of `system.posix_acl_access` or `_default`: version 2, then 8 bytes an entry, little-endian
    /// (Linux `include/uapi/linux/posix_acl_xattr.h`).
    #[must_use]
    pub fn to_xattr(&self) -> Vec<u8> {
        const VERSION: u32 = 2;
        const UNDEFINED_ID: u32 = u32::MAX;
        let mut value = VERSION.to_le_bytes().to_vec();
        for entry in &self.entries {
            let (tag, id) = match entry.qualifier {
                AclQualifier::Owner => (0x01_u16, UNDEFINED_ID),
                AclQualifier::User(id) => (0x02, id),
                AclQualifier::OwningGroup => (0x04, UNDEFINED_ID),
                AclQualifier::Group(id) => (0x08, id),
                AclQualifier::Mask => (0x10, UNDEFINED_ID),
                AclQualifier::Other => (0x20, UNDEFINED_ID),
            };
            value.extend_from_slice(&tag.to_le_bytes());
            value.extend_from_slice(&u16::from(entry.permissions.bits()).to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        value
    }
}

/// The canonical order of entry kinds.
const fn rank(qualifier: AclQualifier) -> u8 {
    match qualifier {
        AclQualifier::Owner => 0,
        AclQualifier::User(_) => 1,
        AclQualifier::OwningGroup => 2,
        AclQualifier::Group(_) => 3,
        AclQualifier::Mask => 4,
        AclQualifier::Other => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(qualifier: AclQualifier, bits: u16) -> AclEntry {
        AclEntry { qualifier, permissions: AclPermissions::from_bits(bits).unwrap() }
    }

    #[test]
    fn a_complete_acl_has_the_kernels_xattr_form() {
        let acl = PosixAcl::new(vec![
            entry(AclQualifier::Owner, 6),
            entry(AclQualifier::User(1001), 4),
            entry(AclQualifier::OwningGroup, 4),
            entry(AclQualifier::Mask, 4),
            entry(AclQualifier::Other, 0),
        ])
        .unwrap();
        let expected: &[u8] = &[
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 0xe9, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
            0x10, 0, 4, 0, 255, 255, 255, 255, 0x20, 0, 0, 0, 255, 255, 255, 255,
        ];
        assert_eq!(acl.to_xattr(), expected);
    }

    #[test]
    fn a_named_user_without_mask_is_refused() {
        let entries = vec![
            entry(AclQualifier::Owner, 6),
            entry(AclQualifier::User(1001), 4),
            entry(AclQualifier::OwningGroup, 4),
            entry(AclQualifier::Other, 0),
        ];
        assert_eq!(PosixAcl::new(entries).unwrap_err().kind, ErrorKind::Corrupt);
    }

    #[test]
    fn an_acl_without_owner_or_out_of_order_is_refused() {
        let missing = vec![entry(AclQualifier::OwningGroup, 4), entry(AclQualifier::Other, 0)];
        let swapped =
            vec![entry(AclQualifier::OwningGroup, 4), entry(AclQualifier::Owner, 4), entry(AclQualifier::Other, 0)];
        assert!(PosixAcl::new(missing).is_err());
        assert!(PosixAcl::new(swapped).is_err());
    }
}
