//! Intents: changes that need several transactions, of which the first says what the others will do. Those that were
//! not done yet when the source stopped are finished by a kernel after the replay, in the order of the log
//! (Linux `fs/xfs/xfs_extfree_item.c`, `xfs_rmap_item.c`, `xfs_refcount_item.c`, `xfs_bmap_item.c`, `xfs_attr_item.c`,
//! `xfs_exchmaps_item.c`).

use super::fields::{Item, Region, cut_short};
use super::replay::kind;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vfs::Result;
use vfs::reader::corrupt;
use vfs::replay::Memory;

/// A change that was begun and has to be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Free extents (EFI), add or remove reverse mappings (RUI), change counts of references (CUI): trees that only say
    /// which space is in use, and by whom. No file reads differently for it.
    Space(Space),
    /// Map or unmap an extent of a file (BUI).
    Map(MapIntent),
    /// Set, replace or remove an extended attribute (ATTRI).
    Attribute(AttributeIntent),
    /// Exchange mappings of two files (XMI).
    Exchange(ExchangeIntent),
}

/// What an intent about space is of, and how many extents it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) kind: SpaceKind,
    pub(crate) is_realtime: bool,
    pub(crate) extents: Vec<SpaceExtent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpaceKind {
    Free,
    ReverseMap,
    References,
}

/// An extent of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpaceExtent {
    pub(crate) start: u64,
    pub(crate) length: u32,
}

/// `struct xfs_map_extent` of a BUI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapIntent {
    /// The inode.
    pub(crate) owner: u64,
    /// Whether the extent becomes a part of the file or stops being one.
    pub(crate) is_map: bool,
    /// Its first block on the volume, in the form of `xfs_fsblock_t` (or of a realtime block).
    pub(crate) start_block: u64,
    /// Its place in the fork, and its length, in blocks.
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) is_attr_fork: bool,
    pub(crate) is_unwritten: bool,
    pub(crate) is_realtime: bool,
}

/// What is done to an attribute. The last three are for parent pointers, whose value is a part of what names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttributeChange {
    Set,
    Remove,
    Replace,
    SetParent,
    RemoveParent,
    ReplaceParent,
}

/// `struct xfs_attri_log_format` with its names and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributeIntent {
    pub(crate) inode: u64,
    /// The generation of the inode, for parent pointers.
    pub(crate) generation: u32,
    pub(crate) change: AttributeChange,
    /// The namespace of the attribute (`XFS_ATTR_ROOT` and the like).
    pub(crate) filter: u32,
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// For [`AttributeChange::ReplaceParent`].
    pub(crate) new_name: Vec<u8>,
    pub(crate) new_value: Vec<u8>,
}

/// `struct xfs_xmi_log_format`. What belongs to the first file and to the second comes in pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExchangeIntent {
    pub(crate) inodes: [u64; 2],
    pub(crate) generations: [u32; 2],
    /// The range in each file, in blocks.
    pub(crate) offsets: [u64; 2],
    pub(crate) blocks: u64,
    /// `XFS_EXCHMAPS_*`.
    pub(crate) flags: u64,
    /// The sizes of the files when it is done, in bytes.
    pub(crate) sizes: [u64; 2],
}

impl ExchangeIntent {
    /// Whether attribute forks are exchanged, not data.
    pub(crate) fn is_attr_fork(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the files get new sizes.
    pub(crate) fn sets_sizes(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Whether only what is written in the first file is exchanged.
    pub(crate) fn only_written(&self) -> bool {
        self.flags & 4 != 0
    }
}

/// The intents that were not done so far, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Intents {
    waiting: BTreeMap<u64, Waiting>,
    /// Where those with a type and an identifier are.
    places: HashMap<(u16, u64), BTreeSet<u64>>,
    count: u64,
}

/// Items that say that an intent is done.
const DONE: [u16; 9] =
    [kind::EFD, kind::RUD, kind::CUD, kind::BUD, kind::ATTRD, kind::XMD, kind::EFD_RT, kind::RUD_RT, kind::CUD_RT];

struct Waiting {
    intent: Intent,
    memory: usize,
}

impl Intents {
    /// Takes an item that is an intent or says that one is done; an error when it is something else.
    pub(crate) fn take(&mut self, item: &Item<'_>, memory: &mut Memory) -> Result<()> {
        let item_kind = item.kind()?;
        // What says that an intent is done has the number behind that of the intent.
        let is_done = DONE.contains(&item_kind);
        let id = item.format(16)?.u64(8)?;
        if is_done {
            self.done(item_kind.wrapping_sub(1), id, memory);
            return Ok(());
        }
        let intent = parse(item, item_kind)?;
        let bytes = item.regions.iter().map(|region| region.len()).fold(256, usize::saturating_add);
        memory.take(bytes)?;
        self.count = self.count.saturating_add(1);
        let place = self.count;
        self.waiting.insert(place, Waiting { intent, memory: bytes });
        self.places.entry((item_kind, id)).or_default().insert(place);
        Ok(())
    }

    fn done(&mut self, kind: u16, id: u64, memory: &mut Memory) {
        // One that began before the log does is not there.
        let Some(places) = self.places.get_mut(&(kind, id)) else { return };
        if let Some(waiting) = places.pop_first().and_then(|place| self.waiting.remove(&place)) {
            memory.give_back(waiting.memory);
        }
        if places.is_empty() {
            self.places.remove(&(kind, id));
        }
    }

    /// What is left, in the order in which it has to be finished.
    pub(crate) fn unfinished(self) -> Vec<Intent> {
        self.waiting.into_values().map(|waiting| waiting.intent).collect()
    }
}

fn parse(item: &Item<'_>, item_kind: u16) -> Result<Intent> {
    let region = item.region(0)?;
    let is_realtime = item_kind >= kind::EFI_RT;
    match item_kind {
        kind::EFI | kind::EFI_RT => space(region, SpaceKind::Free, is_realtime),
        kind::RUI | kind::RUI_RT => space(region, SpaceKind::ReverseMap, is_realtime),
        kind::CUI | kind::CUI_RT => space(region, SpaceKind::References, is_realtime),
        kind::BUI => map(region).map(Intent::Map),
        kind::ATTRI => attribute(item).map(Intent::Attribute),
        kind::XMI => exchange(region).map(Intent::Exchange),
        other => Err(corrupt(format!("the log is damaged: a log item of type {other:#06x} where none can be"))),
    }
}

fn bad(what: &str) -> vfs::Error {
    corrupt(format!("the log is damaged: an intent {what}"))
}

/// `struct xfs_efi_log_format` (of 64 bits or 32), `xfs_rui_log_format`, `xfs_cui_log_format`.
fn space(region: Region<'_>, kind: SpaceKind, is_realtime: bool) -> Result<Intent> {
    const HEADER: usize = 16;
    let count = usize::try_from(region.u32(4)?).unwrap_or(usize::MAX);
    let room = region.len().saturating_sub(HEADER);
    let fits = |bytes: usize| count.checked_mul(bytes) == Some(room);
    let (bytes, start_at, length_at) = match kind {
        SpaceKind::ReverseMap if fits(32) => (32, 8, 24),
        SpaceKind::Free | SpaceKind::References if fits(16) => (16, 0, 8),
        SpaceKind::Free if fits(12) => (12, 0, 8),
        _ => return Err(bad(&format!("of {count} extents in {room} bytes"))),
    };
    let extent = |number: usize| {
        let at = HEADER.saturating_add(number.saturating_mul(bytes));
        let (start, length) = (region.u64(at.saturating_add(start_at))?, region.u32(at.saturating_add(length_at))?);
        Ok(SpaceExtent { start, length })
    };
    let extents = (0..count).map(extent).collect::<Result<_>>()?;
    Ok(Intent::Space(Space { kind, is_realtime, extents }))
}

/// `struct xfs_bui_log_format`, which has one extent.
fn map(region: Region<'_>) -> Result<MapIntent> {
    const LENGTH: usize = 48;
    const ATTR_FORK: u32 = 1 << 31;
    const UNWRITTEN: u32 = 1 << 30;
    const REALTIME: u32 = 1 << 29;
    if region.u32(4)? != 1 || region.len() != LENGTH {
        return Err(bad("that maps other than one extent"));
    }
    let flags = region.u32(44)?;
    let is_map = match flags & !(ATTR_FORK | UNWRITTEN | REALTIME) {
        1 => true,
        2 => false,
        _ => return Err(bad(&format!("that maps an extent with the flags {flags:#x}"))),
    };
    Ok(MapIntent {
        owner: region.u64(16)?,
        is_map,
        start_block: region.u64(24)?,
        offset: region.u64(32)?,
        length: region.u32(40)?,
        is_attr_fork: flags & ATTR_FORK != 0,
        is_unwritten: flags & UNWRITTEN != 0,
        is_realtime: flags & REALTIME != 0,
    })
}

/// `struct xfs_attri_log_format` and the regions behind it (Linux `xlog_recover_attri_commit_pass2`).
fn attribute(item: &Item<'_>) -> Result<AttributeIntent> {
    const NAME_MAX: usize = 255;
    const VALUE_MAX: usize = 64 << 10;
    let format = item.format(40)?;
    let flags = format.u32(24)?;
    let change = match flags {
        1 => AttributeChange::Set,
        2 => AttributeChange::Remove,
        3 => AttributeChange::Replace,
        4 => AttributeChange::SetParent,
        5 => AttributeChange::RemoveParent,
        6 => AttributeChange::ReplaceParent,
        _ => return Err(bad(&format!("about an attribute with the flags {flags:#x}"))),
    };
    let is_replace = change == AttributeChange::ReplaceParent;
    let (name_length, new_name_length) = if is_replace {
        (format.u16(28)?.into(), usize::from(format.u16(30)?))
    } else {
        (usize::try_from(format.u32(28)?).unwrap_or(usize::MAX), 0)
    };
    let value_length = usize::try_from(format.u32(32)?).unwrap_or(usize::MAX);
    if name_length == 0 || name_length > NAME_MAX || new_name_length > NAME_MAX || value_length > VALUE_MAX {
        return Err(bad(&format!("about an attribute with a name of {name_length} bytes, a value of {value_length}")));
    }
    let mut regions = item.regions.iter().skip(1);
    // Regions are padded to whole words.
    let mut bytes = |length: usize| {
        if length == 0 {
            return Ok(Vec::new());
        }
        regions.next().ok_or_else(cut_short)?.slice(0, length).map(<[u8]>::to_vec)
    };
    Ok(AttributeIntent {
        inode: format.u64(16)?,
        generation: format.u32(4)?,
        change,
        filter: format.u32(36)?,
        name: bytes(name_length)?,
        new_name: bytes(new_name_length)?,
        value: bytes(value_length)?,
        new_value: bytes(if is_replace { value_length } else { 0 })?,
    })
}

/// `struct xfs_xmi_log_format`.
fn exchange(region: Region<'_>) -> Result<ExchangeIntent> {
    const LENGTH: usize = 88;
    if region.len() != LENGTH {
        return Err(bad(&format!("about an exchange, of {} bytes", region.len())));
    }
    Ok(ExchangeIntent {
        inodes: [region.u64(16)?, region.u64(24)?],
        generations: [region.u32(32)?, region.u32(36)?],
        offsets: [region.u64(40)?, region.u64(48)?],
        blocks: region.u64(56)?,
        flags: region.u64(64)?,
        sizes: [region.u64(72)?, region.u64(80)?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fields::Order;

    /// An intent to free an extent at `start`, or that it is done.
    fn take(intents: &mut Intents, item_kind: u16, id: u64, start: u64) {
        let head = [item_kind.to_le_bytes(), 1_u16.to_le_bytes()].concat();
        let bytes =
            [&head[..], &1_u32.to_le_bytes(), &id.to_le_bytes(), &start.to_le_bytes(), &[1, 0, 0, 0, 0, 0, 0, 0]];
        let bytes = bytes.concat();
        let item = Item { regions: vec![Region { bytes: &bytes, order: Order::Little }] };
        intents.take(&item, &mut Memory::new(1 << 30)).unwrap();
    }

    fn starts(intents: Intents) -> Vec<u64> {
        let start = |intent| if let Intent::Space(space) = intent { space.extents[0].start } else { 0 };
        intents.unfinished().into_iter().map(start).collect()
    }

    #[test]
    fn of_intents_with_one_number_the_first_is_done_first() {
        let mut intents = Intents::default();
        for (id, start) in [(7, 1), (7, 2), (8, 3), (7, 4)] {
            take(&mut intents, kind::EFI, id, start);
        }
        take(&mut intents, kind::EFD, 7, 0);
        take(&mut intents, kind::EFD, 9, 0);
        assert_eq!(starts(intents), [2, 3, 4]);
    }

    #[test]
    fn as_many_intents_with_one_number_as_fit_a_log_are_done_one_by_one() {
        const COUNT: u64 = 300_000;
        let mut intents = Intents::default();
        (0..COUNT).for_each(|start| take(&mut intents, kind::EFI, 7, start));
        (1..COUNT).for_each(|_| take(&mut intents, kind::EFD, 7, 0));
        assert_eq!(starts(intents), [COUNT - 1]);
    }
}
