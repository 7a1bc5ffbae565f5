//! Opcodes (RFC 7143 section 11.2.1.2).

/// The six bits that hold the opcode.
pub const OPCODE_MASK: u8 = 0x3f;
/// Immediate delivery (I), beside the opcode of a request.
pub const IMMEDIATE: u8 = 0x40;

/// NOP-Out, section 11.18.
pub const NOP_OUT: u8 = 0x00;
/// SCSI Command, section 11.3.
pub const SCSI_COMMAND: u8 = 0x01;
/// Task Management Function Request, section 11.5.
pub const TASK_MANAGEMENT_REQUEST: u8 = 0x02;
/// Login Request, section 11.12.
pub const LOGIN_REQUEST: u8 = 0x03;
/// Text Request, section 11.10.
pub const TEXT_REQUEST: u8 = 0x04;
/// SCSI Data-Out, section 11.7. Nothing here can build one.
pub const DATA_OUT: u8 = 0x05;
/// Logout Request, section 11.14.
pub const LOGOUT_REQUEST: u8 = 0x06;
/// SNACK Request, section 11.16; only for error recovery levels above 0.
pub const SNACK_REQUEST: u8 = 0x10;

/// NOP-In, section 11.19.
pub const NOP_IN: u8 = 0x20;
/// SCSI Response, section 11.4.
pub const SCSI_RESPONSE: u8 = 0x21;
/// Task Management Function Response, section 11.6.
pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
/// Login Response, section 11.13.
pub const LOGIN_RESPONSE: u8 = 0x23;
/// Text Response, section 11.11.
pub const TEXT_RESPONSE: u8 = 0x24;
/// SCSI Data-In, section 11.7.
pub const DATA_IN: u8 = 0x25;
/// Logout Response, section 11.15.
pub const LOGOUT_RESPONSE: u8 = 0x26;
/// Ready To Transfer, section 11.8: a target that wants data to be written.
pub const R2T: u8 = 0x31;
/// Asynchronous Message, section 11.9.
pub const ASYNC_MESSAGE: u8 = 0x32;
/// Reject, section 11.17.
pub const REJECT: u8 = 0x3f;

/// The name of what an initiator sends, for messages.
pub(crate) const fn name(opcode: u8) -> &'static str {
    match opcode {
        NOP_OUT => "a NOP-Out",
        SCSI_COMMAND => "a SCSI command",
        TASK_MANAGEMENT_REQUEST => "a task management request",
        LOGIN_REQUEST => "a login request",
        TEXT_REQUEST => "a text request",
        LOGOUT_REQUEST => "a logout request",
        _ => "what it did not get",
    }
}
