//! The formats of disk images, and how they are told apart: by what they contain, never by the name of a file.

use crate::{Error, files::ImageFile};
use std::fmt;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Byte n of the file is byte n of the disk.
    Raw,
    /// Microsoft's "Virtual Hard Disk Image Format Specification": fixed, dynamic and differencing.
    Vhd,
    /// MS-VHDX: fixed, dynamic and differencing.
    Vhdx,
    /// QEMU's qcow2, versions 2 and 3.
    Qcow2,
    /// VMware's "Virtual Disk Format": a descriptor with extents, or one sparse file.
    Vmdk,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Vhd => "VHD",
            Self::Vhdx => "VHDX",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "VMDK",
        })
    }
}

/// What a magic number stands for.
enum Known {
    Read(Format),
    /// A format that is not read, and how to make a raw image of it.
    NotRead(&'static str, &'static str),
}

struct Magic {
    /// Bytes from the start of the file, or from its end if negative.
    offset: i64,
    bytes: &'static [u8],
    known: Known,
}

const fn read(offset: i64, bytes: &'static [u8], format: Format) -> Magic {
    Magic { offset, bytes, known: Known::Read(format) }
}

const fn other(offset: i64, bytes: &'static [u8], format: &'static str, advice: &'static str) -> Magic {
    Magic { offset, bytes, known: Known::NotRead(format, advice) }
}

const QEMU_IMG: &str = "qemu-img convert -O raw IMAGE disk.raw";

const MAGICS: &[Magic] = &[
    other(0, b"QFI\xfb\0\0\0\x01", "qcow (version 1)", QEMU_IMG),
    read(0, b"QFI\xfb", Format::Qcow2),
    read(0, b"vhdxfile", Format::Vhdx),
    read(0, b"conectix", Format::Vhd),
    read(0, b"KDMV", Format::Vmdk),
    read(0, b"# Disk DescriptorFile", Format::Vmdk),
    other(0, b"COWD", "VMDK of ESX (COWD)", QEMU_IMG),
    other(0x40, b"\x7f\x10\xda\xbe", "VDI", QEMU_IMG),
    other(0, b"QED\0", "QED", QEMU_IMG),
    other(0, b"EVF\x09\x0d\x0a\xff\x00", "EWF (E01)", "ewfexport -f raw IMAGE"),
    other(0, b"\x1f\x8b\x08", "gzip", "gunzip --keep IMAGE"),
    other(0, b"\x28\xb5\x2f\xfd", "zstd", "zstd --decompress IMAGE"),
    other(0, b"\xfd7zXZ\0", "xz", "unxz --keep IMAGE"),
    other(0, b"BZh", "bzip2", "bunzip2 --keep IMAGE"),
    other(0, b"PK\x03\x04", "zip", "unzip IMAGE"),
    // A fixed VHD is a raw image with a footer, of 511 bytes in old ones: as a raw one it would have a few bytes too
    // many.
    read(-512, b"conectix", Format::Vhd),
    read(-511, b"conectix", Format::Vhd),
];

/// The format of a file, by its content.
///
/// # Errors
/// When it cannot be read, or is in a format that is known and not read.
pub(crate) fn detect(file: &ImageFile) -> Result<Format, Error> {
    for magic in MAGICS {
        if !has(file, magic)? {
            continue;
        }
        return match magic.known {
            Known::Read(format) => Ok(format),
            Known::NotRead(format, advice) => Err(Error::Container { image: file.name.clone(), format, advice }),
        };
    }
    Ok(Format::Raw)
}

fn has(file: &ImageFile, magic: &Magic) -> Result<bool, Error> {
    let size = file.bytes.size();
    let distance = magic.offset.unsigned_abs();
    let offset = if magic.offset < 0 { size.checked_sub(distance) } else { Some(distance) };
    let length = u64::try_from(magic.bytes.len()).unwrap_or(u64::MAX);
    let fits = |offset: &u64| offset.checked_add(length).is_some_and(|end| end <= size);
    let Some(offset) = offset.filter(fits) else { return Ok(false) };
    let mut found = vec![0; magic.bytes.len()];
    file.bytes.read_exact_at(offset, &mut found).map_err(|error| Error::read(&file.name, &error))?;
    Ok(found == magic.bytes)
}
