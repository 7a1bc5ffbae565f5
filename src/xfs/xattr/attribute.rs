//! One attribute, wherever it is: its namespace, its name, and where its value is.

/// Bits of an attribute's flags (Linux `XFS_ATTR_LOCAL` and the like).
pub(super) mod flag {
    /// In a leaf: the value is beside the name.
    pub(crate) const LOCAL: u8 = 0x1;
    pub(crate) const ROOT: u8 = 0x2;
    pub(crate) const SECURE: u8 = 0x4;
    pub(crate) const PARENT: u8 = 0x8;
    /// In a leaf: being made or removed when the system stopped.
    pub(crate) const INCOMPLETE: u8 = 0x80;
    /// All that stand for a namespace.
    pub(crate) const NAMESPACES: u8 = ROOT | SECURE | PARENT;
}

/// The part of an attribute's name that is a flag on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    User,
    Trusted,
    Security,
    /// A pointer to a directory that the file is in, under the name that it has there: no attribute, and shown to nobody.
    Parent,
}

impl Namespace {
    /// The one that the flags say; `None` for several at once. Bits that are for something else are not looked at, as the
    /// kernel does not.
    pub(super) const fn of_flags(flags: u8) -> Option<Self> {
        match flags & flag::NAMESPACES {
            0 => Some(Self::User),
            flag::ROOT => Some(Self::Trusted),
            flag::SECURE => Some(Self::Security),
            flag::PARENT => Some(Self::Parent),
            _ => None,
        }
    }

    /// How the names in it begin; `None` where they are not shown.
    pub(super) const fn prefix(self) -> Option<&'static [u8]> {
        match self {
            Self::User => Some(b"user."),
            Self::Trusted => Some(b"trusted."),
            Self::Security => Some(b"security."),
            Self::Parent => None,
        }
    }

    /// Divides a full name; `None` when none of ours is called so.
    pub(super) fn split(full: &[u8]) -> Option<(Self, &[u8])> {
        [Self::User, Self::Trusted, Self::Security].into_iter().find_map(|namespace| {
            let name = full.strip_prefix(namespace.prefix()?)?;
            Some((namespace, name))
        })
    }
}

/// An attribute that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) namespace: Namespace,
    /// Without what the namespace puts before it; never empty, without zero bytes.
    pub(super) name: &'a [u8],
    pub(super) value: Value<'a>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Here(&'a [u8]),
    /// In blocks of the attribute fork.
    Remote {
        /// The first of them.
        block: u32,
        /// Length of the value in bytes: [`super::VALUE_BYTES_MAX`] at most.
        length: usize,
    },
}

impl Attribute<'_> {
    /// The name that users see; `None` where they see none.
    pub(super) fn full_name(&self) -> Option<Vec<u8>> {
        Some([self.namespace.prefix()?, self.name].concat())
    }

    pub(super) fn is(&self, namespace: Namespace, name: &[u8]) -> bool {
        self.namespace == namespace && self.name == name
    }
}

/// Whether an attribute can have this name (Linux `xfs_attr_namecheck`); its length is always in one byte.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_name_is_divided_behind_its_namespace() {
        assert_eq!(Namespace::split(b"user.a.b"), Some((Namespace::User, &b"a.b"[..])));
        assert_eq!(Namespace::split(b"trusted.SGI_ACL_FILE"), Some((Namespace::Trusted, &b"SGI_ACL_FILE"[..])));
        assert_eq!(Namespace::split(b"security.x"), Some((Namespace::Security, &b"x"[..])));
        for other in [&b"system.posix_acl_access"[..], b"user", b"parent.x", b"", b"USER.x"] {
            assert_eq!(Namespace::split(other), None);
        }
    }

    #[test]
    fn flags_name_one_namespace_or_none() {
        assert_eq!(Namespace::of_flags(flag::LOCAL), Some(Namespace::User));
        assert_eq!(Namespace::of_flags(flag::ROOT | 0x70), Some(Namespace::Trusted));
        assert_eq!(Namespace::of_flags(flag::PARENT | flag::LOCAL), Some(Namespace::Parent));
        for several in [6, 10, 12, 14] {
            assert_eq!(Namespace::of_flags(several), None);
        }
    }
}
