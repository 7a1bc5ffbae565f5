//! What lies under files and directories: records, the attributes that belong together, and their runs, in small caches.

use crate::attribute_list::{self, Location};
use crate::boot::Geometry;
use crate::device::Device;
use crate::index::Node;
use crate::mft::{self, Mft};
use crate::record::{Attribute, Body, Kind, Record, Reference};
use crate::runlist::{Run, Runlist};
use block::ReadAt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{Kept, Result};

/// Records that are kept parsed: some 5 KiB each at most.
const RECORDS_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Lists of attributes that are kept parsed: a megabyte each at most.
const LISTS_MAX: NonZeroUsize = NonZeroUsize::new(48).unwrap();
/// Parts of runs that are kept parsed: what fits a record, 48 KiB each at most.
const RUNLISTS_MAX: NonZeroUsize = NonZeroUsize::new(512).unwrap();
/// Bytes of a unit of compression or a chunk that is kept unpacked; larger ones are not kept.
pub(crate) const UNPACKED_BYTES: u64 = 64 << 10;
/// Units of compression and chunks that are kept unpacked: 16 MiB.
const UNPACKED_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Nodes of indexes that are kept: 7 KiB each mostly, 260 KiB at most.
const NODES_MAX: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A node: the attribute that it belongs to, and its number.
pub(crate) type NodeKey = (Location, u64);

/// What is kept unpacked: the attribute that it is in, and its number.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Unpacked {
    /// A unit of compression.
    Unit(Location, u64),
    /// A chunk of what WOF packed. Its stream may have units of its own.
    Chunk(Location, u64),
}

/// The records of a volume.
pub(crate) struct Store {
    pub(crate) device: Device,
    mft: Mft,
    records: Kept<u64, Record>,
    lists: Kept<u64, Vec<Location>>,
    /// By the file that they were found to belong to as well: another one's list may name the same part.
    runlists: Kept<(u64, Location), Runlist>,
    pub(crate) unpacked: Kept<Unpacked, Vec<u8>>,
    pub(crate) nodes: Kept<NodeKey, Node>,
    /// What had to be taken from copies.
    pub(crate) notices: Vec<String>,
}

/// A file: its first record, and where its attributes are.
#[derive(Clone)]
pub(crate) struct Inode {
    pub(crate) record: Arc<Record>,
    /// Its list of attributes; `None` when all are in the record.
    list: Option<Arc<Vec<Location>>>,
}

impl Inode {
    pub(crate) fn number(&self) -> u64 {
        self.record.number
    }

    /// What a message calls it.
    pub(crate) fn name(&self) -> String {
        format!("the file with record {} of the MFT", self.number())
    }

    /// Where the parts of its attributes are, in the order in which the file has them.
    pub(crate) fn locations(&self) -> Vec<Location> {
        match &self.list {
            Some(list) => list.to_vec(),
            None => self.record.attributes.iter().map(|attribute| self.own(attribute)).collect(),
        }
    }

    fn own(&self, attribute: &Attribute) -> Location {
        Location {
            kind: attribute.kind,
            name: attribute.name.clone(),
            lowest: attribute.lowest(),
            record: Reference { record: self.number(), sequence: self.record.sequence },
            id: attribute.id,
        }
    }

    /// The parts of an attribute, by their first clusters; empty when there is none.
    pub(crate) fn parts(&self, kind: Kind, name: &[u16]) -> Vec<Location> {
        let is_it = |location: &&Location| location.kind == kind && location.name == name;
        let mut parts: Vec<_> = match &self.list {
            Some(list) => list.iter().filter(is_it).cloned().collect(),
            None => {
                let own = self.record.attributes.iter().filter(|own| own.kind == kind && own.name == name);
                own.map(|own| self.own(own)).collect()
            }
        };
        parts.sort_by_key(|part| part.lowest);
        parts
    }
}

impl Store {
    /// The records on `volume`.
    pub(crate) fn open(volume: Arc<dyn ReadAt>) -> Result<Self> {
        let (geometry, is_copy) = Geometry::read(volume.as_ref())?;
        let device = Device::new(volume, geometry);
        let (mft, is_mirror) = Mft::open(&device)?;
        let mut notices = Vec::new();
        if is_copy {
            notices.push("the boot sector is damaged; its copy at the end of the volume was used".to_owned());
        }
        if is_mirror {
            notices.push("the first record of the MFT is damaged; its copy in $MFTMirr was used".to_owned());
        }
        Ok(Self {
            device,
            mft,
            records: Kept::new(RECORDS_MAX),
            lists: Kept::new(LISTS_MAX),
            runlists: Kept::new(RUNLISTS_MAX),
            unpacked: Kept::new(UNPACKED_MAX),
            nodes: Kept::new(NODES_MAX),
            notices,
        })
    }

    /// How many records there are, in use or not.
    pub(crate) const fn records(&self) -> u64 {
        self.mft.records()
    }

    /// The record that is meant.
    pub(crate) fn record(&self, reference: Reference) -> Result<Arc<Record>> {
        let number = reference.record;
        let record = self.records.get_or_read(number, || self.mft.read(&self.device, number))?;
        record.check(reference)?;
        Ok(record)
    }

    /// Hints that these records will be wanted soon.
    pub(crate) fn will_read_records(&self, records: &mut Vec<u64>) {
        records.sort_unstable();
        records.dedup();
        self.mft.will_read(&self.device, records);
    }

    /// The file that has this first record.
    ///
    /// # Errors
    /// [`vfs::ErrorKind::NotFound`] when there is none, or what kept it from being read.
    pub(crate) fn inode(&self, reference: Reference) -> Result<Inode> {
        let record = self.record(reference)?;
        if let Some(base) = record.base {
            return Err(corrupt(format!(
                "record {} of the MFT is no file: it belongs to that of record {}",
                record.number, base.record
            )));
        }
        let Some(list) = record.find(Kind::ATTRIBUTE_LIST, &[], 0, None) else {
            return Ok(Inode { record, list: None });
        };
        let list = self.lists.get_or_read(record.number, || self.list(&record, list))?;
        Ok(Inode { record, list: Some(list) })
    }

    fn list(&self, record: &Record, list: &Attribute) -> Result<Vec<Location>> {
        let bytes = match &list.body {
            Body::Resident(range) => record.bytes(range).to_vec(),
            Body::NonResident(body) => {
                let damaged =
                    || corrupt(format!("record {} of the MFT: its list of attributes is damaged", record.number));
                let is_whole = body.size <= attribute_list::BYTES_MAX && body.size <= body.initialized;
                let length = usize::try_from(body.size).ok().filter(|_| is_whole);
                let mut bytes = vec![0; length.ok_or_else(damaged)?];
                let runs = mft::parse(&self.device, record, body)?;
                self.device.read_runs(&|vcn| runs.run(vcn).ok_or_else(damaged), 0, &mut bytes)?;
                bytes
            }
        };
        attribute_list::parse(&bytes, record.number)
    }

    /// The record that holds a part of an attribute of `inode`.
    pub(crate) fn part_record(&self, inode: &Inode, part: &Location) -> Result<Arc<Record>> {
        if part.record.record == inode.number() {
            return Ok(Arc::clone(&inode.record));
        }
        let record = self.record(part.record).map_err(missing_is_damage)?;
        let owner = record.base.map_or(0, |base| base.record);
        if owner != inode.number() || record.base.is_some_and(|base| inode.record.check(base).is_err()) {
            return Err(corrupt(format!(
                "{}: its attributes go on in record {}, which belongs to {owner}",
                inode.name(),
                record.number
            )));
        }
        Ok(record)
    }

    /// The part of an attribute that `part` leads to, in its record.
    pub(crate) fn part<'a>(&self, inode: &Inode, part: &Location, record: &'a Record) -> Result<&'a Attribute> {
        record.find(part.kind, &part.name, part.lowest, Some(part.id)).ok_or_else(|| {
            let kind = part.kind.name();
            corrupt(format!("{}: its {kind} is not in record {}, where it should be", inode.name(), record.number))
        })
    }

    /// The run that holds cluster `vcn` of an attribute with these parts.
    pub(crate) fn run(&self, inode: &Inode, parts: &[Location], vcn: u64) -> Result<Run> {
        let cut_short = || {
            let kind = parts.first().map_or_else(String::new, |part| part.kind.name());
            corrupt(format!("{}: its {kind} has no cluster {vcn}, where it should have one", inode.name()))
        };
        let after = parts.partition_point(|part| part.lowest <= vcn);
        let (until, next) = parts.split_at_checked(after).unwrap_or_default();
        let (part, before) = until.split_last().ok_or_else(cut_short)?;
        let runs = self.runlists.get_or_read((inode.number(), part.clone()), || {
            let record = self.part_record(inode, part)?;
            match &self.part(inode, part, &record)?.body {
                Body::NonResident(body) => mft::parse(&self.device, &record, body),
                Body::Resident(_) => Err(cut_short()),
            }
        })?;
        // Where two parts are for one cluster, it cannot be said which of them is right.
        let end = runs.runs().last().map_or(part.lowest, Run::end);
        let is_overlapped = next.first().is_some_and(|next| next.lowest < end);
        if is_overlapped || before.last().is_some_and(|before| before.lowest == part.lowest) {
            let kind = part.kind.name();
            return Err(corrupt(format!("{}: several parts of its {kind} are for cluster {vcn}", inode.name())));
        }
        runs.run(vcn).ok_or_else(cut_short)
    }
}
