//! What a file is shown as: by its reparse point, by the mark of Interix, or by what WSL recorded.

use crate::data::Value;
use crate::interix;
use crate::record::Kind;
use crate::reparse::{self, Reparse, Shown};
use crate::security::WslMetadata;
use crate::standard_information::StandardInformation;
use crate::store::{Inode, Store};
use crate::wof;
use vfs::{Device, Error, ErrorKind, FileType, Result};

/// `FILE_ATTRIBUTE_SYSTEM`: Interix marks its special files so.
pub(crate) const SYSTEM: u32 = 0x4;

/// What a file is shown as.
pub(crate) enum Shape {
    Directory,
    /// A file with the data it has.
    Plain,
    /// A file with its own data, which must have no holes.
    Placeholder,
    /// A file with what WOF makes of its data.
    Wof(wof::Algorithm),
    /// A file whose content is not here, and why.
    Refused(ErrorKind, String),
    /// A symbolic link by a reparse point.
    Link(Box<Reparse>),
    /// A symbolic link with this target.
    UnixLink(Vec<u8>),
    /// A device, pipe or socket.
    Special(FileType, Option<Device>),
}

impl Shape {
    pub(crate) const fn file_type(&self) -> FileType {
        match self {
            Self::Directory => FileType::Directory,
            Self::Plain | Self::Placeholder | Self::Wof(_) | Self::Refused(..) => FileType::Regular,
            Self::Link(_) | Self::UnixLink(_) => FileType::Symlink,
            Self::Special(file_type, _) => *file_type,
        }
    }

    /// The shape of a file.
    ///
    /// # Errors
    /// What kept its parts from being read. Damage is a shape: what else there is of the file can be shown.
    pub(crate) fn of(store: &Store, inode: &Inode, standard: &StandardInformation, wsl: &WslMetadata) -> Result<Self> {
        let is_directory = inode.record.is_directory;
        let unspecial = if is_directory { Self::Directory } else { Self::Plain };
        if let Some(point) = Value::find(store, inode, Kind::REPARSE_POINT, &[])? {
            let reparse = point.read_all(store, reparse::BYTES_MAX).and_then(|value| Reparse::parse(&value));
            return match reparse {
                Ok(reparse) => Ok(Self::by_reparse_point(&reparse, unspecial, standard.attributes, wsl)),
                Err(error) if error.kind == ErrorKind::Corrupt && is_directory => Ok(unspecial),
                Err(error) if error.kind == ErrorKind::Corrupt => Ok(Self::refused(inode, &error)),
                Err(error) => Err(error),
            };
        }
        if is_directory {
            return Ok(unspecial);
        }
        if let Some(special) = by_wsl(wsl) {
            return Ok(special);
        }
        Ok(Self::by_mark(store, inode, standard)?.unwrap_or(unspecial))
    }

    fn refused(inode: &Inode, error: &Error) -> Self {
        Self::Refused(error.kind, format!("{}: {}", inode.name(), error.message))
    }

    fn by_reparse_point(reparse: &Reparse, unspecial: Self, attributes: u32, wsl: &WslMetadata) -> Self {
        let recorded = || wsl.device.map(|(major, minor)| Device { major, minor });
        match reparse.shown(matches!(unspecial, Self::Directory), attributes) {
            Shown::AsItIs => unspecial,
            Shown::Symlink => Self::Link(Box::new(reparse.clone())),
            Shown::Special(file_type, device) => Self::Special(file_type, device.or_else(recorded)),
            Shown::Placeholder => Self::Placeholder,
            Shown::Refused(error) => Self::Refused(error.kind, error.message),
            Shown::Wof(data) => match wof::Backing::parse(data) {
                Ok(wof::Backing::Stream(algorithm)) => Self::Wof(algorithm),
                Ok(wof::Backing::Wim(image)) => {
                    let refusal = image.refusal();
                    Self::Refused(refusal.kind, refusal.message)
                }
                Err(error) => Self::Refused(error.kind, error.message),
            },
        }
    }

    /// Interix wrote what a file is into its data.
    fn by_mark(store: &Store, inode: &Inode, standard: &StandardInformation) -> Result<Option<Self>> {
        if standard.attributes & SYSTEM == 0 {
            return Ok(None);
        }
        let Some(data) = Value::find(store, inode, Kind::DATA, &[])? else { return Ok(None) };
        if data.is_encrypted() || data.size() > interix::BYTES_MAX {
            return Ok(None);
        }
        match data.read_all(store, interix::BYTES_MAX) {
            // Whoever reads the file is told of the damage.
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => Ok(None),
            Err(error) => Err(error),
            Ok(bytes) => Ok(interix::parse(&bytes).map(|special| match special {
                interix::Special::Symlink(target) => Self::UnixLink(target),
                interix::Special::Device(file_type, device) => Self::Special(file_type, Some(device)),
            })),
        }
    }
}

/// Linux's ntfs3 writes devices, pipes and sockets as empty files whose mode says what they are.
fn by_wsl(wsl: &WslMetadata) -> Option<Shape> {
    let mode = wsl.mode.and_then(|mode| u16::try_from(mode).ok())?;
    let device = wsl.device.map(|(major, minor)| Device { major, minor });
    match FileType::of_mode(mode)? {
        file_type @ (FileType::CharDevice | FileType::BlockDevice) => Some(Shape::Special(file_type, device)),
        file_type @ (FileType::Fifo | FileType::Socket) => Some(Shape::Special(file_type, None)),
        FileType::Regular | FileType::Directory | FileType::Symlink => None,
    }
}
