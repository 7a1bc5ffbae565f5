//! Feature flags (Linux `fs/xfs/libxfs/xfs_format.h`), and the names that `xfs_info` and `mkfs.xfs` give them.

use crate::layout::RawSuperblock;

/// A flag and its name.
type Named = (u32, &'static str);

const VERSION_MASK: u16 = 0x000F;

/// Bits of `sb_versionnum`.
mod version {
    pub(super) const ATTR: u16 = 0x0010;
    pub(super) const NLINK: u16 = 0x0020;
    pub(super) const ALIGN: u16 = 0x0080;
    pub(super) const SHARED: u16 = 0x0200;
    pub(super) const LOGV2: u16 = 0x0400;
    pub(super) const SECTOR: u16 = 0x0800;
    pub(super) const EXTFLG: u16 = 0x1000;
    pub(super) const DIRV2: u16 = 0x2000;
    pub(super) const BORG: u16 = 0x4000;
    pub(super) const MOREBITS: u16 = 0x8000;
}

const VERSIONNUM: &[Named] = &[
    (0x0010, "attr"),
    (0x0020, "nlink"),
    (0x0040, "quota"),
    (0x0080, "align"),
    (0x0100, "dalign"),
    (0x0200, "shared"),
    (0x0400, "logv2"),
    (0x0800, "sector"),
    (0x1000, "extflg"),
    (0x2000, "dirv2"),
    (0x4000, "ascii-ci"),
    (0x8000, "morebits"),
];

const FEATURES2: &[Named] =
    &[(0x2, "lazy-count"), (0x8, "attr2"), (0x10, "parent"), (0x80, "projid32bit"), (0x100, "crc"), (0x200, "ftype")];

const RO_COMPAT: &[Named] = &[(0x1, "finobt"), (0x2, "rmapbt"), (0x4, "reflink"), (0x8, "inobtcount")];

const INCOMPAT: &[Named] = &[
    (0x1, "ftype"),
    (0x2, "spinodes"),
    (0x4, "meta_uuid"),
    (0x8, "bigtime"),
    (0x10, "needsrepair"),
    (0x20, "nrext64"),
    (0x40, "exchange"),
    (0x80, "parent"),
    (0x100, "metadir"),
    (0x200, "zoned"),
    (0x400, "zone_gaps"),
];

const LOG_INCOMPAT: &[Named] = &[(0x1, "xattr_log")];

/// Incompatible features of version 5 that this reader understands: those that Linux 6.18 knows. `needsrepair` is known
/// and refused.
const INCOMPAT_READABLE: u32 = 0x7EF;
/// Features of a log that this reader can replay.
const LOG_INCOMPAT_READABLE: u32 = 0x1;
/// `sb_features2` bits that are understood in version 4: not the parent pointers that were never finished.
const FEATURES2_READABLE: u32 = 0x2 | 0x8 | 0x80 | 0x100 | 0x200;
/// Bits of `sb_versionnum` that are there in every file system of version 5.
const V5_VERSION: u16 =
    version::NLINK | version::ALIGN | version::LOGV2 | version::EXTFLG | version::DIRV2 | version::MOREBITS;

/// All feature words of a superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    versionnum: u16,
    features2: u32,
    compat: u32,
    ro_compat: u32,
    incompat: u32,
    log_incompat: u32,
}

macro_rules! v5 {
    ($($name:ident: $field:ident & $bit:literal),* $(,)?) => {
        $(pub(crate) const fn $name(self) -> bool { self.is_v5() && self.$field & $bit != 0 })*
    };
}

impl Features {
    /// Those of a superblock. Where the two copies of `sb_features2` differ, one was written by a kernel that placed it
    /// wrongly: both are taken together, as the kernel does.
    pub(crate) fn of(raw: &RawSuperblock) -> Self {
        let is_v5 = raw.sb_versionnum.get() & VERSION_MASK == 5;
        let word = |field: zerocopy::big_endian::U32| if is_v5 { field.get() } else { 0 };
        Self {
            versionnum: raw.sb_versionnum.get(),
            features2: raw.sb_features2.get() | raw.sb_bad_features2.get(),
            compat: word(raw.sb_features_compat),
            ro_compat: word(raw.sb_features_ro_compat),
            incompat: word(raw.sb_features_incompat),
            log_incompat: word(raw.sb_features_log_incompat),
        }
    }

    /// The version of the format: 4, 5, or one that is not read.
    pub(crate) const fn version(self) -> u16 {
        self.versionnum & VERSION_MASK
    }

    /// Version 5: every piece of metadata has a checksum and says where it belongs.
    pub(crate) const fn is_v5(self) -> bool {
        self.version() == 5
    }

    const fn has_features2(self, bit: u32) -> bool {
        self.versionnum & version::MOREBITS != 0 && self.features2 & bit != 0
    }

    v5! {
        meta_uuid: incompat & 0x4,
        needsrepair: incompat & 0x10,
        metadir: incompat & 0x100,
        zoned: incompat & 0x200,
        zone_gaps: incompat & 0x400,
        spinodes: incompat & 0x2,
        rmapbt: ro_compat & 0x2,
    }

    /// Whether directory entries say what type of file they name.
    pub(crate) const fn ftype(self) -> bool {
        if self.is_v5() { self.incompat & 0x1 != 0 } else { self.has_features2(0x200) }
    }

    /// Whether free space is counted in the allocation groups, and the superblock's counters are right only after a clean
    /// unmount.
    pub(crate) const fn lazy_count(self) -> bool {
        self.is_v5() || self.has_features2(0x2)
    }

    pub(crate) const fn projid32(self) -> bool {
        self.is_v5() || self.has_features2(0x80)
    }

    pub(crate) const fn log_v2(self) -> bool {
        self.is_v5() || self.versionnum & version::LOGV2 != 0
    }

    /// Whether the log has a sector size of its own.
    pub(crate) const fn log_sectors(self) -> bool {
        self.versionnum & version::SECTOR != 0
    }

    /// Whether names are looked up without regard to the case of ASCII letters.
    pub(crate) const fn ascii_ci(self) -> bool {
        self.versionnum & version::BORG != 0
    }

    /// All features by name, in the order of the words; `incompat:0x800` and the like for those without a name. Bits that
    /// all file systems of version 5 have are left out.
    pub(crate) fn names(self) -> Vec<String> {
        let always = if self.is_v5() { V5_VERSION | version::ATTR } else { 0 };
        let words = [
            ("versionnum", VERSIONNUM, u32::from(self.versionnum & !VERSION_MASK & !always)),
            ("features2", FEATURES2, if self.is_v5() { self.features2 & !0x28A } else { self.features2 }),
            ("compat", &[][..], self.compat),
            ("ro_compat", RO_COMPAT, self.ro_compat),
            ("incompat", INCOMPAT, self.incompat),
            ("log_incompat", LOG_INCOMPAT, self.log_incompat),
        ];
        words.into_iter().flat_map(|(word, known, flags)| named(word, known, flags)).collect()
    }

    /// What cannot be read, by name; `None` when everything can.
    pub(crate) fn unreadable(self) -> Option<String> {
        let found = if self.is_v5() {
            named("incompatible feature ", INCOMPAT, self.incompat & !INCOMPAT_READABLE & !0x10).collect::<Vec<_>>()
        } else {
            let unknown =
                if self.versionnum & version::MOREBITS == 0 { 0 } else { self.features2 & !FEATURES2_READABLE };
            let mut found: Vec<_> = named("feature ", FEATURES2, unknown).collect();
            if self.versionnum & version::SHARED != 0 {
                found.push("shared".to_owned());
            }
            if self.versionnum & version::DIRV2 == 0 {
                found.push("directories of version 1".to_owned());
            }
            if self.versionnum & version::EXTFLG == 0 {
                found.push("extents without the unwritten flag".to_owned());
            }
            found
        };
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Features of the log that cannot be replayed, by name.
    pub(crate) fn unreplayable(self) -> Option<String> {
        let found: Vec<_> = named("log feature ", LOG_INCOMPAT, self.log_incompat & !LOG_INCOMPAT_READABLE).collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

/// The names of the bits that are set, the lowest first.
fn named(word: &'static str, known: &'static [Named], flags: u32) -> impl Iterator<Item = String> {
    let bits = (0..u32::BITS).map(|shift| 1_u32 << shift).filter(move |bit| flags & bit != 0);
    bits.map(move |bit| {
        let name = known.iter().find(|(flag, _)| *flag == bit).map(|(_, name)| (*name).to_owned());
        let separator = if word.ends_with(' ') { "" } else { ":" };
        name.unwrap_or_else(|| format!("{word}{separator}{bit:#x}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v5(incompat: u32) -> Features {
        let versionnum = V5_VERSION | 5;
        Features { versionnum, features2: 0x18A, compat: 0, ro_compat: 0, incompat, log_incompat: 0 }
    }

    #[test]
    fn what_linux_6_18_knows_is_read_and_the_next_bit_is_refused_by_number() {
        assert_eq!(v5(0x7EF).unreadable(), None);
        assert_eq!(v5(0x1800).unreadable().unwrap(), "incompatible feature 0x800, incompatible feature 0x1000");
        assert!(v5(0x10).needsrepair() && v5(0x10).unreadable().is_none());
    }

    #[test]
    fn version_4_needs_what_its_kernels_need() {
        let v4 = |versionnum, features2| Features { versionnum, features2, ..v5(0) };
        assert_eq!(v4(0xB4A4, 0x28A).unreadable(), None);
        assert_eq!(v4(0x3094, 0xFFFF_FFFF).unreadable(), None, "without morebits the word does not count");
        assert_eq!(v4(0xB2A4, 0x10).unreadable().unwrap(), "parent, shared");
        assert!(v4(0x0094, 0).unreadable().unwrap().contains("version 1"));
    }

    #[test]
    fn features_are_told_by_name() {
        assert_eq!(v5(0x8000_0008).names(), ["crc", "bigtime", "incompat:0x80000000"]);
    }
}
