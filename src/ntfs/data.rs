//! The value of an attribute: in its record, or in clusters, some of them holes, compressed, or never written.

use crate::attribute_list::Location;
use crate::bytes::length;
use crate::compression::lznt1;
use crate::record::{Body, COMPRESSION_MASK, ENCRYPTED, Kind, NonResident, Record};
use crate::store::{Inode, Store, UNPACKED_BYTES, Unpacked};
use std::ops::Range;
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result, Segment, SegmentKind};

/// `ATTRIB.flags`: LZNT1.
const LZNT1: u16 = 1;
/// What a unit of compression has at most, in bytes; Windows makes units of 64 KiB.
const UNIT_BYTES_MAX: u64 = 1 << 20;
/// Pieces that one hint names at most.
const HINTS_MAX: usize = 1024;

/// The value of an attribute of a file.
pub(crate) struct Value {
    inode: Inode,
    kind: Kind,
    flags: u16,
    place: Place,
}

enum Place {
    Resident(Arc<Record>, Range<usize>),
    Clusters { parts: Vec<Location>, sizes: NonResident },
}

/// How an attribute is compressed: the bytes of a unit.
#[derive(Clone, Copy)]
struct Unit {
    clusters: u64,
    bytes: u64,
}

impl Value {
    /// The attribute of this kind and name; `None` when the file has none.
    pub(crate) fn find(store: &Store, inode: &Inode, kind: Kind, name: &[u16]) -> Result<Option<Self>> {
        Self::at(store, inode, inode.parts(kind, name))
    }

    /// The attribute with these parts.
    pub(crate) fn at(store: &Store, inode: &Inode, parts: Vec<Location>) -> Result<Option<Self>> {
        let Some(first) = parts.first() else { return Ok(None) };
        let record = store.part_record(inode, first)?;
        let attribute = store.part(inode, first, &record)?;
        let (kind, flags) = (first.kind, attribute.flags);
        let place = match &attribute.body {
            Body::Resident(range) => Place::Resident(Arc::clone(&record), range.clone()),
            Body::NonResident(body) if body.lowest == 0 => Place::Clusters { sizes: body.clone(), parts },
            Body::NonResident(_) => {
                let kind = first.kind.name();
                return Err(corrupt(format!("{}: the first part of its {kind} is missing", inode.name())));
            }
        };
        Ok(Some(Self { inode: inode.clone(), kind, flags, place }))
    }

    /// Bytes of the value.
    pub(crate) fn size(&self) -> u64 {
        match &self.place {
            Place::Resident(_, range) => u64::try_from(range.len()).unwrap_or(u64::MAX),
            Place::Clusters { sizes, .. } => sizes.size,
        }
    }

    /// Bytes that are allocated for it, as ntfs-3g counts them: in its record, rounded up to 8.
    pub(crate) fn allocated(&self) -> u64 {
        match &self.place {
            Place::Resident(..) => self.size().checked_next_multiple_of(8).unwrap_or(u64::MAX),
            Place::Clusters { sizes, .. } => sizes.compressed.unwrap_or(sizes.allocated),
        }
    }

    /// Where it begins, among all attributes of the volume; `None` where it is in its record.
    pub(crate) fn first_part(&self) -> Option<Location> {
        match &self.place {
            Place::Resident(..) => None,
            Place::Clusters { parts, .. } => parts.first().cloned(),
        }
    }

    /// Whether EFS encrypts it. On the index of a directory the flag means the files that will be made in it.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.flags & ENCRYPTED != 0 && self.kind == Kind::DATA
    }

    /// What a message calls it.
    fn name(&self) -> String {
        self.inode.name()
    }

    /// Refuses what cannot be read as plain data, and says how it is compressed.
    fn check(&self, store: &Store) -> Result<Option<Unit>> {
        if self.is_encrypted() {
            let message = format!("{}: its contents are encrypted (EFS), and the key is not there", self.name());
            return Err(Error::new(ErrorKind::KeyMissing, message));
        }
        let Place::Clusters { sizes, .. } = &self.place else { return Ok(None) };
        if sizes.initialized > sizes.size || sizes.size > sizes.allocated {
            return Err(corrupt(format!(
                "{}: an attribute of it has {} bytes, of which {} were written, in clusters of {} bytes: this cannot be",
                self.name(),
                sizes.size,
                sizes.initialized,
                sizes.allocated
            )));
        }
        match self.flags & COMPRESSION_MASK {
            0 => Ok(None),
            // An index says so of the files that will be made in its directory.
            _ if self.kind != Kind::DATA && sizes.compression_unit == 0 => Ok(None),
            LZNT1 => {
                let shift = u32::from(sizes.compression_unit);
                let damaged = || corrupt(format!("{}: it has units of compression of 2^{shift} clusters", self.name()));
                let clusters = 1_u64.checked_shl(shift).filter(|_| shift > 0).ok_or_else(damaged)?;
                let bytes = clusters.checked_mul(store.device.geometry.cluster_bytes());
                let bytes = bytes.filter(|bytes| *bytes <= UNIT_BYTES_MAX).ok_or_else(damaged)?;
                Ok(Some(Unit { clusters, bytes }))
            }
            method => {
                let message = format!("{}: it is compressed by a method that is not known ({method})", self.name());
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// Reads from `offset` on and says how many bytes it put into `buf`: fewer only at the end of the value.
    pub(crate) fn read(&self, store: &Store, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let unit = self.check(store)?;
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(buf.len());
        let Some(buf) = buf.get_mut(..count) else { return Ok(0) };
        match &self.place {
            Place::Resident(record, range) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let value = start.checked_add(count).and_then(|end| record.bytes(range).get(start..end));
                buf.copy_from_slice(value.unwrap_or(&[]));
            }
            Place::Clusters { parts, sizes } => {
                // What was never written is on no disk, whatever its clusters hold.
                let written = usize::try_from(sizes.initialized.saturating_sub(offset)).unwrap_or(usize::MAX);
                let (written, never) = buf.split_at_mut_checked(written.min(count)).unwrap_or_default();
                never.fill(0);
                match unit {
                    Some(unit) => {
                        read_unpacked(unit.bytes, offset, written, &|number| self.unpacked(store, unit, number))?;
                    }
                    None => store.device.read_runs(&|vcn| store.run(&self.inode, parts, vcn), offset, written)?,
                }
            }
        }
        Ok(count)
    }

    /// The whole value, of an attribute that is never long; `most` bytes at most.
    pub(crate) fn read_all(&self, store: &Store, most: u64) -> Result<Vec<u8>> {
        let length = usize::try_from(self.size()).ok().filter(|_| self.size() <= most).ok_or_else(|| {
            corrupt(format!("{}: an attribute of it has {} bytes, where {most} are the most", self.name(), self.size()))
        })?;
        let mut value = vec![0; length];
        self.read(store, 0, &mut value)?;
        Ok(value)
    }

    /// Unit `number`, unpacked.
    fn unpacked(&self, store: &Store, unit: Unit, number: u64) -> Result<Arc<Vec<u8>>> {
        let Place::Clusters { parts, .. } = &self.place else { return Ok(Arc::default()) };
        let Some(first) = parts.first() else { return Ok(Arc::default()) };
        let unpack = || {
            let mut plain = vec![0; usize::try_from(unit.bytes).unwrap_or(0)];
            let packed = usize::try_from(self.allocated_in(store, unit, number)?).unwrap_or(usize::MAX);
            let start = number.saturating_mul(unit.bytes);
            let run = |vcn| store.run(&self.inode, parts, vcn);
            if packed >= plain.len() {
                store.device.read_runs(&run, start, &mut plain)?;
            } else if packed > 0 {
                let mut compressed = vec![0; packed];
                store.device.read_runs(&run, start, &mut compressed)?;
                lznt1::decompress(&compressed, &mut plain).map_err(|error| {
                    let message = format!("{}: from byte {start} on: {error}", self.name());
                    Error { message, ..error }
                })?;
            }
            Ok(plain)
        };
        // Those of units larger than Windows makes would take too much memory.
        if unit.bytes > UNPACKED_BYTES {
            return unpack().map(Arc::new);
        }
        store.unpacked.get_or_read(Unpacked::Unit(first.clone(), number), unpack)
    }

    /// How many bytes of a unit are in clusters: all of them where it is not compressed, none where it is a hole.
    fn allocated_in(&self, store: &Store, unit: Unit, number: u64) -> Result<u64> {
        let Place::Clusters { parts, sizes } = &self.place else { return Ok(0) };
        let first = number.saturating_mul(unit.clusters);
        let mapped = sizes.allocated >> store.device.geometry.cluster_shift;
        let end = first.saturating_add(unit.clusters).min(mapped);
        let (mut vcn, mut allocated, mut is_hole) = (first, 0_u64, false);
        while vcn < end {
            let run = store.run(&self.inode, parts, vcn)?;
            let run_end = run.end().min(end);
            if run.lcn.is_none() {
                is_hole = true;
            } else if is_hole {
                return Err(corrupt(format!("{}: clusters follow a hole in a unit of compression", self.name())));
            } else {
                allocated = allocated.saturating_add(run_end.saturating_sub(vcn));
            }
            vcn = run_end;
        }
        Ok(allocated << store.device.geometry.cluster_shift)
    }

    /// The run of stored bytes, or of zeros, around `offset`.
    pub(crate) fn segment(&self, store: &Store, offset: u64) -> Result<Segment> {
        let size = self.size();
        if offset >= size {
            return Err(Error::new(ErrorKind::NotFound, "this is behind the end of the file"));
        }
        let unit = self.check(store)?;
        let Place::Clusters { parts, sizes } = &self.place else {
            return Ok(Segment { kind: SegmentKind::Data, range: 0..size });
        };
        if offset >= sizes.initialized {
            return Ok(Segment { kind: SegmentKind::Hole, range: sizes.initialized..size });
        }
        let written = sizes.initialized.min(size);
        if let Some(unit) = unit {
            let number = offset.checked_div(unit.bytes).unwrap_or(0);
            let start = number.saturating_mul(unit.bytes);
            let is_hole = self.allocated_in(store, unit, number)? == 0;
            let kind = if is_hole { SegmentKind::Hole } else { SegmentKind::Data };
            return Ok(Segment { kind, range: start..start.saturating_add(unit.bytes).min(written) });
        }
        let run = store.run(&self.inode, parts, store.device.vcn(offset))?;
        let shift = store.device.geometry.cluster_shift;
        let kind = if run.lcn.is_some() { SegmentKind::Data } else { SegmentKind::Hole };
        Ok(Segment {
            kind,
            range: run.vcn << shift..run.end().saturating_mul(store.device.geometry.cluster_bytes()).min(written),
        })
    }

    /// Hints that these bytes will be read soon.
    pub(crate) fn will_read(&self, store: &Store, range: &Range<u64>) {
        let Place::Clusters { parts, sizes } = &self.place else { return };
        let Ok(unit) = self.check(store) else { return };
        let unit_bytes = unit.map_or(1, |unit| unit.bytes);
        let start = range.start.checked_div(unit_bytes).unwrap_or(0).saturating_mul(unit_bytes);
        let end = range.end.min(sizes.initialized).min(sizes.size);
        let end = end.checked_next_multiple_of(unit_bytes).unwrap_or(end);
        let (mut offset, mut wanted) = (start, Vec::new());
        while offset < end && wanted.len() < HINTS_MAX {
            let Ok(run) = store.run(&self.inode, parts, store.device.vcn(offset)) else { break };
            let piece = store.device.piece(run, offset);
            let bytes = piece.bytes.min(end.saturating_sub(offset));
            wanted.extend(piece.address.map(|address| address..address.saturating_add(bytes)));
            offset = offset.saturating_add(bytes.max(1));
        }
        store.device.will_need(&wanted);
    }
}

/// Fills `buf` from byte `offset` on with what is unpacked in units of `unit_bytes`; `unpacked` gives unit after unit, which
/// all have as many bytes but for the last.
pub(crate) fn read_unpacked(
    unit_bytes: u64,
    mut offset: u64,
    mut buf: &mut [u8],
    unpacked: &dyn Fn(u64) -> Result<Arc<Vec<u8>>>,
) -> Result<()> {
    while !buf.is_empty() {
        let unit = unpacked(offset.checked_div(unit_bytes).unwrap_or(0))?;
        let skipped = usize::try_from(offset.checked_rem(unit_bytes).unwrap_or(0)).unwrap_or(usize::MAX);
        let there = unit.get(skipped..).unwrap_or(&[]);
        let (now, rest) = buf.split_at_mut_checked(there.len().min(buf.len())).unwrap_or_default();
        now.copy_from_slice(there.get(..now.len()).unwrap_or(&[]));
        offset = offset.saturating_add(length(now));
        buf = rest;
    }
    Ok(())
}
