//! What a volume says of itself: its label, version and state (`$Volume`, the record 3).

use crate::bytes::u16_at;
use crate::data::Value;
use crate::record::{Kind, Reference};
use crate::store::Store;
use vfs::Result;
use vfs::reader::{corrupt, missing_is_damage};

/// The record of `$Volume`.
const VOLUME: Reference = Reference { record: 3, sequence: 0 };
/// `VOLUME_FLAG_DIRTY`: to be checked at the next start.
const DIRTY: u16 = 1;
/// Units of a label at most.
const LABEL_BYTES_MAX: u64 = 256;

/// Label, version and flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VolumeInformation {
    /// Lossily as text.
    pub(crate) label: Option<String>,
    /// Major and minor: 3.1 since Windows XP.
    pub(crate) version: (u8, u8),
    pub(crate) is_dirty: bool,
}

impl VolumeInformation {
    pub(crate) fn read(store: &Store) -> Result<Self> {
        let inode = store.inode(VOLUME).map_err(missing_is_damage)?;
        let label = match Value::find(store, &inode, Kind::VOLUME_NAME, &[])? {
            Some(name) => name.read_all(store, LABEL_BYTES_MAX)?,
            None => Vec::new(),
        };
        let units: Vec<_> = label.chunks_exact(2).filter_map(|unit| u16_at(unit, 0)).collect();
        let missing = || corrupt("$Volume does not say which version of NTFS this is");
        let information = Value::find(store, &inode, Kind::VOLUME_INFORMATION, &[])?.ok_or_else(missing)?;
        let information = information.read_all(store, 64)?;
        let byte = |at: usize| information.get(at).copied().ok_or_else(missing);
        Ok(Self {
            label: Some(String::from_utf16_lossy(&units)).filter(|label| !label.is_empty()),
            version: (byte(8)?, byte(9)?),
            is_dirty: u16_at(&information, 10).ok_or_else(missing)? & DIRTY != 0,
        })
    }
}
