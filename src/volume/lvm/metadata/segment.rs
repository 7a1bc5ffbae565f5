//! What logical volumes are made of.

use super::{Names, integer, words};
use crate::dm::cache::CacheMode;
use crate::lvm::id::Id;
use crate::lvm::label::SECTOR;
use crate::lvm::pool::Thin;
use crate::lvm::text::{Section, Value};

/// The status flags of logical volumes (`lib/format_text/flags.c`).
pub(super) const KNOWN_STATUS: &[&str] = &[
    "READ",
    "WRITE",
    "FIXED_MINOR",
    "VISIBLE",
    "PVMOVE",
    "LOCKED",
    "NOTSYNCED",
    "REBUILD",
    "WRITEMOSTLY",
    "CACHE_VOL",
];
/// Flags that follow a segment's type, as older versions must not read it.
const KNOWN_TYPE_FLAGS: &[&str] = &[
    "RESHAPE",
    "RESHAPE_DATA_OFFSET",
    "RESHAPE_DELTA_DISKS_PLUS",
    "RESHAPE_DELTA_DISKS_MINUS",
    "REMOVE_AFTER_RESHAPE",
    "METADATA_FORMAT",
    "CROP_METADATA",
    "CACHE_USES_CACHEVOL",
];
/// Members of one segment.
const PARTS_MAX: u64 = 4096;

/// A part of a logical volume.
#[derive(Debug)]
pub(in crate::lvm) struct Segment {
    /// Its first extent, from the start of the volume.
    pub(in crate::lvm) start: u64,
    /// How many extents it has.
    pub(in crate::lvm) extents: u64,
    pub(in crate::lvm) kind: SegmentKind,
}

/// How a segment is made.
#[derive(Debug)]
pub(in crate::lvm) enum SegmentKind {
    /// Chunks in turn from each part; one part is a plain piece of something.
    Striped {
        /// The size of a chunk in bytes; 0 with one part.
        chunk: u64,
        /// The extents of each part.
        part_extents: u64,
        parts: Vec<Part>,
    },
    /// The same on each part (the `mirror` target).
    Mirror {
        /// In bytes; 0 where nothing says.
        region: u64,
        /// The volume that knows which regions are the same.
        log: Option<usize>,
        /// Extents that were moved from the first part to the second, where that is what it is for.
        moved: Option<u64>,
        parts: Vec<Part>,
    },
    /// The `raid` target.
    Raid {
        /// The name of the type.
        level: String,
        /// In bytes; 0 where nothing says.
        chunk: u64,
        /// Extents of each image that are kept free to change the layout, and are no part of the volume.
        reserve: u64,
        images: Vec<RaidImage>,
    },
    /// The volume in which thin volumes are.
    ThinPool {
        metadata: usize,
        data: usize,
        /// In bytes.
        chunk: u64,
        transaction: u64,
        /// Whether changes of the pool are written down that may not be made yet.
        has_messages: bool,
    },
    /// A volume that takes its space from a pool.
    Thin(Thin),
    /// What a cache has its blocks in.
    CachePool { data: usize, metadata: usize, settings: CacheSettings },
    /// A volume with a cache.
    Cache(Cache),
    /// A volume whose newest blocks are on another one.
    Writecache { cache: usize, origin: usize, block: u64 },
    /// Says that one volume holds what another one was.
    Snapshot { origin: usize, store: usize, is_merging: bool },
    /// Nothing but errors, or nothing but zeros.
    Virtual(&'static str),
    /// One that is not understood.
    Unknown(String),
}

/// A volume with a cache.
#[derive(Clone, Copy, Debug)]
pub(in crate::lvm) struct Cache {
    pub(in crate::lvm) pool: usize,
    pub(in crate::lvm) origin: usize,
    /// Where data and metadata are when one volume holds both.
    pub(in crate::lvm) single: Option<SingleCache>,
    /// Those that count when one volume holds both; otherwise the pool has them.
    pub(in crate::lvm) settings: CacheSettings,
}

/// How a cache is used.
#[derive(Clone, Copy, Debug)]
pub(in crate::lvm) struct CacheSettings {
    /// In bytes; 0 where nothing says.
    pub(in crate::lvm) chunk: u64,
    pub(in crate::lvm) mode: CacheMode,
    /// Whether what is in it is being written to the origin, to be taken away.
    pub(in crate::lvm) is_being_emptied: bool,
}

/// Where the parts of a cache are in the one volume that it is in: first byte and length.
#[derive(Clone, Copy, Debug)]
pub(in crate::lvm) struct SingleCache {
    pub(in crate::lvm) metadata: (u64, u64),
    pub(in crate::lvm) data: (u64, u64),
}

/// What a segment takes from something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lvm) struct Part {
    pub(in crate::lvm) of: PartOf,
    /// The first extent.
    pub(in crate::lvm) extent: u64,
}

/// By position in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::lvm) enum PartOf {
    Physical(usize),
    Logical(usize),
}

/// A member of a RAID segment: logical volumes, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lvm) struct RaidImage {
    pub(in crate::lvm) metadata: Option<usize>,
    pub(in crate::lvm) data: usize,
}

/// All segments of a logical volume, in their order; at most `limit`.
pub(super) fn read_all(section: &Section<'_>, names: &Names, limit: usize) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    for (name, section) in section.sections() {
        if segments.len() >= limit {
            return Err("there are too many segments in its group".to_owned());
        }
        segments.push(Segment::parse(section, names).map_err(|what| format!("{name}: {what}"))?);
    }
    let expected = integer(section, "segment_count")?;
    if u64::try_from(segments.len()).ok() != Some(expected) {
        return Err(format!("{} segments, and its segment_count is {expected}", segments.len()));
    }
    segments.sort_by_key(|segment| segment.start);
    let mut next: u64 = 0;
    for segment in &segments {
        if segment.start != next {
            let what = if segment.start < next { "overlaps the one before it" } else { "leaves a gap before it" };
            return Err(format!("its segment at extent {} {what}, which ends at {next}", segment.start));
        }
        next = next.checked_add(segment.extents).ok_or_else(|| "its segments are of absurd size".to_owned())?;
    }
    Ok(segments)
}

/// The extents of all segments of a logical volume, as far as they say how many they have.
pub(super) fn extents(section: &Section<'_>) -> u64 {
    let count = |section: &Section<'_>| integer(section, "extent_count").unwrap_or(0);
    section.sections().fold(0, |sum, (_, section)| sum.saturating_add(count(section)))
}

impl Segment {
    fn parse(section: &Section<'_>, names: &Names) -> Result<Self, String> {
        let (start, extents) = (integer(section, "start_extent")?, integer(section, "extent_count")?);
        if extents == 0 {
            return Err("it has no extents".to_owned());
        }
        let kind = match section.value("type") {
            None => "striped",
            Some(Value::Text(kind)) => kind,
            Some(_) => return Err("its type is no text".to_owned()),
        };
        let mut words = kind.split('+');
        let name = words.next().unwrap_or_default();
        let kind = match words.find(|flag| !KNOWN_TYPE_FLAGS.contains(flag)) {
            Some(_) => SegmentKind::Unknown(kind.to_owned()),
            None => Reader { section, names, extents }.kind(name)?,
        };
        Ok(Self { start, extents, kind })
    }
}

impl SegmentKind {
    /// Whether it is one piece of something, or of nothing.
    pub(in crate::lvm) fn is_plain(&self) -> bool {
        match self {
            Self::Striped { parts, .. } => parts.len() == 1,
            Self::Virtual(_) => true,
            _ => false,
        }
    }

    /// The name that users know.
    pub(in crate::lvm) fn word(&self) -> &str {
        match self {
            Self::Striped { parts, .. } if parts.len() == 1 => "linear",
            Self::Striped { .. } => "striped",
            Self::Mirror { .. } => "mirror",
            Self::Raid { level, .. } => level,
            Self::ThinPool { .. } => "thin pool",
            Self::Thin(_) => "thin",
            Self::CachePool { .. } => "cache pool",
            Self::Cache(_) => "cache",
            Self::Writecache { .. } => "writecache",
            Self::Snapshot { .. } => "snapshot",
            Self::Virtual(name) => name,
            Self::Unknown(name) => name,
        }
    }
}

/// Reads one segment.
struct Reader<'a> {
    section: &'a Section<'a>,
    names: &'a Names,
    extents: u64,
}

impl Reader<'_> {
    fn kind(&self, name: &str) -> Result<SegmentKind, String> {
        Ok(match name {
            "striped" | "linear" => self.striped()?,
            "mirror" => self.mirror()?,
            "thin-pool" => SegmentKind::ThinPool {
                metadata: self.logical("metadata")?,
                data: self.logical("pool")?,
                chunk: self.sectors("chunk_size")?,
                transaction: integer(self.section, "transaction_id")?,
                has_messages: self.section.sections().any(|(name, _)| name.starts_with("message")),
            },
            "thin" => SegmentKind::Thin(Thin {
                pool: self.logical("thin_pool")?,
                device: integer(self.section, "device_id")?,
                external_origin: self.logical_if_any("external_origin")?,
                merge: self.logical_if_any("merge")?,
            }),
            "cache-pool" => SegmentKind::CachePool {
                data: self.logical("data")?,
                metadata: self.logical("metadata")?,
                settings: self.cache_settings()?,
            },
            "cache" => SegmentKind::Cache(Cache {
                pool: self.logical("cache_pool")?,
                origin: self.logical("origin")?,
                single: self.single_cache()?,
                settings: self.cache_settings()?,
            }),
            "writecache" => SegmentKind::Writecache {
                cache: self.logical("writecache")?,
                origin: self.logical("origin")?,
                block: integer(self.section, "writecache_block_size")?,
            },
            "snapshot" => self.snapshot()?,
            "error" => SegmentKind::Virtual("error"),
            "zero" => SegmentKind::Virtual("zero"),
            name if name.starts_with("raid") => self.raid(name)?,
            other => SegmentKind::Unknown(other.to_owned()),
        })
    }

    fn striped(&self) -> Result<SegmentKind, String> {
        let parts = self.parts("stripe_count", "stripes")?;
        let chunk = if parts.len() > 1 { self.sectors("stripe_size")? } else { 0 };
        let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        if self.extents.checked_rem(count) != Some(0) {
            return Err(format!("{} extents over {count} stripes", self.extents));
        }
        let part_extents = self.extents.checked_div(count).unwrap_or(0);
        Ok(SegmentKind::Striped { chunk, part_extents, parts })
    }

    fn mirror(&self) -> Result<SegmentKind, String> {
        Ok(SegmentKind::Mirror {
            region: self.sectors_or_0("region_size")?,
            log: self.logical_if_any("mirror_log")?,
            moved: self.section.value("extents_moved").map(|_| self.number("extents_moved")).transpose()?,
            parts: self.parts("mirror_count", "mirrors")?,
        })
    }

    fn raid(&self, level: &str) -> Result<SegmentKind, String> {
        let count = match (self.section.value("device_count"), self.section.value("stripe_count")) {
            (Some(_), None) => self.count("device_count")?,
            (None, Some(_)) => self.count("stripe_count")?,
            _ => return Err("one of device_count and stripe_count is expected".to_owned()),
        };
        let list = if level == "raid0" { "raid0_lvs" } else { "raids" };
        let mut images = Vec::new();
        let mut metadata = None;
        for name in words(self.section, list) {
            let volume = self.named(&name)?;
            // As lvm2 itself tells them apart.
            if metadata.is_none() && name.contains("_rmeta_") {
                metadata = Some(volume);
            } else {
                images.push(RaidImage { metadata: metadata.take(), data: volume });
            }
        }
        if metadata.is_some() || images.len() != count {
            return Err(format!("{} images, and {count} are expected", images.len()));
        }
        let reserve = self.section.value("reshape_count").map_or(Ok(0), |_| self.number("reshape_count"))?;
        Ok(SegmentKind::Raid { level: level.to_owned(), chunk: self.sectors_or_0("stripe_size")?, reserve, images })
    }

    fn snapshot(&self) -> Result<SegmentKind, String> {
        let is_merging = self.section.value("merging_store").is_some();
        let store = self.logical(if is_merging { "merging_store" } else { "cow_store" })?;
        Ok(SegmentKind::Snapshot { origin: self.logical("origin")?, store, is_merging })
    }

    fn single_cache(&self) -> Result<Option<SingleCache>, String> {
        if self.section.value("metadata_start").is_none() {
            return Ok(None);
        }
        if let Some(id) = self.section.text("metadata_id").filter(|id| Id::parse(id.as_bytes()).is_none()) {
            return Err(format!("its metadata_id is \"{id}\""));
        }
        Ok(Some(SingleCache {
            metadata: (self.sectors_or_0("metadata_start")?, self.sectors("metadata_len")?),
            data: (self.sectors_or_0("data_start")?, self.sectors("data_len")?),
        }))
    }

    fn cache_settings(&self) -> Result<CacheSettings, String> {
        let is_being_emptied = matches!(self.section.value("cleaner"), Some(Value::Integer(1..)));
        let mode = match self.section.text("cache_mode") {
            // A cache that is emptied holds what is not in the origin yet.
            _ if is_being_emptied => CacheMode::Writeback,
            // What older versions meant without a word (`CACHE_MODE_WHEN_MISSING`).
            None | Some("writethrough") => CacheMode::Writethrough,
            Some("writeback") => CacheMode::Writeback,
            Some("passthrough") => CacheMode::Passthrough,
            Some(other) => return Err(format!("its cache_mode is {other}, which is not known here")),
        };
        Ok(CacheSettings { chunk: self.sectors_or_0("chunk_size")?, mode, is_being_emptied })
    }

    /// A list of volumes, each with an extent.
    fn parts(&self, count: &str, list: &str) -> Result<Vec<Part>, String> {
        let expected = self.count(count)?;
        let Some(Value::List(values)) = self.section.value(list) else { return Err(format!("it has no {list}")) };
        let mut parts = Vec::new();
        let mut values = values.iter();
        while let Some(name) = values.next() {
            let (Value::Text(name), Some(Value::Integer(extent))) = (name, values.next()) else {
                return Err(format!("its {list} are no names with extents"));
            };
            let extent = u64::try_from(*extent).map_err(|_| format!("its {list} have extent {extent}"))?;
            let physical = self.names.physical.get(name.as_ref()).copied().map(PartOf::Physical);
            let of = physical.map_or_else(|| self.named(name).map(PartOf::Logical), Ok)?;
            parts.push(Part { of, extent });
        }
        if parts.len() != expected {
            return Err(format!("{} {list}, and its {count} is {expected}", parts.len()));
        }
        Ok(parts)
    }

    fn count(&self, name: &str) -> Result<usize, String> {
        let count = self.number(name)?;
        let wrong = || format!("its {name} is {count}, and {PARTS_MAX} are the most");
        usize::try_from(count).ok().filter(|_| (1..=PARTS_MAX).contains(&count)).ok_or_else(wrong)
    }

    fn number(&self, name: &str) -> Result<u64, String> {
        integer(self.section, name)
    }

    /// A size in sectors that is not 0, in bytes.
    fn sectors(&self, name: &str) -> Result<u64, String> {
        let sectors = self.number(name)?;
        let bytes = sectors.checked_mul(SECTOR).filter(|bytes| *bytes > 0);
        bytes.ok_or_else(|| format!("its {name} is {sectors}"))
    }

    /// The same, or 0, also where it is not there.
    fn sectors_or_0(&self, name: &str) -> Result<u64, String> {
        match self.section.value(name) {
            None | Some(Value::Integer(0)) => Ok(0),
            Some(_) => self.sectors(name),
        }
    }

    fn named(&self, name: &str) -> Result<usize, String> {
        let found = self.names.logical.get(name).copied();
        found.ok_or_else(|| format!("it is made of {name}, which is not there"))
    }

    fn logical(&self, key: &str) -> Result<usize, String> {
        self.named(self.section.text(key).ok_or_else(|| format!("it has no {key}"))?)
    }

    fn logical_if_any(&self, key: &str) -> Result<Option<usize>, String> {
        self.section.text(key).map(|name| self.named(name)).transpose()
    }
}
