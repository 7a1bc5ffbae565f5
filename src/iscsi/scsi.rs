//! The SCSI that reading disks takes (SPC-4, SBC-3): commands, their data, status and sense.

mod capacity;
mod command;
mod inquiry;
mod lun_number;
pub mod opcode;
mod report_luns;
mod sense;
pub mod status;

pub use capacity::{Capacity, NeedsCapacity16};
pub use command::Command;
pub use inquiry::{
    BlockLimits, Designator, StandardInquiry, VitalPage, block_limits, designators, serial_number, vital_pages,
};
pub use lun_number::LunNumber;
pub use report_luns::LunList;
pub use sense::{Sense, SenseKey};
