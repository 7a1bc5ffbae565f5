//! The commands, and their command descriptor blocks.

use super::opcode;

/// A command that reads. There is no variant that writes, and no way to make one out of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// TEST UNIT READY (SPC-4 section 6.47).
    TestUnitReady,
    /// REPORT LUNS, all that are accessible (SPC-4 section 6.33).
    ReportLuns {
        /// ALLOCATION LENGTH in bytes.
        allocation_bytes: u32,
    },
    /// INQUIRY, standard data (SPC-4 section 6.6).
    Inquiry {
        /// ALLOCATION LENGTH in bytes.
        allocation_bytes: u16,
    },
    /// INQUIRY, a page of vital product data.
    InquiryPage {
        /// PAGE CODE.
        page: u8,
        /// ALLOCATION LENGTH in bytes.
        allocation_bytes: u16,
    },
    /// READ CAPACITY (10) (SBC-3 section 5.15).
    ReadCapacity10,
    /// READ CAPACITY (16) (SBC-3 section 5.16).
    ReadCapacity16,
    /// READ (10) (SBC-3 section 5.11).
    Read10 {
        /// First logical block.
        lba: u32,
        /// Number of logical blocks.
        blocks: u16,
        /// Size of a logical block in bytes.
        block_bytes: u32,
    },
    /// READ (16) (SBC-3 section 5.13).
    Read16 {
        /// First logical block.
        lba: u64,
        /// Number of logical blocks.
        blocks: u32,
        /// Size of a logical block in bytes.
        block_bytes: u32,
    },
}

/// Answer of READ CAPACITY (10) in bytes.
const CAPACITY_10_BYTES: u32 = 8;
/// Answer of READ CAPACITY (16) in bytes.
const CAPACITY_16_BYTES: u32 = 32;

impl Command {
    /// The name of the command, for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TestUnitReady => "TEST UNIT READY",
            Self::ReportLuns { .. } => "REPORT LUNS",
            Self::Inquiry { .. } | Self::InquiryPage { .. } => "INQUIRY",
            Self::ReadCapacity10 => "READ CAPACITY (10)",
            Self::ReadCapacity16 => "READ CAPACITY (16)",
            Self::Read10 { .. } => "READ (10)",
            Self::Read16 { .. } => "READ (16)",
        }
    }

    /// How many bytes it can be answered with.
    #[must_use]
    pub const fn data_bytes(&self) -> u32 {
        match *self {
            Self::TestUnitReady => 0,
            Self::ReportLuns { allocation_bytes } => allocation_bytes,
            Self::Inquiry { allocation_bytes } | Self::InquiryPage { allocation_bytes, .. } => {
                let [high, low] = allocation_bytes.to_be_bytes();
                u32::from_be_bytes([0, 0, high, low])
            }
            Self::ReadCapacity10 => CAPACITY_10_BYTES,
            Self::ReadCapacity16 => CAPACITY_16_BYTES,
            Self::Read10 { blocks, block_bytes, .. } => {
                let [high, low] = blocks.to_be_bytes();
                u32::from_be_bytes([0, 0, high, low]).saturating_mul(block_bytes)
            }
            Self::Read16 { blocks, block_bytes, .. } => blocks.saturating_mul(block_bytes),
        }
    }

    /// Whether it may be answered with fewer bytes than [`Command::data_bytes`]: true of what has an allocation
    /// length, never of a read of blocks.
    #[must_use]
    pub const fn may_be_short(&self) -> bool {
        !matches!(self, Self::Read10 { .. } | Self::Read16 { .. })
    }

    /// The command descriptor block, filled up with zeros.
    #[must_use]
    pub fn cdb(&self) -> [u8; 16] {
        let mut cdb = [0; 16];
        match *self {
            Self::TestUnitReady => cdb[0] = opcode::TEST_UNIT_READY,
            Self::ReportLuns { allocation_bytes } => {
                cdb[0] = opcode::REPORT_LUNS;
                cdb[6..10].copy_from_slice(&allocation_bytes.to_be_bytes());
            }
            Self::Inquiry { allocation_bytes } => {
                cdb[0] = opcode::INQUIRY;
                cdb[3..5].copy_from_slice(&allocation_bytes.to_be_bytes());
            }
            Self::InquiryPage { page, allocation_bytes } => {
                // EVPD
                cdb[..3].copy_from_slice(&[opcode::INQUIRY, 1, page]);
                cdb[3..5].copy_from_slice(&allocation_bytes.to_be_bytes());
            }
            Self::ReadCapacity10 => cdb[0] = opcode::READ_CAPACITY_10,
            Self::ReadCapacity16 => {
                cdb[..2].copy_from_slice(&[opcode::SERVICE_ACTION_IN_16, opcode::READ_CAPACITY_16_ACTION]);
                cdb[10..14].copy_from_slice(&CAPACITY_16_BYTES.to_be_bytes());
            }
            Self::Read10 { lba, blocks, .. } => {
                cdb[0] = opcode::READ_10;
                cdb[2..6].copy_from_slice(&lba.to_be_bytes());
                cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
            }
            Self::Read16 { lba, blocks, .. } => {
                cdb[0] = opcode::READ_16;
                cdb[2..10].copy_from_slice(&lba.to_be_bytes());
                cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
            }
        }
        cdb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cdb(command: Command) -> String {
        hex::encode(command.cdb())
    }

    /// The blocks that sg3_utils makes for the same commands.
    #[test]
    fn command_descriptor_blocks_are_those_of_the_standards() {
        assert_eq!(cdb(Command::TestUnitReady), "00000000000000000000000000000000");
        assert_eq!(cdb(Command::ReportLuns { allocation_bytes: 0x2010 }), "a0000000000000002010000000000000");
        assert_eq!(cdb(Command::Inquiry { allocation_bytes: 0x60 }), "12000000600000000000000000000000");
        let page = Command::InquiryPage { page: 0x83, allocation_bytes: 0x1fc };
        assert_eq!(cdb(page), "12018301fc0000000000000000000000");
        assert_eq!(cdb(Command::ReadCapacity10), "25000000000000000000000000000000");
        assert_eq!(cdb(Command::ReadCapacity16), "9e100000000000000000000000200000");
        let read = Command::Read10 { lba: 0x0102_0304, blocks: 0x0506, block_bytes: 512 };
        assert_eq!(cdb(read), "28000102030400050600000000000000");
        assert_eq!(read.data_bytes(), 0x0506 * 512);
        let read = Command::Read16 { lba: 0x0102_0304_0506_0708, blocks: 0x090a_0b0c, block_bytes: 4096 };
        assert_eq!(cdb(read), "88000102030405060708090a0b0c0000");
    }

    #[test]
    fn every_command_that_there_is_reads() {
        // The operation codes of SPC-4 and SBC-3 that leave the medium as it is.
        let reading = [0x00, 0x12, 0x25, 0x28, 0x88, 0x9e, 0xa0];
        for command in [
            Command::TestUnitReady,
            Command::ReportLuns { allocation_bytes: 16 },
            Command::Inquiry { allocation_bytes: 36 },
            Command::InquiryPage { page: 0, allocation_bytes: 36 },
            Command::ReadCapacity10,
            Command::ReadCapacity16,
            Command::Read10 { lba: 0, blocks: 1, block_bytes: 512 },
            Command::Read16 { lba: 0, blocks: 1, block_bytes: 512 },
        ] {
            assert!(reading.contains(&command.cdb()[0]), "{}", command.name());
        }
    }
}
