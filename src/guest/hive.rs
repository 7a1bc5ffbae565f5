//! Hives of the Windows registry: the keys and values that are wanted, read where they lie, as a hive can be long and
//! be far away (Joachim Metz, "Windows NT Registry File (REGF) format specification"; Maxim Suhanov, "Windows registry file
//! format specification").
//!
//! A hive that was in use when the snapshot was taken has changes in its logs (`SYSTEM.LOG1`, `SYSTEM.LOG2`). They are not
//! looked at: what is read here changes when disks are added, and Windows writes it back within the hour. Cells are
//! checked to hold what leads to them, so a hive that was caught while it was written gives an older state or an error.

use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Reads bytes of a hive from an offset on, and says how many it put into the buffer: fewer only at the hive's end.
pub type ReadHive<'a> = dyn Fn(u64, &mut [u8]) -> Result<usize> + 'a;

/// The start of a hive; the rest of its 4096 bytes is for recovery.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawBaseBlock {
    signature: [u8; 4],
    primary_sequence_number: U32,
    secondary_sequence_number: U32,
    last_written: U64,
    major_version: U32,
    minor_version: U32,
    file_type: U32,
    file_format: U32,
    root_cell_offset: U32,
    hive_bins_data_size: U32,
    clustering_factor: U32,
    file_name: [u8; 64],
    for_recovery: [u8; 396],
    checksum: U32,
}

/// A key; its name follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawKeyNode {
    signature: [u8; 2],
    flags: U16,
    last_written: U64,
    access_bits: U32,
    parent: U32,
    number_of_subkeys: U32,
    number_of_volatile_subkeys: U32,
    subkeys_list_offset: U32,
    volatile_subkeys_list_offset: U32,
    number_of_values: U32,
    values_list_offset: U32,
    security_offset: U32,
    class_name_offset: U32,
    largest: [U32; 4],
    work_var: U32,
    name_length: U16,
    class_name_length: U16,
}

/// A value; its name follows.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawKeyValue {
    signature: [u8; 2],
    name_length: U16,
    data_size: U32,
    data_offset: U32,
    data_type: U32,
    flags: U16,
    spare: U16,
}

/// Where offsets of cells count from: after the base block.
const BINS_OFFSET: u64 = 4096;
/// A name has one byte a character (in Latin-1), not two.
const KEY_COMP_NAME: u16 = 0x20;
const VALUE_COMP_NAME: u16 = 1;
/// The size of a value's data whose highest bit is set: up to four bytes, in `data_offset` itself.
const IN_PLACE: u32 = 0x8000_0000;
/// Keys below one, and values in one, that are looked through.
const ENTRIES_MAX: u32 = 4096;
const NAME_BYTES_MAX: u64 = 512;

/// An open hive.
pub(crate) struct Hive<'a> {
    read: &'a ReadHive<'a>,
    root: u32,
    bins_bytes: u32,
}

/// A key of a hive.
pub(crate) struct Key {
    name: String,
    subkeys: u32,
    subkeys_list: u32,
    values: u32,
    values_list: u32,
}

/// A value of a key.
pub(crate) struct Value {
    pub(crate) name: String,
    data_bytes: u32,
    data_offset: u32,
}

impl<'a> Hive<'a> {
    /// Checks the start of a hive.
    ///
    /// # Errors
    /// [`vfs::ErrorKind::Corrupt`] when it is none, or what kept it from being read.
    pub(crate) fn open(read: &'a ReadHive<'a>) -> Result<Self> {
        let mut block = [0; size_of::<RawBaseBlock>()];
        let found = read(0, &mut block)?;
        let raw = RawBaseBlock::ref_from_bytes(&block).ok().filter(|_| found == block.len());
        let raw = raw.filter(|raw| raw.signature == *b"regf").ok_or_else(|| damaged("it does not begin as one"))?;
        let expected = checksum(&block);
        if raw.checksum.get() != expected {
            let found = raw.checksum.get();
            return Err(damaged(&format!("the checksum of its first block is {found:#010x}, not {expected:#010x}")));
        }
        if (raw.major_version.get(), raw.file_type.get(), raw.file_format.get()) != (1, 0, 1) {
            return Err(damaged("it is of a version that is not known"));
        }
        Ok(Self { read, root: raw.root_cell_offset.get(), bins_bytes: raw.hive_bins_data_size.get() })
    }

    pub(crate) fn root(&self) -> Result<Key> {
        self.key(self.root)
    }

    /// The key of this name below `key`; letters of ASCII are the same in both cases.
    pub(crate) fn subkey(&self, key: &Key, name: &str) -> Result<Option<Key>> {
        for offset in self.subkeys(key)? {
            let found = self.key(offset)?;
            if found.name.eq_ignore_ascii_case(name) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The values of a key.
    pub(crate) fn values(&self, key: &Key) -> Result<Vec<Value>> {
        if key.values == 0 {
            return Ok(Vec::new());
        }
        let list = self.cell(key.values_list, bounded(key.values)?.saturating_mul(4))?;
        let found = offsets(&list, key.values, 4).ok_or_else(|| damaged("a list of values is cut short"))?;
        found.into_iter().map(|offset| self.value(offset)).collect()
    }

    /// The data of a value, if it has this many bytes, more than four.
    pub(crate) fn data<const N: usize>(&self, value: &Value) -> Result<Option<[u8; N]>> {
        if value.data_bytes & IN_PLACE != 0 || usize::try_from(value.data_bytes).ok() != Some(N) {
            return Ok(None);
        }
        let cell = self.cell(value.data_offset, value.data_bytes.into())?;
        let data = cell.first_chunk().copied();
        data.map(Some).ok_or_else(|| damaged(&format!("the data of value '{}' is cut short", value.name)))
    }

    /// Offsets of the keys below one.
    fn subkeys(&self, key: &Key) -> Result<Vec<u32>> {
        if key.subkeys == 0 {
            return Ok(Vec::new());
        }
        let _ = bounded(key.subkeys)?;
        let (signature, list) = self.list(key.subkeys_list)?;
        if &signature != b"ri" {
            return self.leaf(signature, &list);
        }
        let mut all = Vec::new();
        for offset in elements(&list, 4)? {
            let (signature, list) = self.list(offset)?;
            all.extend(self.leaf(signature, &list)?);
            // Lists of a damaged hive may name each other again and again.
            let _ = bounded(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
        }
        Ok(all)
    }

    fn list(&self, offset: u32) -> Result<([u8; 2], Vec<u8>)> {
        const HEADER_BYTES: u64 = 4;
        const ELEMENT_BYTES_MAX: u64 = 8;
        let cell =
            self.cell(offset, u64::from(ENTRIES_MAX).saturating_mul(ELEMENT_BYTES_MAX).saturating_add(HEADER_BYTES))?;
        let signature = cell.first_chunk().copied().ok_or_else(|| damaged("a list of keys is cut short"))?;
        Ok((signature, cell))
    }

    fn leaf(&self, signature: [u8; 2], list: &[u8]) -> Result<Vec<u32>> {
        match &signature {
            b"lf" | b"lh" => elements(list, 8),
            b"li" => elements(list, 4),
            _ => Err(damaged("what leads to keys is no list of them")),
        }
    }

    fn key(&self, offset: u32) -> Result<Key> {
        let cell = self.cell(offset, NAME_BYTES_MAX.saturating_add(bytes_of::<RawKeyNode>()))?;
        let found = RawKeyNode::ref_from_prefix(&cell).ok().filter(|(raw, _)| raw.signature == *b"nk");
        let (raw, rest) = found.ok_or_else(|| damaged(&format!("there is no key at {offset:#x}")))?;
        let name = name(rest, raw.name_length.get(), raw.flags.get() & KEY_COMP_NAME != 0);
        Ok(Key {
            name: name.ok_or_else(|| damaged("the name of a key is cut short"))?,
            subkeys: raw.number_of_subkeys.get(),
            subkeys_list: raw.subkeys_list_offset.get(),
            values: raw.number_of_values.get(),
            values_list: raw.values_list_offset.get(),
        })
    }

    fn value(&self, offset: u32) -> Result<Value> {
        let cell = self.cell(offset, NAME_BYTES_MAX.saturating_add(bytes_of::<RawKeyValue>()))?;
        let found = RawKeyValue::ref_from_prefix(&cell).ok().filter(|(raw, _)| raw.signature == *b"vk");
        let (raw, rest) = found.ok_or_else(|| damaged(&format!("there is no value at {offset:#x}")))?;
        // A name that is longer than any that is wanted is cut, and so is none of them.
        let name = name(rest, raw.name_length.get(), raw.flags.get() & VALUE_COMP_NAME != 0);
        Ok(Value {
            name: name.unwrap_or_default(),
            data_bytes: raw.data_size.get(),
            data_offset: raw.data_offset.get(),
        })
    }

    /// What is in the cell at `offset`, but no more than `bytes_max`.
    fn cell(&self, offset: u32, bytes_max: u64) -> Result<Vec<u8>> {
        let at = BINS_OFFSET.saturating_add(offset.into());
        let outside = || damaged(&format!("there is no cell at {offset:#x}"));
        let mut size = [0; 4];
        if (self.read)(at, &mut size)? < size.len() {
            return Err(outside());
        }
        // Cells that are in use have their size, these four bytes included, as a negative number.
        let size = i32::from_le_bytes(size);
        let whole = if size < 0 { size.unsigned_abs() } else { 0 };
        let length = whole.checked_sub(4).ok_or_else(outside)?;
        if offset.checked_add(whole).is_none_or(|end| end > self.bins_bytes) {
            return Err(outside());
        }
        let length = usize::try_from(u64::from(length).min(bytes_max)).map_err(|_| outside())?;
        let mut data = vec![0; length];
        let found = (self.read)(at.saturating_add(4), &mut data)?;
        if found < length { Err(outside()) } else { Ok(data) }
    }
}

fn damaged(what: &str) -> vfs::Error {
    corrupt(format!("a hive of the Windows registry: {what}"))
}

fn bytes_of<T>() -> u64 {
    u64::try_from(size_of::<T>()).unwrap_or(u64::MAX)
}

fn bounded(number: u32) -> Result<u64> {
    if number > ENTRIES_MAX { Err(damaged("it has more entries in one key than are read")) } else { Ok(number.into()) }
}

/// The sum of the base block's first 127 numbers, by exclusive or; neither 0 nor all ones is used.
fn checksum(block: &[u8; size_of::<RawBaseBlock>()]) -> u32 {
    let (words, _) = block.as_chunks::<4>();
    let sum = words.iter().take(127).fold(0, |sum, word| sum ^ u32::from_le_bytes(*word));
    match sum {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    }
}

/// The offsets in a list of keys.
fn elements(list: &[u8], element_bytes: usize) -> Result<Vec<u32>> {
    let cut_short = || damaged("a list of keys is cut short");
    let count = list.get(2..4).and_then(|count| count.try_into().ok()).map(u16::from_le_bytes).ok_or_else(cut_short)?;
    list.get(4..).and_then(|list| offsets(list, count.into(), element_bytes)).ok_or_else(cut_short)
}

/// The offsets that so many elements begin with.
fn offsets(list: &[u8], count: u32, element_bytes: usize) -> Option<Vec<u32>> {
    let count = usize::try_from(count).ok()?;
    let elements = list.chunks_exact(element_bytes).take(count);
    let offsets: Vec<_> =
        elements.filter_map(|element| element.first_chunk().map(|at| u32::from_le_bytes(*at))).collect();
    (offsets.len() == count).then_some(offsets)
}

/// A name, in the first `length` bytes.
fn name(bytes: &[u8], length: u16, is_latin_1: bool) -> Option<String> {
    let bytes = bytes.get(..length.into())?;
    if is_latin_1 {
        return Some(bytes.iter().copied().map(char::from).collect());
    }
    let (units, _) = bytes.as_chunks::<2>();
    Some(String::from_utf16_lossy(&units.iter().map(|unit| u16::from_le_bytes(*unit)).collect::<Vec<_>>()))
}
