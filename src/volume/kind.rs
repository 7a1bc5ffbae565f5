//! What a volume is: how it is laid out, or what a partition table says that it is for.

use std::fmt;
use uuid::{Uuid, uuid};

/// The type of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumeKind {
    /// A disk.
    WholeDisk,
    /// Laid out over several devices, or in pieces of one: how, in words (`RAID 5 of 3 devices, left-symmetric`).
    Layout(String),
    /// A GPT partition of this type (UEFI 2.10, table 5.7; Discoverable Partitions Specification).
    Gpt(Uuid),
    /// An MBR partition of this type.
    Mbr(u8),
}

const GPT_NAMES: &[(Uuid, &str)] = &[
    (uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4"), "Linux filesystem"),
    (uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"), "Linux root (x86-64)"),
    (uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae"), "Linux root (ARM64)"),
    (uuid!("44479540-f297-41b2-9af7-d131d5f0458a"), "Linux root (x86)"),
    (uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915"), "Linux home"),
    (uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8"), "Linux server data"),
    (uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d"), "Linux variable data"),
    (uuid!("8484680c-9521-48c6-9c11-b0720656f69e"), "Linux /usr (x86-64)"),
    (uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172"), "Linux extended boot"),
    (uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"), "Linux swap"),
    (uuid!("e6d6d379-f507-44c2-a23c-238f2a3df928"), "Linux LVM"),
    (uuid!("a19d880f-05fc-4d3b-a006-743f0f84911e"), "Linux RAID"),
    (uuid!("ca7d7ccb-63ed-4c53-861c-1742536059cc"), "Linux LUKS"),
    (uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "EFI system"),
    (uuid!("21686148-6449-6e6f-744e-656564454649"), "BIOS boot"),
    (uuid!("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"), "Microsoft basic data"),
    (uuid!("e3c9e316-0b5c-4db8-817d-f92df00215ae"), "Microsoft reserved"),
    (uuid!("de94bba4-06d1-4d40-a16a-bfd50179d6ac"), "Windows recovery"),
    (uuid!("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"), "Windows dynamic disk metadata"),
    (uuid!("af9b60a0-1431-4f62-bc68-3311714a69ad"), "Windows dynamic disk data"),
    (uuid!("e75caf8f-f680-4cee-afa3-b001e56efc2d"), "Windows storage pool"),
];

const MBR_NAMES: &[(u8, &str)] = &[
    (0x01, "FAT12"),
    (0x04, "FAT16"),
    (0x06, "FAT16"),
    (0x07, "NTFS or exFAT"),
    (0x0B, "FAT32"),
    (0x0C, "FAT32"),
    (0x0E, "FAT16"),
    (0x27, "Windows recovery"),
    (0x42, "Windows dynamic disk"),
    (0x82, "Linux swap"),
    (0x83, "Linux filesystem"),
    (0x8E, "Linux LVM"),
    (0xEF, "EFI system"),
    (0xFD, "Linux RAID"),
];

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeDisk => f.write_str("no partition table"),
            Self::Layout(text) => f.write_str(text),
            Self::Gpt(guid) => match GPT_NAMES.iter().find(|(known, _)| known == guid) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "type {guid}"),
            },
            Self::Mbr(number) => match MBR_NAMES.iter().find(|(known, _)| known == number) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "type {number:#04x}"),
            },
        }
    }
}
