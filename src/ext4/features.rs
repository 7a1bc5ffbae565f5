//! Feature flags (Linux `fs/ext4/ext4.h`).

use crate::layout::RawSuperblock;
use std::fmt;

/// A flag and the name that `mke2fs` gives it.
type Named = (u32, &'static str);

/// `s_feature_compat`, `s_feature_incompat` and `s_feature_ro_compat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    compat: u32,
    incompat: u32,
    ro_compat: u32,
}

macro_rules! flags {
    ($($name:ident: $field:ident & $bit:literal),* $(,)?) => {
        $(pub(crate) const fn $name(self) -> bool { self.$field & $bit != 0 })*
    };
}

const COMPAT: &[Named] = &[
    (0x1, "dir_prealloc"),
    (0x2, "imagic_inodes"),
    (0x4, "has_journal"),
    (0x8, "ext_attr"),
    (0x10, "resize_inode"),
    (0x20, "dir_index"),
    (0x40, "lazy_bg"),
    (0x100, "snapshot_bitmap"),
    (0x200, "sparse_super2"),
    (0x400, "fast_commit"),
    (0x800, "stable_inodes"),
    (0x1000, "orphan_file"),
];

const INCOMPAT: &[Named] = &[
    (0x1, "compression"),
    (0x2, "filetype"),
    (0x4, "needs_recovery"),
    (0x8, "journal_dev"),
    (0x10, "meta_bg"),
    (0x40, "extent"),
    (0x80, "64bit"),
    (0x100, "mmp"),
    (0x200, "flex_bg"),
    (0x400, "ea_inode"),
    (0x1000, "dirdata"),
    (0x2000, "metadata_csum_seed"),
    (0x4000, "large_dir"),
    (0x8000, "inline_data"),
    (0x1_0000, "encrypt"),
    (0x2_0000, "casefold"),
];

const RO_COMPAT: &[Named] = &[
    (0x1, "sparse_super"),
    (0x2, "large_file"),
    (0x8, "huge_file"),
    (0x10, "uninit_bg"),
    (0x20, "dir_nlink"),
    (0x40, "extra_isize"),
    (0x100, "quota"),
    (0x200, "bigalloc"),
    (0x400, "metadata_csum"),
    (0x800, "replica"),
    (0x1000, "read-only"),
    (0x2000, "project"),
    (0x4000, "shared_blocks"),
    (0x8000, "verity"),
    (0x1_0000, "orphan_present"),
];

/// The incompatible features that this reader understands; with `encrypt`, contents of encrypted files stay unreadable.
const INCOMPAT_READABLE: u32 =
    0x2 | 0x4 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x1_0000 | 0x2_0000;

impl Features {
    pub(crate) const fn new(compat: u32, incompat: u32, ro_compat: u32) -> Self {
        Self { compat, incompat, ro_compat }
    }

    /// Those of a superblock.
    pub(crate) fn of(raw: &RawSuperblock) -> Self {
        Self::new(raw.s_feature_compat.get(), raw.s_feature_incompat.get(), raw.s_feature_ro_compat.get())
    }

    flags! {
        has_journal: compat & 0x4,
        dir_index: compat & 0x20,
        orphan_file: compat & 0x1000,
        sparse_super2: compat & 0x200,
        filetype: incompat & 0x2,
        needs_recovery: incompat & 0x4,
        journal_dev: incompat & 0x8,
        meta_bg: incompat & 0x10,
        extents: incompat & 0x40,
        is_64bit: incompat & 0x80,
        ea_inode: incompat & 0x400,
        inline_data: incompat & 0x8000,
        metadata_csum_seed: incompat & 0x2000,
        large_dir: incompat & 0x4000,
        casefold: incompat & 0x2_0000,
        sparse_super: ro_compat & 0x1,
        huge_file: ro_compat & 0x8,
        gdt_csum: ro_compat & 0x10,
        bigalloc: ro_compat & 0x200,
        metadata_csum: ro_compat & 0x400,
        project: ro_compat & 0x2000,
        orphan_present: ro_compat & 0x1_0000,
    }

    /// Whether group descriptors have checksums.
    pub(crate) const fn has_descriptor_checksums(self) -> bool {
        self.gdt_csum() || self.metadata_csum()
    }

    /// All features by the names that `mke2fs` gives them, in the order of `dumpe2fs`; `incompat:0x40000` and the like
    /// for those without a name.
    pub(crate) fn names(self) -> Vec<String> {
        let words = [
            ("compat", COMPAT, self.compat),
            ("incompat", INCOMPAT, self.incompat),
            ("ro_compat", RO_COMPAT, self.ro_compat),
        ];
        let names = words.into_iter().flat_map(|(word, known, flags)| {
            bits(flags).map(move |bit| name(known, bit).map_or_else(|| format!("{word}:{bit:#x}"), ToOwned::to_owned))
        });
        names.collect()
    }

    /// The incompatible features that cannot be read, by name; `None` when there are none.
    pub(crate) fn unreadable(self) -> Option<String> {
        let unreadable = self.incompat & !INCOMPAT_READABLE;
        (unreadable != 0).then(|| Names(unreadable).to_string())
    }
}

/// The bits that are set, the lowest first.
fn bits(flags: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).map(|shift| 1 << shift).filter(move |bit| flags & bit != 0)
}

fn name(known: &[Named], bit: u32) -> Option<&'static str> {
    known.iter().find(|(flag, _)| *flag == bit).map(|(_, name)| *name)
}

/// Incompatible features by name.
struct Names(u32);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in bits(self.0) {
            match name(INCOMPAT, bit) {
                Some(name) => write!(f, "{separator}{name}")?,
                None => write!(f, "{separator}unknown incompatible feature {bit:#x}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(Features::new(0, 0x2C2, 0x46B).unreadable(), None);
        let unreadable = Features::new(0, 0x1000 | 0x1 | 0x8000_0000 | 0x40, 0).unreadable();
        assert_eq!(unreadable.as_deref(), Some("compression, dirdata, unknown incompatible feature 0x80000000"));
    }

    #[test]
    fn every_feature_has_a_name_and_the_order_is_that_of_the_words() {
        let names = Features::new(0x8000_0004, 0x42, 0x1_0005).names();
        let expected = [
            "has_journal",
            "compat:0x80000000",
            "filetype",
            "extent",
            "sparse_super",
            "ro_compat:0x4",
            "orphan_present",
        ];
        assert_eq!(names, expected);
        assert_eq!(Features::new(!0, !0, !0).names().len(), 96);
    }
}
