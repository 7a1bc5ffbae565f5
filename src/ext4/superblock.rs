//! The superblock: geometry, features, identity; checked as the kernel's `ext4_fill_super` does.

use crate::backup;
use crate::casefold;
use crate::checksum::crc32c;
use crate::features::Features;
use crate::layout::RawSuperblock;
use crate::state::states;
use block::{ReadAt, ReadError, ReadErrorKind};
use vfs::reader::{corrupt, io};
use vfs::{Error, ErrorKind, Result, State};
use zerocopy::FromBytes;

/// Where the primary superblock is, in bytes from the start of the volume.
pub(crate) const SUPERBLOCK_OFFSET: u64 = 1024;
pub(crate) const SUPERBLOCK_BYTES: usize = 1024;
/// Byte of `s_magic`, and what it has to be.
const MAGIC_OFFSET: u64 = SUPERBLOCK_OFFSET + 0x38;
const MAGIC: u16 = 0xEF53;
/// The largest `s_log_cluster_size`: clusters of 1 GiB.
const CLUSTER_LOG_MAX: u32 = 20;

/// Said of a volume that is shown as it lies.
pub(crate) const ORPHANS_NOTICE: &str =
    "some files were deleted or cut short while they were in use, and that was not finished";

/// Whether the volume holds ext2, ext3 or ext4: the magic number is where it has to be.
///
/// # Errors
/// When the volume cannot be read.
pub fn probe(volume: &dyn ReadAt) -> std::result::Result<bool, ReadError> {
    let mut magic = [0; 2];
    match volume.read_exact_at(MAGIC_OFFSET, &mut magic) {
        Err(error) if error.kind == ReadErrorKind::OutOfRange => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(u16::from_le_bytes(magic) == MAGIC),
    }
}

/// A checked superblock.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    pub(crate) features: Features,
    /// log2 of the block size in bytes: 10 to 16.
    pub(crate) block_shift: u32,
    /// log2 of the number of blocks in a cluster, the unit of allocation; 0 without the feature `bigalloc`.
    pub(crate) cluster_shift: u32,
    /// Clusters that the file system uses for itself, as counted when it was made; 0 when nobody counted.
    pub(crate) overhead_clusters: u64,
    /// Number of blocks.
    pub(crate) blocks: u64,
    pub(crate) first_data_block: u64,
    pub(crate) blocks_per_group: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_per_group: u64,
    /// The first inode that is not reserved.
    pub(crate) first_inode: u64,
    /// Size of an inode in bytes: 128 at least, a power of two, at most a block.
    pub(crate) inode_bytes: usize,
    /// Size of a group descriptor in bytes: 32 at least, at most a block.
    pub(crate) descriptor_bytes: usize,
    pub(crate) first_meta_bg: u64,
    pub(crate) reserved_gdt_blocks: u64,
    pub(crate) backup_groups: [u32; 2],
    /// The block group of which this says to be the superblock.
    group_number: u64,
    /// The block group that this copy lies in; 0 for the primary superblock.
    pub(crate) copy_in_group: u64,
    /// The inode of the journal; 0 when it is elsewhere, or there is none.
    pub(crate) journal_inode: u64,
    /// The UUID of the device that the journal is on, if it is elsewhere.
    pub(crate) journal_uuid: [u8; 16],
    /// The first inode in the list of deleted files that are still open; 0 for none.
    pub(crate) last_orphan: u64,
    /// The inode of the file that names such files; 0 for none.
    pub(crate) orphan_file: u64,
    pub(crate) uuid: [u8; 16],
    /// Seed of every metadata checksum.
    pub(crate) checksum_seed: u32,
    pub(crate) hash_seed: [u32; 4],
    /// How names are hashed in directories that have no index yet.
    pub(crate) hash_version: u8,
    /// Whether names are hashed as unsigned bytes where the index does not say; `None` when nobody wrote it down.
    pub(crate) hash_unsigned: Option<bool>,
    pub(crate) label: Option<String>,
    pub(crate) free_blocks: u64,
    pub(crate) reserved_blocks: u64,
    pub(crate) free_inodes: u64,
    pub(crate) notices: Vec<String>,
}

impl Superblock {
    /// Reads and checks the primary superblock or, where it is damaged, one of its copies.
    pub(crate) fn read(volume: &dyn ReadAt) -> Result<Self> {
        match Self::read_at(volume, SUPERBLOCK_OFFSET) {
            Err(error) if error.kind == ErrorKind::Corrupt => {
                let found = backup::places(volume.size()).find_map(|place| Self::read_copy(volume, place));
                let mut copy = found.ok_or(error)?;
                let group = copy.copy_in_group;
                copy.notices.push(format!("its superblock is damaged; the copy in block group {group} was used"));
                Ok(copy)
            }
            result => result,
        }
    }

    /// The copy at a place, if there is one.
    fn read_copy(volume: &dyn ReadAt, place: backup::Place) -> Option<Self> {
        let mut copy = Self::read_at(volume, place.offset).ok()?;
        let block = place.group.checked_mul(copy.blocks_per_group)?.checked_add(copy.first_data_block)?;
        let belongs_here =
            block.checked_shl(copy.block_shift) == Some(place.offset) && copy.group_number == place.group;
        copy.copy_in_group = place.group;
        belongs_here.then_some(copy)
    }

    fn read_at(volume: &dyn ReadAt, offset: u64) -> Result<Self> {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        volume.read_exact_at(offset, &mut bytes).map_err(io)?;
        let superblock = Self::parse(&bytes)?;
        let size = superblock.blocks.checked_shl(superblock.block_shift).unwrap_or(u64::MAX);
        if size > volume.size() {
            let (expected, found) = (size, volume.size());
            let message = format!("the file system has {expected} bytes, the volume only {found}: it is cut short");
            return Err(corrupt(message));
        }
        Ok(superblock)
    }

    /// The UUID of the device that the journal is on, if that is not this volume.
    pub(crate) fn external_journal(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
        let find = |raw: &RawSuperblock, features: Features| {
            let elsewhere = features.has_journal() && !features.journal_dev() && raw.s_journal_inum.get() == 0;
            elsewhere.then_some(raw.s_journal_uuid)
        };
        Self::peek(volume, find)
    }

    /// The UUID of the external journal that this volume is.
    pub(crate) fn journal_device(volume: &dyn ReadAt) -> std::result::Result<Option<[u8; 16]>, ReadError> {
        Self::peek(volume, |raw, features| features.journal_dev().then_some(raw.s_uuid))
    }

    /// What `find` finds in a superblock that may be of no readable file system.
    fn peek<T>(
        volume: &dyn ReadAt,
        find: impl Fn(&RawSuperblock, Features) -> Option<T>,
    ) -> std::result::Result<Option<T>, ReadError> {
        if !probe(volume)? {
            return Ok(None);
        }
        let mut bytes = [0; SUPERBLOCK_BYTES];
        match volume.read_exact_at(SUPERBLOCK_OFFSET, &mut bytes) {
            Err(error) if error.kind == ReadErrorKind::OutOfRange => return Ok(None),
            result => result?,
        }
        Ok(RawSuperblock::ref_from_bytes(&bytes).ok().and_then(|raw| find(raw, Features::of(raw))))
    }

    fn parse(bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<Self> {
        let raw = raw(bytes)?;
        let features = Self::features(raw)?;
        check_sum(bytes, raw, features)?;
        let geometry = Geometry::parse(raw, features)?;
        let wide = |high: u32, low: u32| {
            if features.is_64bit() { u64::from(high) << 32 | u64::from(low) } else { u64::from(low) }
        };
        let checksum_seed =
            if features.metadata_csum_seed() { raw.s_checksum_seed.get() } else { crc32c(!0, &raw.s_uuid) };
        Ok(Self {
            features,
            block_shift: geometry.block_shift,
            cluster_shift: geometry.cluster_shift,
            overhead_clusters: raw.s_overhead_clusters.get().into(),
            blocks: geometry.blocks,
            first_data_block: u64::from(raw.s_first_data_block.get()),
            blocks_per_group: u64::from(raw.s_blocks_per_group.get()),
            inodes: u64::from(raw.s_inodes_count.get()),
            inodes_per_group: u64::from(raw.s_inodes_per_group.get()),
            first_inode: geometry.first_inode,
            inode_bytes: geometry.inode_bytes,
            descriptor_bytes: geometry.descriptor_bytes,
            first_meta_bg: u64::from(raw.s_first_meta_bg.get()),
            reserved_gdt_blocks: u64::from(raw.s_reserved_gdt_blocks.get()),
            backup_groups: raw.s_backup_bgs.map(|group| group.get()),
            group_number: u64::from(raw.s_block_group_nr.get()),
            copy_in_group: 0,
            journal_inode: u64::from(raw.s_journal_inum.get()),
            journal_uuid: raw.s_journal_uuid,
            last_orphan: raw.s_last_orphan.get().into(),
            orphan_file: if features.orphan_file() { raw.s_orphan_file_inum.get().into() } else { 0 },
            uuid: raw.s_uuid,
            checksum_seed,
            hash_seed: raw.s_hash_seed.map(|word| word.get()),
            hash_version: raw.s_def_hash_version,
            hash_unsigned: hash_unsigned(raw.s_flags.get()),
            label: text(&raw.s_volume_name),
            free_blocks: wide(raw.s_free_blocks_count_hi.get(), raw.s_free_blocks_count_lo.get()),
            reserved_blocks: wide(raw.s_r_blocks_count_hi.get(), raw.s_r_blocks_count_lo.get()),
            free_inodes: u64::from(raw.s_free_inodes_count.get()),
            notices: notices(raw, features),
        })
    }

    /// The features, if all of them can be read.
    fn features(raw: &RawSuperblock) -> Result<Features> {
        let unsupported = |message: String| Err(Error::new(ErrorKind::Unsupported, message));
        if raw.s_rev_level.get() > 1 {
            return unsupported(format!("revision {} of the format is not known", raw.s_rev_level.get()));
        }
        let features = Features::of(raw);
        if features.journal_dev() {
            return unsupported("it is the external journal of another file system and holds no files".to_owned());
        }
        if let Some(names) = features.unreadable() {
            return unsupported(format!("it uses features that this version does not read yet: {names}"));
        }
        let encoding = raw.s_encoding.get();
        if features.casefold() && encoding != casefold::UTF8_12_1 {
            return unsupported(format!(
                "its directories ignore case (casefold) in the encoding {encoding}, which this version does not know"
            ));
        }
        Ok(features)
    }

    /// The size of a block in bytes.
    pub(crate) const fn block_bytes(&self) -> u64 {
        1 << self.block_shift
    }

    /// The size of a block in bytes, for buffers.
    pub(crate) const fn block_len(&self) -> usize {
        1 << self.block_shift
    }

    /// The size of a cluster in bytes.
    pub(crate) const fn cluster_bytes(&self) -> u64 {
        self.block_bytes() << self.cluster_shift
    }

    /// How many group descriptors fit into a block.
    pub(crate) fn descriptors_per_block(&self) -> u64 {
        // A descriptor fits into a block.
        self.block_len().checked_div(self.descriptor_bytes).and_then(|count| u64::try_from(count).ok()).unwrap_or(1)
    }

    /// How many block groups there are.
    pub(crate) fn groups(&self) -> u64 {
        self.blocks.saturating_sub(self.first_data_block).div_ceil(self.blocks_per_group)
    }
}

/// Whether one of the copies of the superblock is where `mke2fs` puts it. For volumes that nothing else was recognised
/// in: it reads at some twenty places.
///
/// # Errors
/// When the volume cannot be read.
pub fn probe_copies(volume: &dyn ReadAt) -> std::result::Result<bool, ReadError> {
    for place in backup::places(volume.size()) {
        let mut magic = [0; 2];
        volume
            .read_exact_at(place.offset.saturating_add(MAGIC_OFFSET.saturating_sub(SUPERBLOCK_OFFSET)), &mut magic)?;
        if u16::from_le_bytes(magic) == MAGIC && Superblock::read_copy(volume, place).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What has to hold before anything else can be computed.
struct Geometry {
    block_shift: u32,
    cluster_shift: u32,
    blocks: u64,
    first_inode: u64,
    inode_bytes: usize,
    descriptor_bytes: usize,
}

impl Geometry {
    fn parse(raw: &RawSuperblock, features: Features) -> Result<Self> {
        let bad = |what: &str, value: u64| corrupt(format!("the superblock's {what} cannot be {value}"));
        let log_block_size = raw.s_log_block_size.get();
        if log_block_size > 6 {
            return Err(bad("log_block_size", log_block_size.into()));
        }
        let block_shift = log_block_size.saturating_add(10);
        let block_bytes = 1_u64 << block_shift;
        let high = if features.is_64bit() { u64::from(raw.s_blocks_count_hi.get()) << 32 } else { 0 };
        let blocks = high | u64::from(raw.s_blocks_count_lo.get());
        let first_data_block = u64::from(raw.s_first_data_block.get());
        if blocks <= first_data_block || blocks.leading_zeros() < block_shift {
            return Err(bad("blocks_count", blocks));
        }
        if first_data_block > 1 || (first_data_block == 1) != (block_shift == 10) && first_data_block != 0 {
            return Err(bad("first_data_block", first_data_block));
        }
        let (inode_bytes, first_inode) = inode_size(raw, block_bytes)?;
        let descriptor_bytes = match (features.is_64bit(), raw.s_desc_size.get()) {
            (false, _) => 32,
            (true, size) if size >= 64 && size.is_power_of_two() && u64::from(size) <= block_bytes => size.into(),
            (true, size) => return Err(bad("desc_size", size.into())),
        };
        let per_group = u64::from(raw.s_blocks_per_group.get());
        let cluster_shift = match raw.s_log_cluster_size.get().checked_sub(log_block_size) {
            _ if !features.bigalloc() => 0,
            Some(shift) if log_block_size.saturating_add(shift) <= CLUSTER_LOG_MAX => shift,
            _ => return Err(bad("log_cluster_size", raw.s_log_cluster_size.get().into())),
        };
        // A group's bitmap is one block and counts clusters.
        let per_group_max = block_bytes.saturating_mul(8) << cluster_shift;
        if per_group < 8 || per_group > per_group_max {
            return Err(bad("blocks_per_group", per_group));
        }
        let inodes_per_group = u64::from(raw.s_inodes_per_group.get());
        if inodes_per_group == 0 || inodes_per_group > block_bytes.saturating_mul(8) {
            return Err(bad("inodes_per_group", inodes_per_group));
        }
        let groups = blocks.saturating_sub(first_data_block).div_ceil(per_group);
        if groups.checked_mul(inodes_per_group) != Some(u64::from(raw.s_inodes_count.get())) {
            return Err(bad("inodes_count", raw.s_inodes_count.get().into()));
        }
        let first_meta_bg = u64::from(raw.s_first_meta_bg.get());
        let table_blocks =
            groups.div_ceil(block_bytes.div_euclid(u64::try_from(descriptor_bytes).unwrap_or(u64::MAX)).max(1));
        if features.meta_bg() && first_meta_bg > table_blocks {
            return Err(bad("first_meta_bg", first_meta_bg));
        }
        let reserved = u64::from(raw.s_reserved_gdt_blocks.get());
        if reserved > block_bytes >> 2 {
            return Err(bad("reserved_gdt_blocks", reserved));
        }
        Ok(Self { block_shift, cluster_shift, blocks, first_inode, inode_bytes, descriptor_bytes })
    }
}

/// The size of an inode, and the first one that is not reserved.
fn inode_size(raw: &RawSuperblock, block_bytes: u64) -> Result<(usize, u64)> {
    if raw.s_rev_level.get() == 0 {
        return Ok((128, 11));
    }
    let (size, first) = (raw.s_inode_size.get(), u64::from(raw.s_first_ino.get()));
    if size < 128 || !size.is_power_of_two() || u64::from(size) > block_bytes {
        return Err(corrupt(format!("the superblock's inode_size cannot be {size}")));
    }
    if first < 11 {
        return Err(corrupt(format!("the superblock's first_ino cannot be {first}")));
    }
    Ok((size.into(), first))
}

/// The superblock as it lies on the disk, if it is one.
pub(crate) fn raw(bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<&RawSuperblock> {
    let raw = RawSuperblock::ref_from_bytes(bytes).map_err(|_| corrupt("the superblock is cut short"))?;
    if raw.s_magic.get() != MAGIC {
        return Err(corrupt(format!("no ext superblock: magic {:#06x}, not {MAGIC:#06x}", raw.s_magic.get())));
    }
    Ok(raw)
}

pub(crate) fn check_sum(bytes: &[u8; SUPERBLOCK_BYTES], raw: &RawSuperblock, features: Features) -> Result<()> {
    const CHECKSUM_OFFSET: usize = 0x3FC;
    const CRC32C: u8 = 1;
    if !features.metadata_csum() {
        return Ok(());
    }
    if raw.s_checksum_type != CRC32C {
        let message = format!("metadata checksums of type {} are not known", raw.s_checksum_type);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let (expected, found) = (raw.s_checksum.get(), crc32c(!0, bytes.get(..CHECKSUM_OFFSET).unwrap_or(bytes)));
    if expected != found {
        return Err(corrupt(format!("the superblock's checksum is {found:#010x}, not {expected:#010x}")));
    }
    Ok(())
}

/// Whether names are hashed as unsigned bytes (Linux `EXT2_FLAGS_SIGNED_HASH`, `EXT2_FLAGS_UNSIGNED_HASH`).
const fn hash_unsigned(flags: u32) -> Option<bool> {
    match flags & 3 {
        0 => None,
        signs => Some(signs & 2 != 0),
    }
}

/// The text that a field holds, up to its end or the first zero byte; `None` when it is empty.
pub(crate) fn text(field: &[u8]) -> Option<String> {
    let text = field.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())?;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn notices(raw: &RawSuperblock, features: Features) -> Vec<String> {
    let notice = |state: &State| match state {
        State::ErrorsRecorded => {
            Some("the source's kernel recorded errors in this file system; some files may be damaged")
        }
        State::NotClean if !features.has_journal() => {
            Some("it was not unmounted cleanly and has no journal; recent changes may be incomplete")
        }
        State::Orphans => Some(ORPHANS_NOTICE),
        // What ext4 does not know does not occur; what it replays needs no notice.
        State::Clean
        | State::NotClean
        | State::JournalToBeReplayed
        | State::JournalNotReplayable
        | State::Hibernated => None,
    };
    states(raw, features).iter().filter_map(notice).map(ToOwned::to_owned).collect()
}

/// A superblock of 8 MiB with 4 KiB blocks and these features, for tests.
#[cfg(test)]
pub(crate) fn sample(compat: u32, incompat: u32, ro_compat: u32) -> Superblock {
    let mut superblock = Superblock::parse(&tests::sample()).unwrap();
    superblock.features = Features::new(compat, incompat, ro_compat);
    superblock
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// A superblock of 8 MiB with 4 KiB blocks, without checksums.
    pub(super) fn sample() -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        put(&mut bytes, 0x0, &512_u32.to_le_bytes());
        put(&mut bytes, 0x4, &2048_u32.to_le_bytes());
        put(&mut bytes, 0x18, &2_u32.to_le_bytes());
        put(&mut bytes, 0x1C, &2_u32.to_le_bytes());
        put(&mut bytes, 0x20, &32_768_u32.to_le_bytes());
        put(&mut bytes, 0x28, &512_u32.to_le_bytes());
        put(&mut bytes, 0x38, &MAGIC.to_le_bytes());
        put(&mut bytes, 0x3A, &1_u16.to_le_bytes());
        put(&mut bytes, 0x4C, &1_u32.to_le_bytes());
        put(&mut bytes, 0x54, &11_u32.to_le_bytes());
        put(&mut bytes, 0x58, &256_u16.to_le_bytes());
        put(&mut bytes, 0x60, &0x42_u32.to_le_bytes());
        put(&mut bytes, 0x78, b"data");
        bytes
    }

    fn refusal(at: usize, value: &[u8]) -> Error {
        let mut bytes = sample();
        put(&mut bytes, at, value);
        Superblock::parse(&bytes).unwrap_err()
    }

    #[test]
    fn a_plain_superblock_is_understood() {
        let superblock = Superblock::parse(&sample()).unwrap();
        assert_eq!((superblock.block_bytes(), superblock.blocks, superblock.groups()), (4096, 2048, 1));
        assert_eq!(superblock.label.as_deref(), Some("data"));
        assert_eq!(superblock.notices, [""; 0]);
    }

    #[test]
    fn unknown_features_and_journal_devices_are_refused_by_name() {
        assert!(refusal(0x60, &0x1042_u32.to_le_bytes()).message.contains("dirdata"));
        assert!(refusal(0x60, &0x8_u32.to_le_bytes()).message.contains("external journal"));
        assert!(refusal(0x4C, &2_u32.to_le_bytes()).message.contains("revision 2"));
    }

    #[test]
    fn names_without_case_are_read_in_the_one_encoding_that_is_known() {
        const ENCODING: usize = 0x27C;
        let mut bytes = sample();
        put(&mut bytes, 0x60, &0x2_0042_u32.to_le_bytes());
        for encoding in [0_u16, 2, 0xFFFF] {
            put(&mut bytes, ENCODING, &encoding.to_le_bytes());
            let error = Superblock::parse(&bytes).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(error.message.contains(&format!("encoding {encoding},")), "{error}");
        }
        // In strict mode, or without a second search, too: both are about what a writer does.
        put(&mut bytes, ENCODING, &[1, 0, 3, 0]);
        assert!(Superblock::parse(&bytes).unwrap().features.casefold());
    }

    #[test]
    fn impossible_geometry_is_refused() {
        for (at, value) in
            [(0x18, 7_u32), (0x4, 0), (0x14, 5), (0x20, 0), (0x20, 40_000), (0x28, 0), (0x28, 32_769), (0x0, 7)]
        {
            assert_eq!(refusal(at, &value.to_le_bytes()).kind, ErrorKind::Corrupt, "{at:#x} = {value}");
        }
        assert_eq!(refusal(0x58, &100_u16.to_le_bytes()).kind, ErrorKind::Corrupt);
    }

    #[test]
    fn a_wrong_checksum_is_refused() {
        let error = refusal(0x64, &0x400_u32.to_le_bytes());
        assert!(error.message.contains("checksums of type 0"), "{error}");
        let mut bytes = sample();
        put(&mut bytes, 0x64, &0x400_u32.to_le_bytes());
        put(&mut bytes, 0x175, &[1]);
        assert!(Superblock::parse(&bytes).unwrap_err().message.contains("checksum is"));
        let sum = crc32c(!0, &bytes[..0x3FC]);
        put(&mut bytes, 0x3FC, &sum.to_le_bytes());
        Superblock::parse(&bytes).unwrap();
    }

    #[test]
    fn a_volume_that_is_too_small_is_cut_short() {
        let mut volume = vec![0; 1024];
        volume.extend_from_slice(&sample());
        volume.resize(4 << 20, 0);
        let volume = MemoryDisk::new(volume, BlockSize::B512);
        assert!(probe(&volume).unwrap());
        assert!(Superblock::read(&volume).unwrap_err().message.contains("cut short"));
        assert!(!probe(&MemoryDisk::new(vec![0; 512], BlockSize::B512)).unwrap());
    }

    #[test]
    fn recorded_errors_are_told() {
        let mut bytes = sample();
        put(&mut bytes, 0x3A, &2_u16.to_le_bytes());
        assert_eq!(Superblock::parse(&bytes).unwrap().notices.len(), 2);
    }
}
