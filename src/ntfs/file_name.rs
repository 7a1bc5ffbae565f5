//! `$FILE_NAME`: a name of a file, and the directory that it is in. Directories hold copies of it as their entries (`struct
//! ATTR_FILE_NAME` of Linux `fs/ntfs3/ntfs.h`).

use crate::bytes::{slice, u16_at, u32_at, u64_at};
use crate::record::Reference;

/// Bytes before the name.
const HEADER: usize = 0x42;

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Any characters, upper and lower case told apart.
    Posix,
    /// A name as Windows takes them, besides which there is a short one.
    Win32,
    /// The short one.
    Dos,
    /// Short and long alike.
    Win32AndDos,
}

/// A name, and what the entry of a directory says of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) parent: Reference,
    /// `FILE_ATTRIBUTE_*`, with [`DIRECTORY`].
    pub(crate) attributes: u32,
    /// The tag of a reparse point, or the size of extended attributes.
    pub(crate) tag_or_ea: u32,
    pub(crate) space: Space,
    pub(crate) name: Vec<u16>,
}

/// `dup.fa`: a directory, which only names tell in this way.
pub(crate) const DIRECTORY: u32 = 0x1000_0000;

impl FileName {
    /// The name in `value`; `None` where it cannot be one.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let space = match value.get(0x41)? {
            0 => Space::Posix,
            1 => Space::Win32,
            2 => Space::Dos,
            3 => Space::Win32AndDos,
            _ => return None,
        };
        let units = usize::from(*value.get(0x40)?);
        let name = slice(value, HEADER, units.checked_mul(2)?).filter(|_| units > 0)?;
        Some(Self {
            parent: Reference::new(u64_at(value, 0)?),
            attributes: u32_at(value, 0x38)?,
            tag_or_ea: u32_at(value, 0x3C)?,
            space,
            name: name.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect(),
        })
    }
}
