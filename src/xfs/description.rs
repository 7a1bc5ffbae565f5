//! What a superblock says of its file system, as `xfs_info` shows it; features that keep the files from being read are no
//! hindrance.

use crate::features::Features;
use crate::superblock;
use crate::verify;
use block::ReadAt;
use vfs::{Description, Result, State};

/// What the file system on `volume` says of itself. Whether its log still holds changes is not in its superblock: see
/// [`crate::Xfs::was_in_use`].
///
/// # Errors
/// [`vfs::ErrorKind::Corrupt`] when the superblock is damaged, or what kept it from being read.
pub fn describe(volume: &dyn ReadAt) -> Result<Description> {
    let bytes = superblock::read_sector(volume)?;
    let raw = superblock::raw(&bytes)?;
    let features = Features::of(raw);
    if features.is_v5() {
        verify::check_sum(&bytes, superblock::CRC_OFFSET, &|| "the superblock".to_owned())?;
    }
    let found = [(features.needsrepair(), State::ErrorsRecorded)];
    let found: Vec<_> = found.into_iter().filter_map(|(is_so, state)| is_so.then_some(state)).collect();
    Ok(Description {
        label: superblock::text(&raw.sb_fname),
        uuid: Some(uuid::Uuid::from_bytes(raw.sb_uuid).to_string()),
        block_size: raw.sb_blocksize.get(),
        inode_size: raw.sb_inodesize.get().into(),
        features: features.names(),
        state: if found.is_empty() { vec![State::Clean] } else { found },
        history: None,
    })
}
