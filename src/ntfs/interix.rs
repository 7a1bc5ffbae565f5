//! Special files as Microsoft's Interix (Services for UNIX) stored them, and as ntfs-3g still makes them by default: files
//! with `FILE_ATTRIBUTE_SYSTEM` whose data begins with a mark (ntfs-3g's `include/ntfs-3g/layout.h`, `INTX_FILE`).
//!
//! ntfs-3g also takes empty system files for pipes and those of one byte for sockets. We do not: Windows has such files
//! of its own, and a pipe blocks whoever opens it for ever. ntfs-3g writes no mark into them, so they stay what they are, files.

use crate::bytes::u64_at;
use vfs::{Device, FileType};

/// The longest data that is looked at: the mark, and a target of as many units as Linux allows bytes in a path.
pub(crate) const BYTES_MAX: u64 = MARK_BYTES + 2 * TARGET_UNITS_MAX;
const MARK_BYTES: u64 = 8;
const TARGET_UNITS_MAX: u64 = 4096;

/// A special file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    /// A symbolic link with this target, a path of Linux: its bytes.
    Symlink(Vec<u8>),
    /// A device.
    Device(FileType, Device),
}

/// What the whole data of a system file is; `None` for an ordinary file.
pub(crate) fn parse(data: &[u8]) -> Option<Special> {
    let (mark, rest) = data.split_first_chunk::<8>()?;
    match mark {
        b"IntxLNK\x01" => symlink(rest),
        b"IntxCHR\0" => device(FileType::CharDevice, rest),
        b"IntxBLK\0" => device(FileType::BlockDevice, rest),
        _ => None,
    }
}

fn symlink(rest: &[u8]) -> Option<Special> {
    let (pairs, odd) = rest.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let is_path = odd.is_empty() && !units.is_empty() && !units.contains(&0);
    is_path.then(|| Special::Symlink(crate::reparse::linux_path(&units)))
}

/// Major and minor number, 64 bits each; Linux knows 32.
fn device(file_type: FileType, rest: &[u8]) -> Option<Special> {
    let number = |at| u64_at(rest, at).and_then(|number| u32::try_from(number).ok());
    let device = Device { major: number(0)?, minor: number(8)? };
    (rest.len() == 16).then_some(Special::Device(file_type, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn links_and_devices_are_told_by_their_marks() {
        let link = [&b"IntxLNK\x01"[..], &utf16("../a/ü")].concat();
        assert_eq!(parse(&link), Some(Special::Symlink("../a/ü".into())));
        let device = |mark: &[u8]| [mark, &8_u64.to_le_bytes(), &17_u64.to_le_bytes()].concat();
        let sdb1 = Device { major: 8, minor: 17 };
        assert_eq!(parse(&device(b"IntxBLK\0")), Some(Special::Device(FileType::BlockDevice, sdb1)));
        assert_eq!(parse(&device(b"IntxCHR\0")), Some(Special::Device(FileType::CharDevice, sdb1)));
    }

    #[test]
    fn other_data_is_an_ordinary_file() {
        let huge = [&b"IntxBLK\0"[..], &(1_u64 << 32).to_le_bytes(), &[0; 8]].concat();
        let zero = [&b"IntxLNK\x01"[..], &utf16("a\0b")].concat();
        for data in [&b""[..], b"\0", b"IntxLNK", b"IntxLNK\x01", b"IntxLNK\x01a", b"IntxCHR\0\x01", &huge, &zero] {
            assert_eq!(parse(data), None, "{data:x?}");
        }
    }
}
