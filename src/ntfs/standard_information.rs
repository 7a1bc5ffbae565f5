//! `$STANDARD_INFORMATION`: times and attributes of a file (`struct ATTR_STD_INFO5` of Linux `fs/ntfs3/ntfs.h`).

use crate::bytes::{u32_at, u64_at};
use crate::time::of_filetime;
use vfs::Timestamp;

/// What a file has once, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandardInformation {
    pub(crate) created: Timestamp,
    /// Last change of the content.
    pub(crate) modified: Timestamp,
    /// Last change of the record.
    pub(crate) changed: Timestamp,
    pub(crate) accessed: Timestamp,
    /// The four as they are on the disk: created, modified, accessed, changed, as ntfs-3g orders them.
    pub(crate) raw_times: [u64; 4],
    /// `FILE_ATTRIBUTE_*` ([MS-FSCC] 2.6).
    pub(crate) attributes: u32,
    /// Whether names in this directory that differ in case alone are different names.
    pub(crate) is_case_sensitive: bool,
    /// The descriptor in `$Secure`; `None` before NTFS 3.0.
    pub(crate) security_id: Option<u32>,
}

impl StandardInformation {
    /// The value of the attribute; `None` where it is too short.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (created, modified, changed, accessed) =
            (u64_at(value, 0)?, u64_at(value, 8)?, u64_at(value, 0x10)?, u64_at(value, 0x18)?);
        let (versions, version) = (u32_at(value, 0x24)?, u32_at(value, 0x28)?);
        Some(Self {
            created: of_filetime(created),
            modified: of_filetime(modified),
            changed: of_filetime(changed),
            accessed: of_filetime(accessed),
            raw_times: [created, modified, accessed, changed],
            attributes: u32_at(value, 0x20)?,
            // Where Windows 10 (1803) and later put it, as libfsntfs found out.
            is_case_sensitive: versions == 0 && version == 1,
            security_id: u32_at(value, 0x34).filter(|_| value.len() >= 0x48),
        })
    }
}
