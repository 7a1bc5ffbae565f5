//! Basic header segments as they are on the wire, with the field names of RFC 7143 chapter 11. Every one is 48 bytes,
//! big-endian. Nothing is checked here: see the `initiator` and `target` modules beside this one.

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The part that all headers have in common (section 11.2.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct BasicHeaderSegment {
    /// Bit 6: immediate delivery (I); bits 0-5: opcode.
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) specific_2: [u8; 2],
    /// In units of four bytes.
    pub(crate) total_ahs_length: u8,
    /// In bytes, without padding.
    pub(crate) data_segment_length: [u8; 3],
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) specific_20: [u8; 28],
}

/// NOP-Out, section 11.18.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct NopOutHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) target_transfer_tag: U32,
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) reserved_32: [u8; 16],
}

/// SCSI Command, section 11.3.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ScsiCommandHeader {
    pub(crate) opcode: u8,
    /// F, R, W in bits 7-5; ATTR in bits 2-0.
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    /// In bytes.
    pub(crate) expected_data_transfer_length: U32,
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) cdb: [u8; 16],
}

/// Task Management Function Request, section 11.5.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TaskManagementRequestHeader {
    pub(crate) opcode: u8,
    /// Bit 7 is 1; Function in bits 6-0.
    pub(crate) function: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) referenced_task_tag: U32,
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) ref_cmd_sn: U32,
    pub(crate) exp_data_sn: U32,
    pub(crate) reserved_40: [u8; 8],
}

/// Login Request, section 11.12.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LoginRequestHeader {
    pub(crate) opcode: u8,
    /// T, C in bits 7-6; CSG in bits 3-2; NSG in bits 1-0.
    pub(crate) flags: u8,
    pub(crate) version_max: u8,
    pub(crate) version_min: u8,
    pub(crate) lengths: U32,
    pub(crate) isid: [u8; 6],
    pub(crate) tsih: U16,
    pub(crate) initiator_task_tag: U32,
    pub(crate) cid: U16,
    pub(crate) reserved_22: [u8; 2],
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) reserved_32: [u8; 16],
}

/// Text Request, section 11.10.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TextRequestHeader {
    pub(crate) opcode: u8,
    /// F, C in bits 7-6.
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) target_transfer_tag: U32,
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) reserved_32: [u8; 16],
}

/// Logout Request, section 11.14.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LogoutRequestHeader {
    pub(crate) opcode: u8,
    /// Bit 7 is 1; Reason Code in bits 6-0.
    pub(crate) reason_code: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) reserved_8: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) cid: U16,
    pub(crate) reserved_22: [u8; 2],
    pub(crate) cmd_sn: U32,
    pub(crate) exp_stat_sn: U32,
    pub(crate) reserved_32: [u8; 16],
}

/// NOP-In, section 11.19.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct NopInHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) target_transfer_tag: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) reserved_36: [u8; 12],
}

/// SCSI Response, section 11.4.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct ScsiResponseHeader {
    pub(crate) opcode: u8,
    /// o, u, O, U in bits 4-1.
    pub(crate) flags: u8,
    pub(crate) response: u8,
    pub(crate) status: u8,
    pub(crate) lengths: U32,
    pub(crate) reserved_8: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) snack_tag: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) exp_data_sn: U32,
    pub(crate) bidirectional_read_residual_count: U32,
    pub(crate) residual_count: U32,
}

/// Task Management Function Response, section 11.6.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TaskManagementResponseHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) response: u8,
    pub(crate) reserved_3: u8,
    pub(crate) lengths: U32,
    pub(crate) reserved_8: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) reserved_20: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) reserved_36: [u8; 12],
}

/// Login Response, section 11.13.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LoginResponseHeader {
    pub(crate) opcode: u8,
    /// T, C in bits 7-6; CSG in bits 3-2; NSG in bits 1-0.
    pub(crate) flags: u8,
    pub(crate) version_max: u8,
    pub(crate) version_active: u8,
    pub(crate) lengths: U32,
    pub(crate) isid: [u8; 6],
    pub(crate) tsih: U16,
    pub(crate) initiator_task_tag: U32,
    pub(crate) reserved_20: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) status_class: u8,
    pub(crate) status_detail: u8,
    pub(crate) reserved_38: [u8; 10],
}

/// Text Response, section 11.11.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct TextResponseHeader {
    pub(crate) opcode: u8,
    /// F, C in bits 7-6.
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) target_transfer_tag: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) reserved_36: [u8; 12],
}

/// SCSI Data-In, section 11.7.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct DataInHeader {
    pub(crate) opcode: u8,
    /// F, A in bits 7-6; O, U, S in bits 2-0.
    pub(crate) flags: u8,
    pub(crate) reserved_2: u8,
    pub(crate) status: u8,
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) target_transfer_tag: U32,
    /// Only if S is set.
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) data_sn: U32,
    /// In bytes.
    pub(crate) buffer_offset: U32,
    /// In bytes.
    pub(crate) residual_count: U32,
}

/// Logout Response, section 11.15.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct LogoutResponseHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) response: u8,
    pub(crate) reserved_3: u8,
    pub(crate) lengths: U32,
    pub(crate) reserved_8: [u8; 8],
    pub(crate) initiator_task_tag: U32,
    pub(crate) reserved_20: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) reserved_36: U32,
    /// In seconds.
    pub(crate) time2wait: U16,
    /// In seconds.
    pub(crate) time2retain: U16,
    pub(crate) reserved_44: U32,
}

/// Asynchronous Message, section 11.9.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct AsyncMessageHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) reserved_2: [u8; 2],
    pub(crate) lengths: U32,
    pub(crate) lun: [u8; 8],
    /// Always 0xffffffff.
    pub(crate) initiator_task_tag: U32,
    pub(crate) reserved_20: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) async_event: u8,
    pub(crate) async_vcode: u8,
    pub(crate) parameter1: U16,
    pub(crate) parameter2: U16,
    pub(crate) parameter3: U16,
    pub(crate) reserved_44: U32,
}

/// Reject, section 11.17.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RejectHeader {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) reason: u8,
    pub(crate) reserved_3: u8,
    pub(crate) lengths: U32,
    pub(crate) reserved_8: [u8; 8],
    /// Always 0xffffffff.
    pub(crate) initiator_task_tag: U32,
    pub(crate) reserved_20: U32,
    pub(crate) stat_sn: U32,
    pub(crate) exp_cmd_sn: U32,
    pub(crate) max_cmd_sn: U32,
    pub(crate) data_sn: U32,
    pub(crate) reserved_40: [u8; 8],
}
