//! Descriptors as Samba keeps them in `security.NTACL` (`librpc/idl/xattr.idl`, `xattr_NTACL`), so that a Samba share over
//! the mount (`vfs objects = acl_xattr`) serves the original ones.
//!
//! Of the four versions, it has to be the first: versions 3 and 4 hold a hash of what the file system beneath said of
//! permissions when Samba wrote them, and Samba drops a descriptor whose hash does not fit
//! (`source3/modules/vfs_acl_common.c`, `validate_nt_acl_blob`); versions 1 and 2 it takes as they are, whatever its settings.

use super::descriptor::Descriptor;
use crate::bytes::u32_at;

/// The version, the same number again as the discriminant of the union, and what stands for a pointer that is not null
/// (NDR, [C706] 14.3.12).
const HEADER: [u8; 8] = [1, 0, 1, 0, 0, 0, 2, 0];
/// Where a descriptor has the offsets of its owner, group, SACL and DACL.
const OFFSETS: [usize; 4] = [4, 8, 12, 16];

/// The value of `security.NTACL`. Samba counts the offsets inside a descriptor from the beginning of the value.
pub(crate) fn value(descriptor: &Descriptor) -> Vec<u8> {
    let mut bytes = descriptor.bytes().to_vec();
    for at in OFFSETS {
        let offset = u32_at(&bytes, at).filter(|offset| *offset != 0);
        let moved = offset.and_then(|offset| offset.checked_add(u32::try_from(HEADER.len()).ok()?));
        if let (Some(moved), Some(place)) = (moved, bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>())) {
            *place = moved.to_le_bytes();
        }
    }
    [&HEADER[..], &bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{acl, allow, descriptor};
    use super::*;

    /// What Samba 4.17 packs of this descriptor (`samba.ndr.ndr_pack` of an `xattr.NTACL` of version 1), and what it packs of the
    /// descriptor alone: tests/fixtures/ntfs/security/ntacl.py makes it.
    const OF_SAMBA: &str = include_str!("../../../tests/fixtures/ntfs/security/ntacl.hex");

    #[test]
    fn values_are_those_that_samba_packs() {
        for line in OF_SAMBA.lines().filter(|line| !line.starts_with('#')) {
            let (plain, packed) = line.split_once(' ').unwrap();
            let bytes = |text: &str| -> Vec<u8> {
                (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
            };
            assert_eq!(value(&Descriptor::parse(&bytes(plain)).unwrap()), bytes(packed));
        }
    }

    #[test]
    fn parts_that_are_absent_stay_absent() {
        let bytes = descriptor(Some("S-1-5-18"), None, Some(&acl(&[allow("S-1-1-0", 1)])));
        let value = value(&Descriptor::parse(&bytes).unwrap());
        assert_eq!((u32_at(&value, 16), u32_at(&value, 20)), (Some(0), Some(0)), "no group, no audits");
        assert_eq!(u32_at(&value, 24), Some(28), "entries come after both headers");
    }
}
