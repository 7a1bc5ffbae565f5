//! Reparse points: what `$REPARSE_POINT` says of a file, and what such a file is shown as ([MS-FSCC] 2.1.2).
//!
//! A reparse point hands a file over to a driver of Windows: what Windows shows is what that driver makes of it. Where we
//! know what it makes, it is shown: links, devices, pipes, sockets, placeholders that hold their content, compression by WOF.
//! Any other file keeps its names, attributes, streams and the reparse data itself (`system.ntfs_reparse_data`), but its content
//! is refused, as by a Windows without that driver (`ERROR_CANT_ACCESS_FILE`): what lies in `$DATA` then is empty, a
//! part or a stub of the file, and would be wrong bytes. The entries of a directory are its own with any tag, so they are shown.

mod path;
mod tag;
mod target;

pub(crate) use tag::Tag;
pub(crate) use target::{Place, linux_path, target};
pub use target::{VolumeMap, VolumePlaces};

use crate::bytes::{array, index, slice, u16_at, u32_at, u64_at};
use uuid::Uuid;
use vfs::reader::corrupt;
use vfs::{Device, Error, ErrorKind, FileType, Result};

/// The longest reparse data, header included (`MAXIMUM_REPARSE_DATA_BUFFER_SIZE`).
pub(crate) const BYTES_MAX: u64 = 16 << 10;
/// `ReparseTag`, `ReparseDataLength`, `Reserved`.
const HEADER_BYTES: usize = 8;
const GUID_BYTES: usize = 16;
/// `SYMLINK_FLAG_RELATIVE`.
const RELATIVE: u32 = 1;

/// A checked reparse point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reparse {
    /// A symbolic link ([MS-FSCC] 2.1.2.4). Names are in UTF-16, with `\` between their parts.
    Symlink { substitute: Vec<u16>, print: Vec<u16>, is_relative: bool },
    /// A junction, or the mount point of a volume ([MS-FSCC] 2.1.2.5).
    MountPoint { substitute: Vec<u16>, print: Vec<u16> },
    /// A symbolic link of Windows' Linux subsystem: the bytes of a Linux path.
    LxSymlink(Vec<u8>),
    /// A socket, pipe or device of Windows' Linux subsystem. Which device it is `$LXDEV` says, an extended attribute.
    LxSpecial(FileType),
    /// A symbolic link of Windows' NFS server ([MS-FSCC] 2.1.2.6): a UNIX path in UTF-16.
    NfsSymlink(Vec<u16>),
    /// A pipe, socket or device of Windows' NFS server.
    NfsSpecial(FileType, Option<Device>),
    /// What starts a packaged app: its package, its entry point in that, and the program.
    AppExecLink { package: Vec<u16>, entry_point: Vec<u16>, target: Vec<u16> },
    /// Compressed by, or kept in an image of, the Windows overlay filter: its data, for the module that reads it.
    Wof(Vec<u8>),
    /// Anything else.
    Other { tag: Tag, owner: Option<Uuid> },
}

/// What a file with a reparse point is shown as.
#[derive(Debug)]
pub(crate) enum Shown<'a> {
    /// A directory, with its own entries; or a file, with its own content.
    AsItIs,
    /// A symbolic link; [`target`] says where to.
    Symlink,
    /// A pipe, a socket or a device; a device without numbers has them in `$LXDEV`, or has none.
    Special(FileType, Option<Device>),
    /// A file with the content that WOF makes of its data; what the reparse point says to WOF.
    Wof(&'a [u8]),
    /// A file that has its own content, as long as no part of its data is a hole: those are still to be fetched
    /// ([`hole_in_placeholder`]).
    Placeholder,
    /// A file whose content is not here; the error says why.
    Refused(Error),
}

impl Reparse {
    /// Checks the value of `$REPARSE_POINT`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`].
    pub(crate) fn parse(value: &[u8]) -> Result<Self> {
        let damaged = |what: &str| corrupt(format!("a reparse point: {what}"));
        let header = u32_at(value, 0).zip(u16_at(value, 4)).ok_or_else(|| damaged("it is cut short"))?;
        let (tag, length) = (Tag(header.0), usize::from(header.1));
        let (owner, start) = if tag.has_guid() {
            let guid = array::<GUID_BYTES>(value, HEADER_BYTES).ok_or_else(|| damaged("it is cut short"))?;
            (Some(Uuid::from_bytes_le(guid)), HEADER_BYTES.saturating_add(GUID_BYTES))
        } else {
            (None, HEADER_BYTES)
        };
        let data = slice(value, start, length).filter(|data| start.saturating_add(data.len()) == value.len());
        let of_it = || format!("{length} bytes of data in {} with tag {:#010x}", value.len(), tag.0);
        let data = data.ok_or_else(|| damaged(&of_it()))?;
        let parsed = match tag {
            Tag::SYMLINK => symlink(data),
            Tag::MOUNT_POINT => mount_point(data),
            Tag::LX_SYMLINK => lx_symlink(data),
            Tag::AF_UNIX | Tag::LX_FIFO | Tag::LX_CHR | Tag::LX_BLK => tag.file_type().map(Self::LxSpecial),
            Tag::NFS => nfs(data),
            Tag::APP_EXEC_LINK => app_exec_link(data),
            Tag::WOF => Some(Self::Wof(data.to_vec())),
            _ => Some(Self::Other { tag, owner }),
        };
        parsed.ok_or_else(|| damaged(&format!("what it holds does not fit its tag, {:#010x}", tag.0)))
    }

    /// What a file with this reparse point is shown as; `attributes` are those of `$STANDARD_INFORMATION`.
    pub(crate) fn shown(&self, is_directory: bool, attributes: u32) -> Shown<'_> {
        match self {
            Self::Symlink { .. }
            | Self::MountPoint { .. }
            | Self::LxSymlink(_)
            | Self::NfsSymlink(_)
            | Self::AppExecLink { .. } => Shown::Symlink,
            Self::LxSpecial(file_type) => Shown::Special(*file_type, None),
            Self::NfsSpecial(file_type, device) => Shown::Special(*file_type, *device),
            _ if is_directory => Shown::AsItIs,
            Self::Wof(data) => Shown::Wof(data),
            Self::Other { tag, .. } if tag.is_placeholder() && is_complete(attributes) => Shown::Placeholder,
            Self::Other { tag, .. } if tag.is_placeholder() => Shown::Refused(not_here(*tag)),
            Self::Other { tag, owner } => Shown::Refused(refusal(*tag, *owner)),
        }
    }
}

/// For fuzzing: everything here over the same bytes, whatever they are.
#[doc(hidden)]
pub fn try_all(bytes: &[u8]) {
    const DEPTH: usize = 2;
    let _ = crate::interix::parse(bytes);
    let Ok(reparse) = Reparse::parse(bytes) else { return };
    for (is_directory, attributes) in [(true, 0), (false, 0), (false, TO_BE_FETCHED)] {
        let _ = reparse.shown(is_directory, attributes);
    }
    let volumes = VolumeMap::default();
    volumes
        .set(VolumePlaces { drives: [('C', Vec::new()), ('D', b"../D".to_vec())].into(), ..VolumePlaces::default() });
    let Ok(target) = target(&reparse, Place { depth: DEPTH, volumes: &volumes }) else { return };
    assert!(!target.is_empty() && !target.contains(&0), "a target is a path");
    if matches!(reparse, Reparse::Symlink { .. } | Reparse::MountPoint { .. } | Reparse::AppExecLink { .. }) {
        let ups = target.split(|byte| *byte == b'/').take_while(|part| *part == b"..").count();
        let all = target.split(|byte| *byte == b'/').filter(|part| *part == b"..").count();
        assert!(ups == all && ups <= DEPTH.saturating_add(1), "a target stays among the volumes");
        assert!(!target.starts_with(b"/"), "a target is relative");
    }
}

/// What Windows marks the files with whose content, or a part of it, has to be fetched: `FILE_ATTRIBUTE_OFFLINE`,
/// `FILE_ATTRIBUTE_RECALL_ON_OPEN`, `FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS`. `FILE_ATTRIBUTE_UNPINNED` only says that it may be
/// dropped, and so that it is there.
const TO_BE_FETCHED: u32 = 0x1000 | 0x4_0000 | 0x40_0000;

const fn is_complete(attributes: u32) -> bool {
    attributes & TO_BE_FETCHED == 0
}

fn not_here(tag: Tag) -> Error {
    let message = format!(
        "its content was not on this computer when the recovery point was made: it is in the cloud or on a server, and a \
         placeholder stands for it here (reparse tag {:#010x}); fetch it from there",
        tag.0
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// A placeholder is never meant to have holes, but no attribute is needed to make one: what a file still lacks would read as
/// zeros.
pub(crate) fn hole_in_placeholder() -> Error {
    let message = "its content is in the cloud or on a server, and only a part of it is here; fetch it from there";
    Error::new(ErrorKind::Unsupported, message)
}

fn refusal(tag: Tag, owner: Option<Uuid>) -> Error {
    const RAW: &str = "The attribute system.ntfs_reparse_data holds what is known of it";
    let message = match (tag.elsewhere(), owner) {
        (Some(reason), _) if tag == Tag::DEDUP => format!(
            "{reason}, which this version does not read: restore the volume to a Windows Server with deduplication for this \
             file (reparse tag {:#010x})",
            tag.0
        ),
        (Some(reason), _) => format!("{reason}, so it cannot be read here (reparse tag {:#010x}). {RAW}", tag.0),
        (None, Some(owner)) => {
            format!(
                "a driver that is not Windows' own would supply its content (reparse tag {:#010x} of {owner}). {RAW}",
                tag.0
            )
        }
        (None, None) => format!("its content is in a form that is not known (reparse tag {:#010x}). {RAW}", tag.0),
    };
    Error::new(ErrorKind::Unsupported, message)
}

/// The UTF-16 text in `length` bytes at `offset`.
fn text(buffer: &[u8], offset: u16, length: u16) -> Option<Vec<u16>> {
    utf16(slice(buffer, offset.into(), length.into())?)
}

fn utf16(bytes: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

/// `SubstituteNameOffset`, `SubstituteNameLength`, `PrintNameOffset`, `PrintNameLength`, which count from `path_buffer`. A
/// print name is for display alone: a damaged one is none.
fn names(data: &[u8], path_buffer: usize) -> Option<(Vec<u16>, Vec<u16>)> {
    let buffer = data.get(path_buffer..)?;
    let substitute = text(buffer, u16_at(data, 0)?, u16_at(data, 2)?).filter(|name| !name.is_empty())?;
    let print = text(buffer, u16_at(data, 4)?, u16_at(data, 6)?).unwrap_or_default();
    Some((substitute, print))
}

fn symlink(data: &[u8]) -> Option<Reparse> {
    let is_relative = u32_at(data, 8)? & RELATIVE != 0;
    let (substitute, print) = names(data, 12)?;
    Some(Reparse::Symlink { substitute, print, is_relative })
}

fn mount_point(data: &[u8]) -> Option<Reparse> {
    let (substitute, print) = names(data, 8)?;
    Some(Reparse::MountPoint { substitute, print })
}

/// A version, always 2, and a path (Linux `fs/smb/client/reparse.c`, `struct reparse_symlink_data_buffer` of WSL).
fn lx_symlink(data: &[u8]) -> Option<Reparse> {
    let path = data.get(4..).filter(|path| !path.is_empty() && !path.contains(&0))?;
    (u32_at(data, 0)? == 2).then(|| Reparse::LxSymlink(path.to_vec()))
}

/// `Type`, and what belongs to it.
fn nfs(data: &[u8]) -> Option<Reparse> {
    let rest = data.get(8..)?;
    let device = || Some(Device { major: u32_at(rest, 0)?, minor: u32_at(rest, 4)? });
    Some(match &u64_at(data, 0)?.to_le_bytes() {
        b"LNK\x01\0\0\0\0" => {
            let path = utf16(rest).filter(|path| !path.is_empty() && !path.contains(&0))?;
            Reparse::NfsSymlink(path)
        }
        b"CHR\0\0\0\0\0" => Reparse::NfsSpecial(FileType::CharDevice, Some(device()?)),
        b"BLK\0\0\0\0\0" => Reparse::NfsSpecial(FileType::BlockDevice, Some(device()?)),
        b"FIFO\0\0\0\0" => Reparse::NfsSpecial(FileType::Fifo, None),
        b"SOCK\0\0\0\0" => Reparse::NfsSpecial(FileType::Socket, None),
        _ => return None,
    })
}

/// A version, and texts that each end in a zero: package, entry point, program, kind of app. Version 3 is the one that
/// Windows 10 and 11 write; it is documented nowhere.
fn app_exec_link(data: &[u8]) -> Option<Reparse> {
    let version = index(u32_at(data, 0)?);
    let units = utf16(data.get(4..)?)?;
    let mut texts = units.split(|unit| *unit == 0).map(<[u16]>::to_vec);
    let (package, entry_point, target) = (texts.next()?, texts.next()?, texts.next()?);
    (version == 3 && !target.is_empty()).then_some(Reparse::AppExecLink { package, entry_point, target })
}

#[cfg(test)]
mod tests;
