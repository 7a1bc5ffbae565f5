//! Formats that are not raw, by their magic numbers.

use crate::sys;
use std::fs::File;

struct Magic {
    /// Bytes from the start of the file, or from its end if negative.
    offset: i64,
    bytes: &'static [u8],
    format: &'static str,
    advice: &'static str,
}

const QEMU_IMG: &str = "qemu-img convert -O raw IMAGE disk.raw";

const MAGICS: &[Magic] = &[
    Magic { offset: 0, bytes: b"QFI\xfb", format: "qcow2", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"vhdxfile", format: "VHDX", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"conectix", format: "VHD", advice: QEMU_IMG },
    // A fixed VHD is a raw image with a footer: as a raw one it would have a few bytes too many.
    Magic { offset: -512, bytes: b"conectix", format: "VHD", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"KDMV", format: "VMDK", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"# Disk DescriptorFile", format: "VMDK", advice: QEMU_IMG },
    Magic { offset: 0x40, bytes: b"\x7f\x10\xda\xbe", format: "VDI", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"QED\0", format: "QED", advice: QEMU_IMG },
    Magic { offset: 0, bytes: b"EVF\x09\x0d\x0a\xff\x00", format: "EWF (E01)", advice: "ewfexport -f raw IMAGE" },
    Magic { offset: 0, bytes: b"\x1f\x8b\x08", format: "gzip", advice: "gunzip --keep IMAGE" },
    Magic { offset: 0, bytes: b"\x28\xb5\x2f\xfd", format: "zstd", advice: "zstd --decompress IMAGE" },
    Magic { offset: 0, bytes: b"\xfd7zXZ\0", format: "xz", advice: "unxz --keep IMAGE" },
    Magic { offset: 0, bytes: b"BZh", format: "bzip2", advice: "bunzip2 --keep IMAGE" },
    Magic { offset: 0, bytes: b"PK\x03\x04", format: "zip", advice: "unzip IMAGE" },
];

/// The format of a file that is not raw, and how to make a raw image of it.
pub(crate) fn recognise(file: &File, bytes: u64) -> Option<(&'static str, &'static str)> {
    let found = MAGICS.iter().find(|magic| {
        let from_end = bytes.checked_sub(magic.offset.unsigned_abs());
        let offset = if magic.offset < 0 { from_end } else { Some(magic.offset.unsigned_abs()) };
        let mut found = vec![0; magic.bytes.len()];
        offset.is_some_and(|offset| sys::read_exact_at(file, offset, &mut found).is_ok()) && found == magic.bytes
    })?;
    Some((found.format, found.advice))
}
