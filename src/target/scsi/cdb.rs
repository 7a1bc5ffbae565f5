//! Command descriptor blocks, parsed: what the initiator wants (SPC-4 chapter 6, SBC-3 chapter 5).

use super::Sense;
use block::BlockRange;

/// A CDB of up to 16 bytes, as a SCSI Command PDU carries it.
pub(crate) type Cdb = [u8; 16];

/// What a CDB asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    TestUnitReady,
    RequestSense {
        descriptor_format: bool,
        allocation_length: usize,
    },
    Inquiry {
        page: Option<u8>,
        allocation_length: usize,
    },
    ReportLuns {
        select_report: u8,
        allocation_length: usize,
    },
    ReadCapacity10,
    ReadCapacity16 {
        allocation_length: usize,
    },
    ModeSense(ModeSense),
    /// The count may be 0.
    Read(BlockRange),
    /// To be read, and not sent. The count may be 0.
    Verify {
        blocks: BlockRange,
        /// BYTCHK: they are to be compared with what the initiator sends.
        compare: bool,
    },
    /// To be inside the disk; a count of 0 means up to its end.
    PreFetch(BlockRange),
    GetLbaStatus {
        first: u64,
        allocation_length: usize,
    },
    PersistentReserveIn {
        service_action: u8,
        allocation_length: usize,
    },
    ReportSupportedOperationCodes(ReportOperationCodes),
    /// What a disk that has no cache, no motor and no tray is done with at once.
    NothingToDo,
    /// Anything that would change the medium, or how it is presented.
    Write,
}

/// MODE SENSE (6) or (10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModeSense {
    /// Answered with the eight-byte header of MODE SENSE (10).
    pub(super) long_header: bool,
    pub(super) disable_block_descriptors: bool,
    /// LLBAA: block descriptors of 16 bytes are welcome.
    pub(super) long_lba: bool,
    pub(super) page_control: u8,
    pub(super) page: u8,
    pub(super) subpage: u8,
    pub(super) allocation_length: usize,
}

/// REPORT SUPPORTED OPERATION CODES.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReportOperationCodes {
    /// RCTD: with a command timeouts descriptor.
    pub(super) timeouts: bool,
    pub(super) reporting_options: u8,
    pub(super) operation_code: u8,
    pub(super) service_action: u16,
    pub(super) allocation_length: usize,
}

/// Operation codes that are answered, and those that would write.
mod operation_code {
    pub(super) const TEST_UNIT_READY: u8 = 0x00;
    pub(super) const REQUEST_SENSE: u8 = 0x03;
    pub(super) const READ_6: u8 = 0x08;
    pub(super) const INQUIRY: u8 = 0x12;
    pub(super) const MODE_SENSE_6: u8 = 0x1a;
    pub(super) const START_STOP_UNIT: u8 = 0x1b;
    pub(super) const SEND_DIAGNOSTIC: u8 = 0x1d;
    pub(super) const PREVENT_ALLOW_MEDIUM_REMOVAL: u8 = 0x1e;
    pub(super) const READ_CAPACITY_10: u8 = 0x25;
    pub(super) const READ_10: u8 = 0x28;
    pub(super) const VERIFY_10: u8 = 0x2f;
    pub(super) const PRE_FETCH_10: u8 = 0x34;
    pub(super) const SYNCHRONIZE_CACHE_10: u8 = 0x35;
    pub(super) const MODE_SENSE_10: u8 = 0x5a;
    pub(super) const PERSISTENT_RESERVE_IN: u8 = 0x5e;
    pub(super) const VARIABLE_LENGTH: u8 = 0x7f;
    pub(super) const READ_16: u8 = 0x88;
    pub(super) const VERIFY_16: u8 = 0x8f;
    pub(super) const PRE_FETCH_16: u8 = 0x90;
    pub(super) const SYNCHRONIZE_CACHE_16: u8 = 0x91;
    pub(super) const SERVICE_ACTION_IN_16: u8 = 0x9e;
    pub(super) const REPORT_LUNS: u8 = 0xa0;
    pub(super) const MAINTENANCE_IN: u8 = 0xa3;
    pub(super) const READ_12: u8 = 0xa8;
    pub(super) const VERIFY_12: u8 = 0xaf;

    /// FORMAT UNIT, REASSIGN BLOCKS, WRITE (6), MODE SELECT (6), WRITE (10), WRITE AND VERIFY (10), WRITE LONG (10),
    /// WRITE SAME (10), UNMAP, SANITIZE, XDWRITEREAD (10), MODE SELECT (10), EXTENDED COPY, COMPARE AND WRITE,
    /// WRITE (16), ORWRITE (16), WRITE AND VERIFY (16), WRITE SAME (16), WRITE ATOMIC (16), SERVICE ACTION OUT (16) with
    /// WRITE LONG (16), WRITE (12), WRITE AND VERIFY (12).
    pub(super) const WRITES: [u8; 22] = [
        0x04, 0x07, 0x0a, 0x15, 0x2a, 0x2e, 0x3f, 0x41, 0x42, 0x48, 0x53, 0x55, 0x83, 0x89, 0x8a, 0x8b, 0x8e, 0x93,
        0x9c, 0x9f, 0xaa, 0xae,
    ];
}

/// SERVICE ACTION of SERVICE ACTION IN (16).
const READ_CAPACITY_16: u8 = 0x10;
const GET_LBA_STATUS: u8 = 0x12;
/// SERVICE ACTION of MAINTENANCE IN.
const REPORT_SUPPORTED_OPERATION_CODES: u8 = 0x0c;
/// SEND DIAGNOSTIC with SELFTEST: the default self-test, which every unit has to have.
const SELF_TEST: u8 = 0x04;
/// LOEJ: START STOP UNIT is to load or eject the medium.
const LOAD_EJECT: u8 = 0x02;
/// Service actions of variable length CDBs that write: XDWRITE, XPWRITE, XDWRITEREAD, WRITE, WRITE AND VERIFY,
/// WRITE SAME, ORWRITE, WRITE ATOMIC (each of 32 bytes).
const VARIABLE_LENGTH_WRITES: [u16; 8] = [0x0004, 0x0006, 0x0007, 0x000b, 0x000c, 0x000d, 0x000e, 0x000f];

/// Understands a CDB. What is not supported is answered with the sense that SPC-4 asks for.
pub(super) fn parse(cdb: &Cdb) -> Result<Command, Sense> {
    let service_action = cdb[1] & 0x1f;
    match cdb[0] {
        operation_code::TEST_UNIT_READY => Ok(Command::TestUnitReady),
        operation_code::REQUEST_SENSE => {
            Ok(Command::RequestSense { descriptor_format: cdb[1] & 1 != 0, allocation_length: usize::from(cdb[4]) })
        }
        operation_code::INQUIRY => inquiry(cdb),
        operation_code::MODE_SENSE_6 => Ok(Command::ModeSense(mode_sense(cdb, false))),
        operation_code::MODE_SENSE_10 => Ok(Command::ModeSense(mode_sense(cdb, true))),
        operation_code::READ_CAPACITY_10 => Ok(Command::ReadCapacity10),
        operation_code::SERVICE_ACTION_IN_16 if service_action == READ_CAPACITY_16 => {
            Ok(Command::ReadCapacity16 { allocation_length: length32(cdb, 10) })
        }
        operation_code::SERVICE_ACTION_IN_16 if service_action == GET_LBA_STATUS => {
            Ok(Command::GetLbaStatus { first: field64(cdb, 2), allocation_length: length32(cdb, 10) })
        }
        operation_code::REPORT_LUNS => {
            Ok(Command::ReportLuns { select_report: cdb[2], allocation_length: length32(cdb, 6) })
        }
        operation_code::MAINTENANCE_IN if service_action == REPORT_SUPPORTED_OPERATION_CODES => {
            Ok(Command::ReportSupportedOperationCodes(report_operation_codes(cdb)))
        }
        operation_code::PERSISTENT_RESERVE_IN => {
            Ok(Command::PersistentReserveIn { service_action, allocation_length: usize::from(field16(cdb, 7)) })
        }
        operation_code::VARIABLE_LENGTH if VARIABLE_LENGTH_WRITES.contains(&field16(cdb, 8)) => Ok(Command::Write),
        other if operation_code::WRITES.contains(&other) => Ok(Command::Write),
        _ => on_blocks(cdb),
    }
}

/// The commands that are about blocks.
fn on_blocks(cdb: &Cdb) -> Result<Command, Sense> {
    match cdb[0] {
        operation_code::READ_6 => Ok(Command::Read(read_6(cdb))),
        operation_code::READ_10 => read(cdb, range_10(cdb)),
        operation_code::READ_12 => read(cdb, range_12(cdb)),
        operation_code::READ_16 => read(cdb, range_16(cdb)),
        operation_code::VERIFY_10 => verify(cdb, range_10(cdb)),
        operation_code::VERIFY_12 => verify(cdb, range_12(cdb)),
        operation_code::VERIFY_16 => verify(cdb, range_16(cdb)),
        operation_code::PRE_FETCH_10 => Ok(Command::PreFetch(range_10(cdb))),
        operation_code::PRE_FETCH_16 => Ok(Command::PreFetch(range_16(cdb))),
        operation_code::SYNCHRONIZE_CACHE_10
        | operation_code::SYNCHRONIZE_CACHE_16
        | operation_code::PREVENT_ALLOW_MEDIUM_REMOVAL => Ok(Command::NothingToDo),
        operation_code::START_STOP_UNIT if cdb[4] & LOAD_EJECT == 0 => Ok(Command::NothingToDo),
        operation_code::SEND_DIAGNOSTIC if cdb[1] & !0x10 == SELF_TEST && field16(cdb, 3) == 0 => {
            Ok(Command::NothingToDo)
        }
        operation_code::START_STOP_UNIT | operation_code::SEND_DIAGNOSTIC => Err(Sense::INVALID_FIELD_IN_CDB),
        _ => Err(Sense::INVALID_COMMAND_OPERATION_CODE),
    }
}

fn inquiry(cdb: &Cdb) -> Result<Command, Sense> {
    let page = match (cdb[1], cdb[2]) {
        (0, 0) => None,
        (1, page) => Some(page),
        // A page without EVPD, the obsolete CMDDT, or reserved bits.
        _ => return Err(Sense::INVALID_FIELD_IN_CDB),
    };
    Ok(Command::Inquiry { page, allocation_length: usize::from(field16(cdb, 3)) })
}

fn mode_sense(cdb: &Cdb, long: bool) -> ModeSense {
    ModeSense {
        long_header: long,
        disable_block_descriptors: cdb[1] & 0x08 != 0,
        long_lba: long && cdb[1] & 0x10 != 0,
        page_control: cdb[2] >> 6,
        page: cdb[2] & 0x3f,
        subpage: cdb[3],
        allocation_length: if long { usize::from(field16(cdb, 7)) } else { usize::from(cdb[4]) },
    }
}

/// 21 bits of address; a length of 0 stands for 256 blocks.
fn read_6(cdb: &Cdb) -> BlockRange {
    let count = match cdb[4] {
        0 => 256,
        count => u32::from(count),
    };
    BlockRange { first: u64::from(field32(cdb, 0) & 0x001f_ffff), count }
}

/// DPO and FUA say nothing to a target that has no cache; RDPROTECT asks for protection information, which there is
/// none of.
fn read(cdb: &Cdb, blocks: BlockRange) -> Result<Command, Sense> {
    if cdb[1] & 0xe0 != 0 {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    Ok(Command::Read(blocks))
}

/// VRPROTECT is about protection information.
fn verify(cdb: &Cdb, blocks: BlockRange) -> Result<Command, Sense> {
    if cdb[1] & 0xe0 != 0 {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    Ok(Command::Verify { blocks, compare: cdb[1] & 0x06 != 0 })
}

fn report_operation_codes(cdb: &Cdb) -> ReportOperationCodes {
    ReportOperationCodes {
        timeouts: cdb[2] & 0x80 != 0,
        reporting_options: cdb[2] & 0x07,
        operation_code: cdb[3],
        service_action: field16(cdb, 4),
        allocation_length: length32(cdb, 6),
    }
}

fn range_10(cdb: &Cdb) -> BlockRange {
    BlockRange { first: u64::from(field32(cdb, 2)), count: u32::from(field16(cdb, 7)) }
}

fn range_12(cdb: &Cdb) -> BlockRange {
    BlockRange { first: u64::from(field32(cdb, 2)), count: field32(cdb, 6) }
}

fn range_16(cdb: &Cdb) -> BlockRange {
    BlockRange { first: field64(cdb, 2), count: field32(cdb, 10) }
}

/// `N` bytes of the CDB; zeros for an offset beyond it, which no caller has.
fn field<const N: usize>(cdb: &Cdb, offset: usize) -> [u8; N] {
    cdb.get(offset..).and_then(|tail| tail.first_chunk::<N>()).copied().unwrap_or([0; N])
}

fn field16(cdb: &Cdb, offset: usize) -> u16 {
    u16::from_be_bytes(field(cdb, offset))
}

fn field32(cdb: &Cdb, offset: usize) -> u32 {
    u32::from_be_bytes(field(cdb, offset))
}

fn field64(cdb: &Cdb, offset: usize) -> u64 {
    u64::from_be_bytes(field(cdb, offset))
}

fn length32(cdb: &Cdb, offset: usize) -> usize {
    usize::try_from(field32(cdb, offset)).unwrap_or(usize::MAX)
}
