//! The master file table: a file whose records describe all files, itself among them.

use crate::attribute_list;
use crate::boot::MIRRORED;
use crate::bytes::length;
use crate::device::Device;
use crate::record::{Attribute, Body, Kind, NonResident, Record};
use crate::runlist::{Run, Runlist};
use std::ops::Range;
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{Error, ErrorKind, Result};

/// Runs of the MFT itself that are kept in memory: 32 bytes each. Windows has been seen with some ten thousand.
const RUNS_MAX: usize = 1 << 20;

/// Where the records are.
pub(crate) struct Mft {
    runs: Runlist,
    /// Records that were ever written.
    records: u64,
}

impl Mft {
    /// Finds the MFT, and says whether the copy of its first record had to be used.
    pub(crate) fn open(device: &Device) -> Result<(Self, bool)> {
        let geometry = &device.geometry;
        let first = geometry.mft_lcn.checked_shl(geometry.cluster_shift).unwrap_or(u64::MAX);
        let damage = match read_record(device, 0, first).and_then(|record| Self::of(device, &record)) {
            Ok(mft) => return Ok((mft, false)),
            Err(error) => missing_is_damage(error),
        };
        match mirrored(device, 0).map(|record| Self::of(device, &record)) {
            Some(Ok(mft)) => Ok((mft, true)),
            _ => Err(damage),
        }
    }

    fn of(device: &Device, record: &Record) -> Result<Self> {
        let damaged = |why: &str| corrupt(format!("the MFT cannot be found: {why}"));
        let data = record.find(Kind::DATA, &[], 0, None).ok_or_else(|| damaged("its first record names no data"))?;
        let Body::NonResident(sizes) = &data.body else { return Err(damaged("its data is to be in its own record")) };
        let mut mft = Self { runs: parse(device, record, sizes)?, records: 0 };
        let bytes = sizes.initialized.min(sizes.size);
        mft.records = bytes.checked_div(geometry_bytes(device)).unwrap_or(0);
        if let Some(list) = record.find(Kind::ATTRIBUTE_LIST, &[], 0, None) {
            mft.complete(device, record, list)?;
        }
        let mapped = mft.runs.runs().last().map_or(0, Run::end);
        // So all that is done for every record is bounded by the size of the volume.
        if mapped > device.geometry.clusters || mft.runs.runs().iter().any(|run| run.lcn.is_none()) {
            return Err(damaged("it has holes, or more clusters than the volume"));
        }
        let mapped = mapped.saturating_mul(device.geometry.cluster_bytes());
        if mapped < bytes {
            return Err(damaged(&format!("it has {bytes} bytes, of which only {mapped} are on the volume")));
        }
        Ok(mft)
    }

    /// Reads the further runs: each part of them is in a record that the parts before lead to.
    fn complete(&mut self, device: &Device, first: &Record, list: &Attribute) -> Result<()> {
        let list = match &list.body {
            Body::Resident(range) => first.bytes(range).to_vec(),
            Body::NonResident(body) => {
                let runs = parse(device, first, body)?;
                let bytes = usize::try_from(body.size.min(attribute_list::BYTES_MAX)).unwrap_or(0);
                let mut list = vec![0; bytes];
                device.read_runs(
                    &|vcn| runs.run(vcn).ok_or_else(|| corrupt("the MFT: its list of attributes is cut short")),
                    0,
                    &mut list,
                )?;
                list
            }
        };
        for part in attribute_list::parse(&list, 0)? {
            if part.kind != Kind::DATA || !part.name.is_empty() || part.lowest == 0 {
                continue;
            }
            let record = self.read(device, part.record.record)?;
            record.check(part.record)?;
            let found = record.find(Kind::DATA, &[], part.lowest, Some(part.id));
            let Some(Attribute { body: Body::NonResident(body), .. }) = found else {
                return Err(corrupt(format!("the MFT: record {} does not hold a part of its runs", record.number)));
            };
            let end = self.runs.runs().last().map_or(0, Run::end);
            if body.lowest != end {
                return Err(corrupt(format!("the MFT: its runs go on at cluster {} instead of {end}", body.lowest)));
            }
            self.runs.append(parse(device, &record, body)?);
            if self.runs.runs().len() > RUNS_MAX {
                return Err(Error::new(ErrorKind::Unsupported, format!("the MFT is in more than {RUNS_MAX} pieces")));
            }
        }
        Ok(())
    }

    /// How many records there are, in use or not.
    pub(crate) const fn records(&self) -> u64 {
        self.records
    }

    /// Record `number`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for one that is not in use; [`ErrorKind::Corrupt`]; or the disk's.
    pub(crate) fn read(&self, device: &Device, number: u64) -> Result<Record> {
        if number >= self.records {
            let message = format!("there is no record {number} in the MFT, which has {}", self.records);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let mut bytes = vec![0; device.geometry.record_len()];
        let offset = number.saturating_mul(geometry_bytes(device));
        let run = |vcn| self.runs.run(vcn).ok_or_else(|| corrupt("the MFT is cut short"));
        let found = device.read_runs(&run, offset, &mut bytes).and_then(|()| Record::parse(number, bytes));
        match found {
            Err(error) if number < MIRRORED && error.kind != ErrorKind::Closed => mirrored(device, number).ok_or(error),
            found => found,
        }
    }

    /// Hints that these records will be read soon; they are in ascending order.
    pub(crate) fn will_read(&self, device: &Device, records: &[u64]) {
        let bytes = geometry_bytes(device);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for number in records.iter().filter(|number| **number < self.records) {
            let offset = number.saturating_mul(bytes);
            let Some(run) = self.runs.run(device.vcn(offset)) else { continue };
            let Some(address) = device.piece(run, offset).address else { continue };
            let end = address.saturating_add(bytes);
            match ranges.last_mut() {
                Some(last) if last.end == address => last.end = end,
                _ => ranges.push(address..end),
            }
        }
        device.will_need(&ranges);
    }
}

fn geometry_bytes(device: &Device) -> u64 {
    u64::from(device.geometry.record_bytes)
}

/// The copy of one of the first records, where it can be used.
fn mirrored(device: &Device, number: u64) -> Option<Record> {
    read_record(device, number, device.geometry.mirror_address(number)?).ok()
}

fn read_record(device: &Device, number: u64, address: u64) -> Result<Record> {
    let mut bytes = vec![0; device.geometry.record_len()];
    debug_assert!(length(&bytes) == geometry_bytes(device), "the size of a record fits memory");
    device.read(address, &mut bytes)?;
    Record::parse(number, bytes)
}

/// The runs of an attribute, or of a part of one.
pub(crate) fn parse(device: &Device, record: &Record, body: &NonResident) -> Result<Runlist> {
    let what = || format!("record {} of the MFT", record.number);
    Runlist::parse(record.bytes(&body.pairs), body.lowest, body.end, device.geometry.clusters, &what)
}
