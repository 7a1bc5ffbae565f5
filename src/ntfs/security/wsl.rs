//! What the Windows Subsystem for Linux records of a file: its owner, group, mode and device, in extended attributes
//! (the kernel's `fs/ntfs3/xattr.c`, `ntfs_get_wsl_perm`).

use crate::bytes::u32_at;
use crate::ea::ExtendedAttribute;

/// What is recorded; each alone may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WslMetadata {
    /// `$LXUID`.
    pub(crate) uid: Option<u32>,
    /// `$LXGID`.
    pub(crate) gid: Option<u32>,
    /// `$LXMOD`: type and permissions as `st_mode` has them.
    pub(crate) mode: Option<u32>,
    /// `$LXDEV`: major and minor number of a device.
    pub(crate) device: Option<(u32, u32)>,
}

impl WslMetadata {
    /// What the extended attributes of a file say. Values of another length say nothing, as for Linux.
    pub(crate) fn of(attributes: &[ExtendedAttribute]) -> Self {
        let value = |name: &[u8], length: usize| {
            let found = attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
            found.map(|attribute| attribute.value.as_slice()).filter(|value| value.len() == length)
        };
        let number = |name| value(name, 4).and_then(|value| u32_at(value, 0));
        let device = value(b"$LXDEV", 8).and_then(|value| Some((u32_at(value, 0)?, u32_at(value, 4)?)));
        Self { uid: number(b"$LXUID"), gid: number(b"$LXGID"), mode: number(b"$LXMOD"), device }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_attributes_of_the_right_length() {
        let one =
            |name: &[u8], value: &[u8]| ExtendedAttribute { name: name.to_vec(), flags: 0, value: value.to_vec() };
        let found = WslMetadata::of(&[
            one(b"$LXUID", &[0xE8, 3, 0, 0]),
            one(b"$lxgid", &[1, 0, 0, 0]),
            one(b"$LXMOD", &[1, 0, 0]),
            one(b"$LXDEV", &[8, 0, 0, 0, 1, 0, 0, 0]),
        ]);
        assert_eq!(found, WslMetadata { uid: Some(1000), gid: Some(1), mode: None, device: Some((8, 1)) });
        assert_eq!(WslMetadata::of(&[]), WslMetadata::default());
    }
}
