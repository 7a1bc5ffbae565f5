//! INQUIRY: what a logical unit is (SPC-4 sections 6.6 and 7.8, SBC-3 section 6.6).

use std::fmt;

/// Pages of vital product data that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VitalPage;

impl VitalPage {
    /// Supported VPD pages.
    pub const SUPPORTED: u8 = 0x00;
    /// Unit serial number.
    pub const SERIAL_NUMBER: u8 = 0x80;
    /// Device identification.
    pub const DEVICE_IDENTIFICATION: u8 = 0x83;
    /// Block limits.
    pub const BLOCK_LIMITS: u8 = 0xb0;
}

/// Standard INQUIRY data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandardInquiry {
    /// PERIPHERAL QUALIFIER: 0 is a unit that is there.
    pub qualifier: u8,
    /// PERIPHERAL DEVICE TYPE: 0 is a direct access block device, a disk.
    pub device_type: u8,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION.
    pub product: String,
    /// PRODUCT REVISION LEVEL.
    pub revision: String,
}

impl StandardInquiry {
    /// Takes an answer apart; fields that it is too short for are empty.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let first = data.first()?;
        let text = |range: std::ops::Range<usize>| text(data.get(range).unwrap_or_default());
        Some(Self {
            qualifier: first >> 5,
            device_type: first & 0x1f,
            vendor: text(8..16),
            product: text(16..32),
            revision: text(32..36),
        })
    }

    /// Whether it is a disk that is there.
    #[must_use]
    pub const fn is_disk(&self) -> bool {
        self.qualifier == 0 && self.device_type == 0
    }
}

/// The body of a page of vital product data, or `None` when the answer is for another page.
fn page(data: &[u8], page: u8) -> Option<&[u8]> {
    let [_, code, high, low, body @ ..] = data else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (*code == page).then(|| body.get(..length).unwrap_or(body))
}

/// Which pages there are (page 0x00).
#[must_use]
pub fn vital_pages(data: &[u8]) -> Option<Vec<u8>> {
    page(data, VitalPage::SUPPORTED).map(<[u8]>::to_vec)
}

/// The unit serial number (page 0x80), without blanks around it; `None` when there is none.
#[must_use]
pub fn serial_number(data: &[u8]) -> Option<String> {
    let serial = text(page(data, VitalPage::SERIAL_NUMBER)?);
    (!serial.is_empty()).then_some(serial)
}

/// A name of a logical unit (page 0x83).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Designator {
    /// DESIGNATOR TYPE: 1 T10 vendor ID, 2 EUI-64, 3 NAA, 8 SCSI name string.
    pub kind: u8,
    /// The designator: text for T10 and SCSI name string, else binary.
    pub bytes: Vec<u8>,
    is_text: bool,
}

impl fmt::Display for Designator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            0 => "vendor",
            1 => "t10",
            2 => "eui",
            3 => "naa",
            8 => "name",
            10 => "uuid",
            _ => "other",
        };
        if self.is_text {
            return write!(f, "{kind}.{}", text(&self.bytes));
        }
        write!(f, "{kind}.{}", hex::encode(&self.bytes))
    }
}

/// The designators that name the logical unit itself and not the port or the target (page 0x83).
#[must_use]
pub fn designators(data: &[u8]) -> Option<Vec<Designator>> {
    const ASSOCIATION: u8 = 0x30;
    let mut rest = page(data, VitalPage::DEVICE_IDENTIFICATION)?;
    let mut designators = Vec::new();
    // Each turn takes four bytes at least.
    while let [first, second, _, length, tail @ ..] = rest {
        let Some(bytes) = tail.get(..usize::from(*length)) else { break };
        if second & ASSOCIATION == 0 && !bytes.is_empty() {
            let is_text = matches!(first & 0xf, 2 | 3);
            designators.push(Designator { kind: second & 0xf, bytes: bytes.to_vec(), is_text });
        }
        rest = tail.get(bytes.len()..).unwrap_or_default();
    }
    Some(designators)
}

/// Block limits (page 0xb0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// MAXIMUM TRANSFER LENGTH in blocks; `None` when the unit does not say.
    pub transfer_blocks_max: Option<u32>,
    /// OPTIMAL TRANSFER LENGTH in blocks; `None` when the unit does not say.
    pub transfer_blocks_optimal: Option<u32>,
}

/// The block limits (page 0xb0).
#[must_use]
pub fn block_limits(data: &[u8]) -> Option<BlockLimits> {
    let body = page(data, VitalPage::BLOCK_LIMITS)?;
    let field = |from: usize| {
        let bytes = body.get(from..)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes)).filter(|blocks| *blocks != 0)
    };
    // Bytes 8 and 12 of the page, whose body begins at byte 4.
    Some(BlockLimits { transfer_blocks_max: field(4), transfer_blocks_optimal: field(8) })
}

/// What a field with text says, without blanks and zeros around it and without what could upset a terminal.
fn text(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).map(printable).collect();
    text.trim().to_owned()
}

const fn printable(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\0' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn standard_data_tells_a_disk_and_its_model() {
        let mut data = vec![0; 36];
        data[8..36].copy_from_slice(b"IET     VIRTUAL-DISK    0001");
        let inquiry = StandardInquiry::parse(&data).unwrap();
        assert!(inquiry.is_disk());
        assert_eq!((inquiry.vendor.as_str(), inquiry.product.as_str()), ("IET", "VIRTUAL-DISK"));
        assert_eq!(inquiry.revision, "0001");
        // A controller (type 12), and a unit that is not there (qualifier 1).
        assert!(!StandardInquiry::parse(&[0x0c]).unwrap().is_disk());
        assert!(!StandardInquiry::parse(&[0x20]).unwrap().is_disk());
    }

    #[test]
    fn what_could_upset_a_terminal_is_not_passed_on() {
        let mut data = vec![0; 36];
        data[8..16].copy_from_slice(b"\x1b[2Jab\x00\xff");
        assert_eq!(StandardInquiry::parse(&data).unwrap().vendor, "?[2Jab ?");
    }

    #[test]
    fn a_serial_number_is_taken_without_its_blanks() {
        assert_eq!(serial_number(b"\0\x80\0\x0a   beef01 rest"), Some("beef01".into()));
        assert_eq!(serial_number(b"\0\x80\0\x04    "), None);
        assert_eq!(serial_number(b"\0\x83\0\x04beef"), None, "another page");
    }

    #[test]
    fn only_designators_of_the_unit_are_taken() {
        let mut data = vec![0, 0x83, 0, 0];
        data.extend_from_slice(&[1, 3, 0, 8, 0x60, 1, 2, 3, 4, 5, 6, 7]);
        // A relative target port, which is a name of the port (association 1).
        data.extend_from_slice(&[1, 0x14, 0, 4, 0, 0, 0, 1]);
        data.extend_from_slice(&[2, 1, 0, 4]);
        data.extend_from_slice(b"IET ");
        data[3] = u8::try_from(data.len() - 4).unwrap();
        let names: Vec<_> = designators(&data).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["naa.6001020304050607", "t10.IET"]);
    }

    #[test]
    fn block_limits_that_are_zero_are_not_told() {
        let mut data = vec![0; 64];
        data[1] = 0xb0;
        data[3] = 60;
        data[8..12].copy_from_slice(&8192_u32.to_be_bytes());
        let limits = BlockLimits { transfer_blocks_max: Some(8192), transfer_blocks_optimal: None };
        assert_eq!(block_limits(&data), Some(limits));
        assert_eq!(block_limits(&data[..9]).unwrap().transfer_blocks_max, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_harm(mut data in proptest::collection::vec(any::<u8>(), 0..200), page: u8) {
            let pages = [0x00, 0x80, 0x83, 0xb0];
            if let Some(code) = data.get_mut(1) {
                *code = pages[usize::from(page & 3)];
            }
            let _ = (StandardInquiry::parse(&data), vital_pages(&data), serial_number(&data));
            let _ = block_limits(&data);
            for designator in designators(&data).unwrap_or_default() {
                prop_assert!(designator.bytes.len() <= data.len());
            }
        }
    }
}
