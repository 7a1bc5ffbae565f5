//! POSIX ACLs in ext4's own short form (Linux `fs/ext4/acl.h`): entries without an id where none is needed.

use crate::bytes::{u16_at, u32_at};
use vfs::reader::corrupt;
use vfs::{AclEntry, AclPermissions, AclQualifier, PosixAcl, Result};

const VERSION: u32 = 1;
const SHORT_ENTRY_BYTES: usize = 4;
const LONG_ENTRY_BYTES: usize = 8;

/// The ACL that the value of an extended attribute holds.
pub(crate) fn parse(value: &[u8]) -> Result<PosixAcl> {
    let bad = || corrupt("an access-control list is damaged");
    let version = u32_at(value, 0).ok_or_else(bad)?;
    if version != VERSION {
        return Err(corrupt(format!("an access-control list of version {version}, not {VERSION}")));
    }
    let (mut entries, mut at) = (Vec::new(), 4);
    while at < value.len() {
        let tag = u16_at(value, at).ok_or_else(bad)?;
        let permissions = u16_at(value, at.saturating_add(2)).and_then(AclPermissions::from_bits).ok_or_else(bad)?;
        let id = || u32_at(value, at.saturating_add(SHORT_ENTRY_BYTES)).ok_or_else(bad);
        let (qualifier, bytes) = match tag {
            0x01 => (AclQualifier::Owner, SHORT_ENTRY_BYTES),
            0x02 => (AclQualifier::User(id()?), LONG_ENTRY_BYTES),
            0x04 => (AclQualifier::OwningGroup, SHORT_ENTRY_BYTES),
            0x08 => (AclQualifier::Group(id()?), LONG_ENTRY_BYTES),
            0x10 => (AclQualifier::Mask, SHORT_ENTRY_BYTES),
            0x20 => (AclQualifier::Other, SHORT_ENTRY_BYTES),
            _ => return Err(bad()),
        };
        entries.push(AclEntry { qualifier, permissions });
        at = at.saturating_add(bytes);
    }
    PosixAcl::new(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] =
        &[1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xE9, 3, 0, 0, 4, 0, 4, 0, 0x10, 0, 4, 0, 0x20, 0, 0, 0];

    #[test]
    fn the_short_form_is_understood() {
        let acl = parse(SAMPLE).unwrap();
        assert_eq!(acl.entries().len(), 5);
        assert_eq!(acl.entries()[1].qualifier, AclQualifier::User(1001));
    }

    #[test]
    fn damage_is_an_error() {
        for cut in [0, 3, 5, 6, 10, 12, 14] {
            assert!(parse(&SAMPLE[..cut]).is_err(), "cut to {cut}");
        }
        let with = |at: usize, byte| {
            let mut value = SAMPLE.to_vec();
            value[at] = byte;
            parse(&value)
        };
        assert!(with(0, 2).is_err());
        assert!(with(4, 0x40).is_err());
        assert!(with(6, 8).is_err());
    }
}
