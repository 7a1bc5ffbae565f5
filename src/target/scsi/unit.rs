//! The logical units of a target, and what each of their commands is answered with.

use super::cdb::{self, Command};
use super::page_length::u32_length;
use super::vital_product_data::{self, Identity};
use super::{Cdb, LUNS_MAX, Sense, capacity, inquiry, mode_sense, operation_codes, reservations};
use block::{BlockRange, Disk, Geometry};
use bytes::{BufMut, Bytes, BytesMut};
use iscsi::scsi::LunNumber;
use std::collections::BTreeSet;
use std::sync::Arc;

/// SELECT REPORT of REPORT LUNS: units that are addressable, well known units only, all.
const ADDRESSABLE: u8 = 0x00;
const WELL_KNOWN: u8 = 0x01;
const ALL: u8 = 0x02;

/// What a command is answered with.
pub(crate) enum Answer {
    /// GOOD, with this data (possibly none).
    Good(Bytes),
    /// These blocks of this disk have to be read; they are inside it, and not none.
    Read {
        disk: Arc<dyn Disk>,
        blocks: BlockRange,
        /// Nothing is sent of them: it is only to be found out whether they can be read.
        discard: bool,
    },
    /// CHECK CONDITION.
    CheckCondition(Sense),
}

struct LogicalUnit {
    disk: Arc<dyn Disk>,
    identity: Identity,
}

/// The disks of a target, by logical unit number from 0 on.
pub(crate) struct LogicalUnits {
    units: Vec<LogicalUnit>,
    read_bytes_max: u32,
}

/// Units whose next command is answered with a unit attention, once; a session has its own.
#[derive(Default)]
pub(crate) struct Attention(BTreeSet<usize>);

impl Attention {
    /// Every one of these units has something to tell.
    pub(crate) fn all(units: &LogicalUnits) -> Self {
        Self((0..units.units.len()).collect())
    }

    fn take(&mut self, unit: usize) -> bool {
        self.0.remove(&unit)
    }
}

impl LogicalUnits {
    /// Units of these disks; those from [`LUNS_MAX`] on cannot be addressed. A single command reads up to
    /// `read_bytes_max` bytes.
    pub(crate) fn new(target_name: &str, disks: Vec<Arc<dyn Disk>>, read_bytes_max: u32) -> Self {
        let unit = |(index, disk)| Some(LogicalUnit { disk, identity: Identity::new(target_name, lun_number(index)?) });
        Self { units: disks.into_iter().take(LUNS_MAX).enumerate().filter_map(unit).collect(), read_bytes_max }
    }

    /// Whether there is a unit of this number.
    pub(crate) fn has(&self, lun: LunNumber) -> bool {
        self.unit(lun).is_some()
    }

    fn unit(&self, lun: LunNumber) -> Option<(usize, &LogicalUnit)> {
        let index = usize::try_from(lun.index()?).ok()?;
        self.units.get(index).map(|unit| (index, unit))
    }

    /// The answer to a command for the unit `lun`.
    pub(crate) fn answer(&self, lun: LunNumber, cdb: &Cdb, attention: &mut Attention) -> Answer {
        let answer = match (cdb::parse(cdb), self.unit(lun)) {
            (Ok(Command::ReportLuns { select_report, allocation_length }), _) => {
                self.report_luns(select_report).map(|data| good(data, allocation_length))
            }
            (command, None) => no_unit_answer(command),
            (command, Some((index, unit))) => self.unit_answer(index, unit, command, attention),
        };
        answer.unwrap_or_else(Answer::CheckCondition)
    }

    fn unit_answer(
        &self,
        index: usize,
        unit: &LogicalUnit,
        command: Result<Command, Sense>,
        attention: &mut Attention,
    ) -> Result<Answer, Sense> {
        // INQUIRY is answered whatever happened, and REQUEST SENSE tells it as data (SAM-5 section 5.14).
        match command {
            Ok(Command::Inquiry { .. }) => {}
            Ok(Command::RequestSense { descriptor_format, allocation_length }) => {
                let sense = if attention.take(index) { Sense::POWER_ON_OR_RESET } else { Sense::NONE };
                return Ok(request_sense(sense, descriptor_format, allocation_length));
            }
            _ if attention.take(index) => return Err(Sense::POWER_ON_OR_RESET),
            _ => {}
        }
        self.command_answer(unit, command?)
    }

    fn command_answer(&self, unit: &LogicalUnit, command: Command) -> Result<Answer, Sense> {
        let geometry = unit.disk.geometry();
        match command {
            Command::TestUnitReady => medium(geometry).map(|_| Answer::Good(Bytes::new())),
            Command::Inquiry { page: None, allocation_length } => Ok(good(inquiry::standard(true), allocation_length)),
            Command::Inquiry { page: Some(page), allocation_length } => {
                let block_size = geometry.block_size();
                let blocks_max = self.read_bytes_max >> block_size.shift();
                let data = vital_product_data::page(page, &unit.identity, block_size, blocks_max)?;
                Ok(good(data, allocation_length))
            }
            Command::ReadCapacity10 => Ok(Answer::Good(capacity::read_capacity_10(medium(geometry)?))),
            Command::ReadCapacity16 { allocation_length } => {
                Ok(good(capacity::read_capacity_16(medium(geometry)?), allocation_length))
            }
            Command::ModeSense(command) => {
                Ok(good(mode_sense::mode_sense(command, geometry)?, command.allocation_length))
            }
            Command::Read(blocks) => self.on_blocks(unit, blocks, false),
            // Nothing is taken from initiators, so there is nothing to compare with.
            Command::Verify { blocks, compare: true } if blocks.count > 0 => {
                inside(medium(geometry)?, blocks)?;
                Err(Sense::INVALID_FIELD_IN_CDB)
            }
            Command::Verify { blocks, .. } => self.on_blocks(unit, blocks, true),
            Command::PreFetch(blocks) => {
                inside(medium(geometry)?, blocks)?;
                Ok(Answer::Good(Bytes::new()))
            }
            Command::GetLbaStatus { first, allocation_length } => {
                Ok(good(capacity::lba_status(medium(geometry)?, first)?, allocation_length))
            }
            Command::PersistentReserveIn { service_action, allocation_length } => {
                Ok(good(reservations::persistent_reserve_in(service_action)?, allocation_length))
            }
            Command::ReportSupportedOperationCodes(command) => {
                Ok(good(operation_codes::report(command)?, command.allocation_length))
            }
            Command::NothingToDo => Ok(Answer::Good(Bytes::new())),
            Command::Write => Err(Sense::WRITE_PROTECTED),
            // Answered before it is known which unit is meant.
            Command::ReportLuns { .. } | Command::RequestSense { .. } => Err(Sense::INTERNAL_TARGET_FAILURE),
        }
    }

    fn on_blocks(&self, unit: &LogicalUnit, blocks: BlockRange, discard: bool) -> Result<Answer, Sense> {
        let geometry = medium(unit.disk.geometry())?;
        inside(geometry, blocks)?;
        if blocks.count > self.read_bytes_max >> geometry.block_size().shift() {
            return Err(Sense::INVALID_FIELD_IN_CDB);
        }
        if blocks.count == 0 {
            return Ok(Answer::Good(Bytes::new()));
        }
        Ok(Answer::Read { disk: Arc::clone(&unit.disk), blocks, discard })
    }

    fn report_luns(&self, select_report: u8) -> Result<Bytes, Sense> {
        let count = match select_report {
            ADDRESSABLE | ALL => self.units.len(),
            WELL_KNOWN => 0,
            _ => return Err(Sense::INVALID_FIELD_IN_CDB),
        };
        let mut data = BytesMut::new();
        data.put_slice(&u32_length(count.saturating_mul(8)));
        data.put_u32(0);
        for lun in (0..count).filter_map(lun_number) {
            data.put_slice(&lun.to_wire());
        }
        Ok(data.freeze())
    }
}

/// The number of the unit at `index`.
fn lun_number(index: usize) -> Option<LunNumber> {
    LunNumber::from_index(u16::try_from(index).ok()?)
}

/// What a number that no unit has is answered with (SPC-4 sections 6.4.2 and 6.39).
fn no_unit_answer(command: Result<Command, Sense>) -> Result<Answer, Sense> {
    match command {
        Ok(Command::Inquiry { page: None, allocation_length }) => Ok(good(inquiry::standard(false), allocation_length)),
        Ok(Command::RequestSense { descriptor_format, allocation_length }) => {
            Ok(request_sense(Sense::LOGICAL_UNIT_NOT_SUPPORTED, descriptor_format, allocation_length))
        }
        _ => Err(Sense::LOGICAL_UNIT_NOT_SUPPORTED),
    }
}

fn request_sense(sense: Sense, descriptor_format: bool, allocation_length: usize) -> Answer {
    let data = if descriptor_format { sense.descriptor().to_vec().into() } else { Bytes::from(sense.fixed().to_vec()) };
    good(data, allocation_length)
}

/// A disk without blocks is a drive without a medium.
fn medium(geometry: Geometry) -> Result<Geometry, Sense> {
    if geometry.blocks() == 0 { Err(Sense::MEDIUM_NOT_PRESENT) } else { Ok(geometry) }
}

fn inside(geometry: Geometry, blocks: BlockRange) -> Result<(), Sense> {
    if blocks.end().is_none_or(|end| end > geometry.blocks()) { Err(Sense::LBA_OUT_OF_RANGE) } else { Ok(()) }
}

/// No more than the initiator has room for.
fn good(mut data: Bytes, allocation_length: usize) -> Answer {
    data.truncate(allocation_length);
    Answer::Good(data)
}

#[cfg(test)]
mod tests;
