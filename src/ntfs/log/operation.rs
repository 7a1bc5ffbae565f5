//! What a record of NTFS says: an operation to be done again, one to undo it, and where (`struct LOG_REC_HDR` and
//! `enum NTFS_LOG_OPERATION` of Linux `fs/ntfs3/fslog.c`).

use super::lsn::Lsn;
use super::record::{NO_REDO_DATA, NO_UNDO_DATA, Record};
use crate::bytes::{slice, u16_at, u64_at};
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};

/// Bytes before the list of clusters.
const HEADER: usize = 0x20;

/// The operations of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Changes nothing on the volume and nothing in the tables.
    Nothing,
    /// Changes a record of the MFT.
    File(FileOperation),
    /// Changes a block of an index.
    Index(IndexOperation),
    /// `UpdateNonresidentValue`: bytes of an attribute that is not resident.
    UpdateNonresidentValue,
    /// `SetBitsInNonresidentBitMap`, `ClearBitsInNonresidentBitMap`.
    Bits(bool),
    /// `DeleteDirtyClusters`: clusters were freed, and what was to be written to them is not to be any more.
    DeleteDirtyClusters,
    /// `HotFix`: a bad cluster was replaced.
    HotFix,
    /// `EndTopLevelAction`: what came before in this transaction stays, whatever becomes of it.
    EndTopLevelAction,
    PrepareTransaction,
    CommitTransaction,
    ForgetTransaction,
    OpenNonresidentAttribute,
    /// As an undo operation: the record itself undoes something.
    CompensationLogRecord,
}

/// Operations on records of the MFT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileOperation {
    Initialize,
    Deallocate,
    WriteEnd,
    CreateAttribute,
    DeleteAttribute,
    UpdateResidentValue,
    UpdateMappingPairs,
    SetNewAttributeSizes,
    /// On the root of an index.
    Root(IndexOperation),
    ZeroEnd,
}

/// Operations on a node of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexOperation {
    AddEntry,
    DeleteEntry,
    /// Blocks only.
    WriteEnd,
    SetEntryVcn,
    UpdateFileName,
    UpdateRecordData,
}

impl Operation {
    /// The operation with this code.
    ///
    /// # Errors
    /// For codes that Windows 7 to 11 are not known to write, and for 0x23 and 0x24 (`UpdateRelativeDataInIndex` and
    /// `…Allocation`): what they do is documented nowhere that can be checked, see docs/NTFS.md.
    fn of_code(code: u16) -> Result<Self> {
        use FileOperation as File;
        use IndexOperation as Index;
        Ok(match code {
            // Noop, and the tables of a checkpoint, which are found through it.
            0x00 | 0x1D..=0x20 => Self::Nothing,
            0x01 => Self::CompensationLogRecord,
            0x02 => Self::File(File::Initialize),
            0x03 => Self::File(File::Deallocate),
            0x04 => Self::File(File::WriteEnd),
            0x05 => Self::File(File::CreateAttribute),
            0x06 => Self::File(File::DeleteAttribute),
            0x07 => Self::File(File::UpdateResidentValue),
            0x08 => Self::UpdateNonresidentValue,
            0x09 => Self::File(File::UpdateMappingPairs),
            0x0A => Self::DeleteDirtyClusters,
            0x0B => Self::File(File::SetNewAttributeSizes),
            0x0C => Self::File(File::Root(Index::AddEntry)),
            0x0D => Self::File(File::Root(Index::DeleteEntry)),
            0x0E => Self::Index(Index::AddEntry),
            0x0F => Self::Index(Index::DeleteEntry),
            0x10 => Self::Index(Index::WriteEnd),
            0x11 => Self::File(File::Root(Index::SetEntryVcn)),
            0x12 => Self::Index(Index::SetEntryVcn),
            0x13 => Self::File(File::Root(Index::UpdateFileName)),
            0x14 => Self::Index(Index::UpdateFileName),
            0x15 => Self::Bits(true),
            0x16 => Self::Bits(false),
            0x17 => Self::HotFix,
            0x18 => Self::EndTopLevelAction,
            0x19 => Self::PrepareTransaction,
            0x1A => Self::CommitTransaction,
            0x1B => Self::ForgetTransaction,
            0x1C => Self::OpenNonresidentAttribute,
            0x21 => Self::File(File::Root(Index::UpdateRecordData)),
            0x22 => Self::Index(Index::UpdateRecordData),
            0x25 => Self::File(File::ZeroEnd),
            _ => {
                let message = format!("its log holds operation {code:#x}, which this version does not know");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        })
    }

    /// Whether it changes the volume itself.
    pub(super) const fn is_on_volume(self) -> bool {
        matches!(self, Self::File(_) | Self::Index(_) | Self::UpdateNonresidentValue | Self::Bits(_))
    }
}

/// Data of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    Bytes(&'a [u8]),
    /// So many zeros, which the record does not hold.
    Zeros(usize),
}

impl<'a> Data<'a> {
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Zeros(count) => count,
        }
    }

    /// The bytes themselves; `None` when they were left out.
    pub(super) const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Zeros(0) => Some(&[]),
            Self::Zeros(_) => None,
        }
    }

    /// Writes what stands from `skip` on to `place`, which is no longer than that.
    pub(super) fn write(self, skip: usize, place: &mut [u8]) {
        match self {
            Self::Bytes(bytes) => {
                let bytes = bytes.get(skip..).and_then(|rest| rest.get(..place.len()));
                if let Some(bytes) = bytes {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Zeros(_) => place.fill(0),
        }
    }
}

/// A record of NTFS.
pub(super) struct Action<'a> {
    pub(super) lsn: Lsn,
    redo: u16,
    undo: u16,
    pub(super) redo_data: Data<'a>,
    pub(super) undo_data: Data<'a>,
    /// The attribute that is changed: its place in the table of open attributes.
    pub(super) target: u16,
    /// Offset of an attribute in a record of the MFT, or of the bytes that are changed.
    pub(super) record_offset: usize,
    /// Offset of what is changed in an attribute, or in a block of an index.
    pub(super) attribute_offset: usize,
    /// Offset of the record or block in the first cluster, in bytes.
    pub(super) cluster_offset: u64,
    /// The first cluster of the attribute that is changed.
    pub(super) vcn: u64,
    /// Where this cluster and those after it were when the record was written.
    pub(super) lcns: Vec<u64>,
}

impl<'a> Action<'a> {
    pub(super) fn parse(record: &'a Record) -> Result<Self> {
        let (redo_data, undo_data) = (data(record, 4, NO_REDO_DATA), data(record, 8, NO_UNDO_DATA));
        redo_data
            .zip(undo_data)
            .and_then(|(redo_data, undo_data)| Self::parse_fields(record, redo_data, undo_data))
            .ok_or_else(|| corrupt(format!("the log is damaged: record {:#x} does not fit its length", record.lsn.0)))
    }

    fn parse_fields(record: &'a Record, redo_data: Data<'a>, undo_data: Data<'a>) -> Option<Self> {
        let body = record.body.as_slice();
        let lcns_bytes = usize::from(u16_at(body, 0xE)?).checked_mul(8)?;
        let lcns = slice(body, HEADER, lcns_bytes)?;
        Some(Self {
            lsn: record.lsn,
            redo: u16_at(body, 0)?,
            undo: u16_at(body, 2)?,
            redo_data,
            undo_data,
            target: u16_at(body, 0xC)?,
            record_offset: u16_at(body, 0x10)?.into(),
            attribute_offset: u16_at(body, 0x12)?.into(),
            cluster_offset: u64::from(u16_at(body, 0x14)?) << 9,
            vcn: u64_at(body, 0x18)?,
            lcns: lcns.chunks_exact(8).filter_map(|lcn| u64_at(lcn, 0)).collect(),
        })
    }

    pub(super) fn redo(&self) -> Result<Operation> {
        Operation::of_code(self.redo)
    }

    pub(super) fn undo(&self) -> Result<Operation> {
        Operation::of_code(self.undo)
    }
}

/// The data whose offset and length stand at `at`.
///
/// Windows 10 leaves zeros out and says so with a flag. Something else may stand at their offset then, mostly the data
/// of the opposite operation: `ntfs3` and ntfs-3g, which do not know the flag, take that (the history of a volume that
/// Windows 10 filled, replayed by `ntfs3` of Linux 6.12, leaves undo data in the gaps of `$Secure:$SDS`, and pieces of
/// the next record of the log in files). Where there is no flag, data that would not fit their record are not there
/// either, as ntfs-3g found.
fn data(record: &Record, at: usize, left_out: u16) -> Option<Data<'_>> {
    let body = record.body.as_slice();
    let (offset, count) = (usize::from(u16_at(body, at)?), usize::from(u16_at(body, at.checked_add(2)?)?));
    let there = slice(body, offset, count).filter(|_| record.flags & left_out == 0);
    Some(there.map_or(Data::Zeros(count), Data::Bytes))
}
