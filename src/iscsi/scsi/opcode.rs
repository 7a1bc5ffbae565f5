//! Operation codes of the commands in use (SPC-4, SBC-3).

/// TEST UNIT READY.
pub const TEST_UNIT_READY: u8 = 0x00;
/// REQUEST SENSE.
pub const REQUEST_SENSE: u8 = 0x03;
/// INQUIRY.
pub const INQUIRY: u8 = 0x12;
/// READ CAPACITY (10).
pub const READ_CAPACITY_10: u8 = 0x25;
/// READ (10).
pub const READ_10: u8 = 0x28;
/// READ (16).
pub const READ_16: u8 = 0x88;
/// SERVICE ACTION IN (16), of which READ CAPACITY (16) is one.
pub const SERVICE_ACTION_IN_16: u8 = 0x9e;
/// The service action of READ CAPACITY (16).
pub const READ_CAPACITY_16_ACTION: u8 = 0x10;
/// REPORT LUNS.
pub const REPORT_LUNS: u8 = 0xa0;
