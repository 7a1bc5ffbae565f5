//! POSIX ACLs as XFS keeps them, in attributes of the superuser (Linux `fs/xfs/libxfs/xfs_format.h`, `struct xfs_acl`).

use vfs::reader::corrupt;
use vfs::{AclEntry, AclPermissions, AclQualifier, PosixAcl, Result};
use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The attributes of the namespace `trusted` that ACLs are in.
pub(crate) const ACCESS: &[u8] = b"SGI_ACL_FILE";
pub(crate) const DEFAULT: &[u8] = b"SGI_ACL_DEFAULT";
/// Entries that an ACL of version 4 can have; in version 5 as many as fit into a value.
const ENTRIES_MAX_V4: usize = 25;

/// `struct xfs_acl_entry`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEntry {
    ae_tag: U32,
    ae_id: U32,
    ae_perm: U16,
    ae_pad: U16,
}

/// The ACL that the value of an attribute holds: the number of entries (`acl_cnt`), then these, and nothing else.
pub(crate) fn parse(value: &[u8], is_v5: bool, what: &dyn Fn() -> String) -> Result<PosixAcl> {
    let bad = |why: &str| corrupt(format!("{}: an access-control list {why}", what()));
    let (count, rest) = U32::ref_from_prefix(value).map_err(|_| bad("without a length"))?;
    let entries = <[RawEntry]>::ref_from_bytes(rest).map_err(|_| bad("is cut short"))?;
    let count = usize::try_from(count.get()).ok().filter(|count| *count == entries.len());
    if count.is_none_or(|count| !is_v5 && count > ENTRIES_MAX_V4) {
        return Err(bad(&format!("with {} entries, which is not what it says or can have", entries.len())));
    }
    let entries = entries.iter().map(|raw| {
        let id = raw.ae_id.get();
        let qualifier = match raw.ae_tag.get() {
            0x01 => AclQualifier::Owner,
            0x02 => AclQualifier::User(id),
            0x04 => AclQualifier::OwningGroup,
            0x08 => AclQualifier::Group(id),
            0x10 => AclQualifier::Mask,
            0x20 => AclQualifier::Other,
            tag => return Err(bad(&format!("with an entry for {tag:#x}"))),
        };
        let permissions = AclPermissions::from_bits(raw.ae_perm.get());
        Ok(AclEntry { qualifier, permissions: permissions.ok_or_else(|| bad("with unknown permissions"))? })
    });
    PosixAcl::new(entries.collect::<Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(entries: &[(u32, u32, u16)]) -> Vec<u8> {
        let mut value = (entries.len() as u32).to_be_bytes().to_vec();
        for (tag, id, permissions) in entries {
            value.extend(tag.to_be_bytes());
            value.extend(id.to_be_bytes());
            value.extend(permissions.to_be_bytes());
            value.extend([0, 0]);
        }
        value
    }

    fn sample(users: u32) -> Vec<u8> {
        let named = (0..users).map(|user| (0x02, 1000 + user, 4));
        let all = [(0x01, u32::MAX, 6)].into_iter().chain(named);
        value(&all.chain([(0x04, u32::MAX, 4), (0x10, u32::MAX, 4), (0x20, u32::MAX, 0)]).collect::<Vec<_>>())
    }

    fn parse(value: &[u8], is_v5: bool) -> Result<PosixAcl> {
        super::parse(value, is_v5, &|| "it".to_owned())
    }

    #[test]
    fn the_form_on_the_disk_is_understood() {
        let acl = parse(&sample(1), false).unwrap();
        assert_eq!(acl.entries().len(), 5);
        assert_eq!(acl.entries()[1].qualifier, AclQualifier::User(1000));
        assert_eq!(acl.entries()[1].permissions.bits(), 4);
    }

    #[test]
    fn version_4_has_25_entries_at_most_and_version_5_as_many_as_fit() {
        assert!(parse(&sample(21), false).is_ok());
        assert!(parse(&sample(22), false).is_err());
        assert_eq!(parse(&sample(5400), true).unwrap().entries().len(), 5404);
    }

    #[test]
    fn damage_is_an_error() {
        let whole = sample(1);
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut], true).is_err(), "cut to {cut}");
        }
        assert!(parse(&[&whole[..], &[0; 12]].concat(), true).is_err());
        let with = |at: usize, byte| {
            let mut value = whole.clone();
            value[at] = byte;
            parse(&value, true)
        };
        assert!(with(0, 0xFF).is_err());
        assert!(with(3, 4).is_err());
        assert!(with(7, 0x40).is_err());
        assert!(with(5, 1).is_err(), "the tag has 32 bits");
        assert!(with(13, 8).is_err());
        assert!(parse(&value(&[]), true).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), is_v5: bool) {
            let _ = parse(&bytes, is_v5);
        }
    }
}
