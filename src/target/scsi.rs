//! The SCSI side of the target: what each command is answered with, as functions of the command's bytes (SPC-4, SBC-3).

mod capacity;
mod cdb;
mod inquiry;
mod mode_sense;
mod operation_codes;
mod page_length;
mod reservations;
mod sense;
mod unit;
mod vital_product_data;

pub(crate) use cdb::Cdb;
pub(crate) use sense::Sense;
pub(crate) use unit::{Answer, Attention, LogicalUnits};

/// As many logical units as flat space addressing can tell apart (SAM-5 section 4.7.7.3).
pub(crate) const LUNS_MAX: usize = 1 << 14;
