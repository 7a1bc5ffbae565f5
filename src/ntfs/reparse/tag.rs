//! The tags that say what a reparse point means ([MS-FSCC] 2.1.2.1; Windows SDK `ntifs.h`, `IO_REPARSE_TAG_*`).

use vfs::FileType;

/// A reparse tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag(pub(crate) u32);

/// The tag is Microsoft's; any other is followed by the GUID of whoever made it.
const MICROSOFT: u32 = 0x8000_0000;
/// Bits in which the tags of the Cloud Files API differ: the provider's kind.
const CLOUD_KIND: u32 = 0xF000;

impl Tag {
    pub(crate) const MOUNT_POINT: Self = Self(0xA000_0003);
    pub(crate) const SYMLINK: Self = Self(0xA000_000C);
    pub(crate) const LX_SYMLINK: Self = Self(0xA000_001D);
    pub(crate) const AF_UNIX: Self = Self(0x8000_0023);
    pub(crate) const LX_FIFO: Self = Self(0x8000_0024);
    pub(crate) const LX_CHR: Self = Self(0x8000_0025);
    pub(crate) const LX_BLK: Self = Self(0x8000_0026);
    pub(crate) const NFS: Self = Self(0x8000_0014);
    pub(crate) const APP_EXEC_LINK: Self = Self(0x8000_001B);
    pub(crate) const WOF: Self = Self(0x8000_0017);
    pub(crate) const DEDUP: Self = Self(0x8000_0013);
    pub(crate) const CLOUD: Self = Self(0x9000_001A);
    pub(crate) const ONEDRIVE: Self = Self(0x8000_0021);
    pub(crate) const FILE_PLACEHOLDER: Self = Self(0x8000_0015);
    pub(crate) const STORAGE_SYNC: Self = Self(0x8000_001E);
    pub(crate) const PROJFS: Self = Self(0x9000_001C);

    /// Whether a GUID follows the header.
    pub(crate) const fn has_guid(self) -> bool {
        self.0 & MICROSOFT == 0
    }

    /// Whether a program on Windows fetches the content when it is read, and leaves it here once it has: the Cloud Files
    /// API in its sixteen kinds (OneDrive and others), what came before it, Azure File Sync, and projected trees (GVFS).
    pub(crate) const fn is_placeholder(self) -> bool {
        matches!(Self(self.0 & !CLOUD_KIND), Self::CLOUD)
            || matches!(self, Self::ONEDRIVE | Self::FILE_PLACEHOLDER | Self::STORAGE_SYNC | Self::PROJFS)
    }

    /// The type of an entry with this tag, where the tag alone decides it.
    pub(crate) const fn file_type(self) -> Option<FileType> {
        match self {
            Self::MOUNT_POINT | Self::SYMLINK | Self::LX_SYMLINK | Self::APP_EXEC_LINK => Some(FileType::Symlink),
            Self::AF_UNIX => Some(FileType::Socket),
            Self::LX_FIFO => Some(FileType::Fifo),
            Self::LX_CHR => Some(FileType::CharDevice),
            Self::LX_BLK => Some(FileType::BlockDevice),
            _ => None,
        }
    }

    /// What it is, and where the content of such a file lies, for tags whose content is elsewhere.
    pub(crate) const fn elsewhere(self) -> Option<&'static str> {
        Some(match self.0 {
            0x8000_0013 => {
                "Windows Server's deduplication keeps its content in chunks under 'System Volume Information'"
            }
            0xC000_0004 | 0x8000_0006 => "a hierarchical storage manager has moved its content to other storage",
            0x8000_0005 => "Windows Home Server's Drive Extender keeps its content on another disk",
            0x8000_0007 => "Windows' single-instance storage keeps its content in the folder 'SIS Common Store'",
            0x8000_0008 => "its content is in a mounted WIM image",
            0x8000_0009 => "its content is on a cluster shared volume",
            0x8000_0018 | 0x9000_1018 => "its content is in a layer of a Windows container",
            0xA000_001F | 0xA000_0022 => "it marks a file as deleted from what lies below it",
            0xA000_0027 | 0xA000_1027 => "it is a link into a layer of a Windows container",
            0xA000_0028 => "its content is in a composite image (CIM)",
            0xC000_0014 => "its content is in the package of a Windows app",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sixteen_kinds_of_cloud_files_are_placeholders() {
        for kind in 0..16 {
            assert!(Tag(0x9000_001A | kind << 12).is_placeholder());
        }
        for other in [0x9000_001B, 0x8000_001A, 0x9001_001A, 0x9000_101C, Tag::WOF.0, Tag::DEDUP.0] {
            assert!(!Tag(other).is_placeholder(), "{other:#x}");
        }
    }
}
