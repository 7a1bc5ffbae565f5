//! Status codes of commands (SAM-5 section 5.3.1).

/// The command was carried out.
pub const GOOD: u8 = 0x00;
/// The command failed or something has to be told: there is sense data.
pub const CHECK_CONDITION: u8 = 0x02;
/// The logical unit cannot take the command now.
pub const BUSY: u8 = 0x08;
/// Another initiator has reserved the logical unit.
pub const RESERVATION_CONFLICT: u8 = 0x18;
/// The logical unit has no room for another command.
pub const TASK_SET_FULL: u8 = 0x28;
/// The logical unit is blocked until an error is acknowledged.
pub const ACA_ACTIVE: u8 = 0x30;
/// The command was aborted by another initiator.
pub const TASK_ABORTED: u8 = 0x40;

/// The status in words.
#[must_use]
pub const fn name(status: u8) -> Option<&'static str> {
    Some(match status {
        GOOD => "good",
        CHECK_CONDITION => "check condition",
        BUSY => "busy",
        RESERVATION_CONFLICT => "reserved by another initiator",
        TASK_SET_FULL => "task set full",
        ACA_ACTIVE => "ACA active",
        TASK_ABORTED => "task aborted",
        _ => return None,
    })
}
