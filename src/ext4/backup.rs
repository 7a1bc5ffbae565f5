//! Where copies of the superblock are (`mke2fs`, Linux `ext4_bg_has_super`): at the start of block groups 1, 3, 5, 7 and
//! their powers. Without a superblock nobody knows how large blocks and groups are: the usual sizes are tried.

/// A place of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Byte of the volume.
    pub(crate) offset: u64,
    /// Block group.
    pub(crate) group: u64,
}

/// Groups in which copies are looked for, those that nearly every file system has first.
pub(crate) const GROUPS: [u64; 6] = [1, 3, 5, 7, 9, 25];

/// The places that lie within a volume of `size` bytes.
pub(crate) fn places(size: u64) -> impl Iterator<Item = Place> {
    const BYTES: u64 = 1024;
    // 4 KiB is what mke2fs chooses; with 1 KiB the first block comes before the first group.
    let shifts = [12_u32, 10, 11, 16, 13, 14, 15];
    let places = shifts.into_iter().flat_map(|shift| GROUPS.into_iter().map(move |group| (shift, group)));
    let places = places.filter_map(|(shift, group)| {
        let blocks_per_group = 8_u64 << shift;
        let block = group.checked_mul(blocks_per_group)?.checked_add(u64::from(shift == 10))?;
        Some(Place { offset: block.checked_mul(1 << shift)?, group })
    });
    places.filter(move |place| place.offset.checked_add(BYTES).is_some_and(|end| end <= size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_where_mke2fs_says_that_they_are() {
        let offsets: Vec<_> = places(1 << 30).map(|place| place.offset).collect();
        // "Superblock backups stored on blocks: 32768, 98304, 163840, 229376" of 4 KiB; "8193, 24577" of 1 KiB.
        for (block, bytes) in
            [(32_768, 4096), (98_304, 4096), (163_840, 4096), (229_376, 4096), (8193, 1024), (24_577, 1024)]
        {
            assert!(offsets.contains(&(block * bytes)), "{block}");
        }
        assert_eq!(places(1 << 20).count(), 0);
    }
}
