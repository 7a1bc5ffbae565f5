//! Where links lead, as paths of Linux inside the recovered volumes.
//!
//! Every target that stands for a path of Windows is relative, so it holds wherever the volumes are mounted, and leads to
//! another volume through the directory that holds the mount points of all (`../../D/x`). Nothing is guessed: a link leads to
//! a volume if the guest itself says that this volume had that drive letter, and never out of the recovered volumes.
//!
//! A target that is not among them (a volume that was not recovered, a drive nobody can tell, a share) is shown as a path
//! below `.NTFS-3G` in the root of the link's volume: `.NTFS-3G/E:/x`, `.NTFS-3G/UNC/server/share`. It dangles, and tells
//! what it led to; and where that directory exists, as users of ntfs-3g make it, it leads where they wanted.
//!
//! ntfs-3g shows the same (`libntfs-3g/reparse.c`), with these differences: its targets are absolute, with its own mount point;
//! a drive that is not in `.NTFS-3G` it takes for the link's own volume if the path exists there, which may be another
//! file; `a\..\b` it leaves to the system that follows the link, where Windows takes `..` back by the text; one that
//! climbs above the root of the volume it lets climb into the host's own files; and names keep the case that the link
//! has, as every lookup here finds them in any case.
//!
//! Links that name a path of UNIX (by WSL, Windows' NFS server or Interix) are shown as they are, like those of ext4.

use super::Reparse;
use super::path::{Path, Start};
use crate::name;
use std::collections::HashMap;
use std::sync::OnceLock;
use uuid::Uuid;
use vfs::{Error, ErrorKind, Result};

/// The longest target in bytes (Linux `PATH_MAX`, less the final zero).
const TARGET_BYTES_MAX: usize = 4095;
/// Where ntfs-3g lets users define drives.
const ELSEWHERE: &[u8] = b".NTFS-3G";

/// Where the guest's volumes are, seen from the root of one of them: nothing for that volume itself, `../D` for another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumePlaces {
    /// By drive letter, in upper case.
    pub drives: HashMap<char, Vec<u8>>,
    /// By the GUID that Windows gave to the volume.
    pub volumes: HashMap<Uuid, Vec<u8>>,
}

/// [`VolumePlaces`] that are known only when all volumes are open. Until then, and if they never are, links to other
/// volumes lead nowhere.
#[derive(Debug, Default)]
pub struct VolumeMap(OnceLock<VolumePlaces>);

impl VolumeMap {
    /// Says where the volumes are, once, before anybody reads a link.
    pub fn set(&self, places: VolumePlaces) {
        // Links were shown already if it was said before: they must not change.
        let _ = self.0.set(places);
    }

    fn find(&self, start: Start) -> Option<&[u8]> {
        let places = self.0.get()?;
        let place = match start {
            Start::Drive(letter) => places.drives.get(&letter),
            Start::Volume(guid) => places.volumes.get(&guid),
            Start::Share | Start::Root | Start::Here | Start::Object => None,
        };
        place.map(Vec::as_slice)
    }
}

/// Where a link is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Directories between the root of its volume and the link: 0 for a link in the root.
    pub(crate) depth: usize,
    pub(crate) volumes: &'a VolumeMap,
}

/// The target of a link at this place.
///
/// # Errors
/// [`ErrorKind::WrongType`] for what is no link, [`ErrorKind::TooLarge`] for a target that Linux cannot take.
pub(crate) fn target(reparse: &Reparse, place: Place<'_>) -> Result<Vec<u8>> {
    let target = match reparse {
        Reparse::Symlink { substitute, is_relative, .. } => windows(substitute, *is_relative, place),
        Reparse::MountPoint { substitute, .. } => windows(substitute, false, place),
        Reparse::AppExecLink { target, .. } => windows(target, false, place),
        Reparse::LxSymlink(path) => path.clone(),
        Reparse::NfsSymlink(path) => linux_path(path),
        Reparse::LxSpecial(_) | Reparse::NfsSpecial(..) | Reparse::Wof(_) | Reparse::Other { .. } => {
            return Err(Error::new(ErrorKind::WrongType, "this is not a symbolic link"));
        }
    };
    if target.len() > TARGET_BYTES_MAX {
        let message = format!("the target of this link has {} bytes, more than {TARGET_BYTES_MAX}", target.len());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(target)
}

fn windows(text: &[u16], is_relative: bool, place: Place<'_>) -> Vec<u8> {
    let path = Path::parse(text, is_relative);
    let ups = if path.start == Start::Here { path.ups.min(place.depth) } else { place.depth };
    let mut parts: Vec<Vec<u8>> = vec![b"..".to_vec(); ups];
    match (path.start, place.volumes.find(path.start)) {
        (Start::Here | Start::Root, _) | (_, Some([])) => {}
        (_, Some(volume)) => parts.push(volume.to_vec()),
        (Start::Drive(letter), None) => parts.extend([ELSEWHERE.to_vec(), format!("{letter}:").into_bytes()]),
        (Start::Volume(guid), None) => parts.extend([ELSEWHERE.to_vec(), format!("Volume{{{guid}}}").into_bytes()]),
        (Start::Share, None) => parts.extend([ELSEWHERE.to_vec(), b"UNC".to_vec()]),
        (Start::Object, None) => parts.push(ELSEWHERE.to_vec()),
    }
    parts.extend(path.parts.iter().map(|part| name::encode(part)));
    if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
}

/// A path of UNIX in UTF-16: its names are mapped as those of files, `/` separates them.
pub(crate) fn linux_path(units: &[u16]) -> Vec<u8> {
    let part = |part: &[u16]| match part {
        [0x2E] => b".".to_vec(),
        [0x2E, 0x2E] => b"..".to_vec(),
        _ => name::encode(part),
    };
    units.split(|unit| *unit == 0x2F).map(part).collect::<Vec<_>>().join(&b'/')
}
