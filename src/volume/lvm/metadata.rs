//! A volume group as its metadata describes it, checked (`lib/format_text/import_vsn1.c`).

use super::id::Id;
use super::label::SECTOR;
use super::text::{Section, Value};
use std::collections::{HashMap, HashSet};

mod overlap;
mod segment;

pub(super) use segment::{Cache, CacheSettings, Part, PartOf, RaidImage, Segment, SegmentKind};

/// How many physical volumes a group may have.
const PHYSICAL_MAX: usize = 16 << 10;
/// How many logical volumes a group may have, hidden ones included.
const LOGICAL_MAX: usize = 64 << 10;
/// How many segments they may have in all.
const SEGMENTS_MAX: usize = 1 << 20;

/// A volume group.
#[derive(Debug)]
pub(super) struct VolumeGroup {
    pub(super) name: String,
    pub(super) id: Id,
    /// Counts the changes; the highest is the newest.
    pub(super) seqno: u64,
    /// When the text was written, in seconds since 1970 by the clock of who did.
    pub(super) written: Option<u64>,
    /// The size of an extent in bytes.
    pub(super) extent: u64,
    pub(super) physical: Vec<Physical>,
    pub(super) logical: Vec<Logical>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

/// A physical volume.
#[derive(Debug)]
pub(super) struct Physical {
    pub(super) id: Id,
    /// Where it was when the metadata was written.
    pub(super) hint: Option<String>,
    /// Its first extent, in bytes from the start of the device.
    pub(super) start: u64,
    /// How many extents it has.
    pub(super) extents: u64,
    /// Whether the group was changed without it.
    pub(super) is_missing: bool,
}

/// A logical volume.
#[derive(Debug)]
pub(super) struct Logical {
    pub(super) name: String,
    pub(super) id: Option<Id>,
    /// Whether users see it as a device.
    pub(super) is_visible: bool,
    /// Whether it may be written; an image that may not is none of its RAID for a time.
    pub(super) is_writable: bool,
    /// Whether it holds nothing that its RAID could use, as that is to fill it anew.
    pub(super) is_to_be_rebuilt: bool,
    /// Whether its RAID may write it later than others, and reads it last.
    pub(super) is_write_mostly: bool,
    /// How many extents it has, also where nothing can be made of its segments.
    pub(super) extents: u64,
    /// Its segments in their order, without gaps; or why nothing can be made of it.
    pub(super) segments: Result<Vec<Segment>, String>,
}

impl VolumeGroup {
    /// What a text describes.
    ///
    /// # Errors
    /// A message for people when it is no description of a volume group, or a damaged one.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let root = Section::parse(text).map_err(|error| error.to_string())?;
        if root.text("contents") != Some("Text Format Volume Group") {
            return Err("it does not say that it is the text of a volume group".to_owned());
        }
        match integer(&root, "version") {
            Ok(1) => {}
            Ok(version) => return Err(format!("its version is {version}, and 1 is known")),
            Err(what) => return Err(what),
        }
        let (name, section) = root.sections().next().ok_or_else(|| "there is no volume group in it".to_owned())?;
        let group = Self::from_section(name, section).map_err(|what| format!("volume group {name}: {what}"))?;
        Ok(Self { written: integer(&root, "creation_time").ok(), ..group })
    }

    fn from_section(name: &str, section: &Section<'_>) -> Result<Self, String> {
        if let Some(format) = section.text("format").filter(|format| *format != "lvm2") {
            return Err(format!("its format is {format}, and lvm2 is known"));
        }
        let id = identity(section)?;
        let notices = notices(section)?;
        let extent = integer(section, "extent_size")?.checked_mul(SECTOR).filter(|extent| *extent > 0);
        let extent = extent.ok_or_else(|| "extents of no or absurd size".to_owned())?;
        let mut group = Self {
            name: name.to_owned(),
            id,
            seqno: integer(section, "seqno")?,
            written: None,
            extent,
            physical: Vec::new(),
            logical: Vec::new(),
            notices,
        };
        let mut names = Names::default();
        group.read_physical(section, &mut names)?;
        group.read_logical(section, &mut names)?;
        overlap::refuse(&group.physical, &mut group.logical);
        Ok(group)
    }

    fn read_physical(&mut self, section: &Section<'_>, names: &mut Names) -> Result<(), String> {
        let sections = section.section("physical_volumes");
        let sections = sections.ok_or_else(|| "it has no section physical_volumes".to_owned())?;
        let mut identities = HashSet::new();
        for (name, section) in sections.sections() {
            if self.physical.len() >= PHYSICAL_MAX {
                return Err(format!("more than {PHYSICAL_MAX} physical volumes"));
            }
            let volume = Physical::parse(section).map_err(|what| format!("physical volume {name}: {what}"))?;
            if !identities.insert(volume.id.clone()) {
                return Err(format!("physical volume {name}: another one has its UUID"));
            }
            names.physical.insert(name.to_owned(), self.physical.len());
            self.physical.push(volume);
        }
        Ok(())
    }

    /// Volumes are made of others, so their names are collected first.
    fn read_logical(&mut self, section: &Section<'_>, names: &mut Names) -> Result<(), String> {
        // A group without logical volumes has no such section.
        let Some(sections) = section.section("logical_volumes") else { return Ok(()) };
        for (number, (name, _)) in sections.sections().enumerate() {
            if number >= LOGICAL_MAX {
                return Err(format!("more than {LOGICAL_MAX} logical volumes"));
            }
            names.logical.insert(name.to_owned(), number);
        }
        let mut segments_left = SEGMENTS_MAX;
        for (name, section) in sections.sections() {
            let segments = segment::read_all(section, names, segments_left);
            let count = segments.as_ref().map_or(0, Vec::len);
            segments_left = segments_left.saturating_sub(count);
            let words = words(section, "status");
            let has = |name: &str| words.iter().any(|flag| flag == name);
            self.logical.push(Logical {
                name: name.to_owned(),
                id: identity(section).ok(),
                is_visible: has("VISIBLE"),
                is_writable: has("WRITE"),
                is_to_be_rebuilt: has("REBUILD"),
                is_write_mostly: has("WRITEMOSTLY"),
                extents: segment::extents(section),
                segments: flags(section, "status", segment::KNOWN_STATUS).and(segments),
            });
        }
        Ok(())
    }

    /// Bytes of so many extents; `None` when that is absurd.
    pub(super) fn bytes(&self, extents: u64) -> Option<u64> {
        extents.checked_mul(self.extent).filter(|bytes| *bytes <= BYTES_MAX)
    }
}

/// No volume is larger: offsets are signed in the kernel.
const BYTES_MAX: u64 = i64::MAX.unsigned_abs();

/// What the metadata calls its volumes, with their positions.
#[derive(Default)]
pub(super) struct Names {
    pub(super) physical: HashMap<String, usize>,
    pub(super) logical: HashMap<String, usize>,
}

impl Physical {
    fn parse(section: &Section<'_>) -> Result<Self, String> {
        const KNOWN: &[&str] = &["ALLOCATABLE", "EXPORTED", "MISSING"];
        let is_missing =
            |name| -> Result<bool, String> { Ok(flags(section, name, KNOWN)?.iter().any(|flag| flag == "MISSING")) };
        let start = integer(section, "pe_start")?.checked_mul(SECTOR);
        Ok(Self {
            id: identity(section)?,
            hint: section.text("device").map(str::to_owned),
            start: start.ok_or_else(|| "its first extent is at an absurd place".to_owned())?,
            extents: integer(section, "pe_count")?,
            // Older versions wrote it among the status flags.
            is_missing: is_missing("status")? || words(section, "flags").iter().any(|flag| flag == "MISSING"),
        })
    }
}

/// What the flags and owners of a group mean for who reads it.
fn notices(section: &Section<'_>) -> Result<Vec<String>, String> {
    const KNOWN: &[&str] = &["EXPORTED", "RESIZEABLE", "PVMOVE", "READ", "WRITE", "CLUSTERED", "SHARED", "PARTIAL"];
    let mut notices = Vec::new();
    for flag in flags(section, "status", KNOWN)? {
        match flag.as_str() {
            "EXPORTED" => notices.push("it was exported (vgexport), to be taken to another machine".to_owned()),
            "PVMOVE" => notices.push("a pvmove was under way".to_owned()),
            "CLUSTERED" | "SHARED" => notices.push("it was shared by several machines".to_owned()),
            _ => {}
        }
    }
    if let Some(lock) = section.text("lock_type").filter(|lock| !matches!(*lock, "" | "none")) {
        notices.push(format!("several machines shared it, with locks of {lock}"));
    }
    Ok(notices)
}

/// A whole number that is not negative.
pub(super) fn integer(section: &Section<'_>, name: &str) -> Result<u64, String> {
    match section.value(name) {
        Some(Value::Integer(number)) => u64::try_from(*number).map_err(|_| format!("its {name} is {number}")),
        Some(_) => Err(format!("its {name} is no whole number")),
        None => Err(format!("it has no {name}")),
    }
}

/// The words of a list; those of a single one.
fn words(section: &Section<'_>, name: &str) -> Vec<String> {
    let of = |value: &Value<'_>| match value {
        Value::Text(text) => Some(text.clone().into_owned()),
        _ => None,
    };
    match section.value(name) {
        Some(Value::List(values)) => values.iter().filter_map(of).collect(),
        Some(value) => of(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Flags that all have to be understood.
fn flags(section: &Section<'_>, name: &str, known: &[&str]) -> Result<Vec<String>, String> {
    let flags = words(section, name);
    match flags.iter().find(|flag| !known.contains(&flag.as_str())) {
        Some(unknown) => Err(format!("its {name} has {unknown}, which is not known here")),
        None => Ok(flags),
    }
}

fn identity(section: &Section<'_>) -> Result<Id, String> {
    let text = section.text("id").ok_or_else(|| "it has no id".to_owned())?;
    Id::parse(text.as_bytes()).ok_or_else(|| format!("its id is \"{text}\""))
}
