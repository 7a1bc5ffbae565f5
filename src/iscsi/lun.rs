//! A logical unit: what it is, and reading from it.

mod transfer;

use crate::handle::Handle;
use crate::scsi::{
    BlockLimits, Capacity, Command, Designator, NeedsCapacity16, StandardInquiry, VitalPage, block_limits, designators,
    serial_number, vital_pages,
};
use crate::{Error, ErrorKind, LunNumber};
use bytes::Bytes;
use std::sync::Arc;

/// What a disk tells about itself. What comes from the target is printable text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunInfo {
    /// Its number.
    pub lun: LunNumber,
    /// T10 VENDOR IDENTIFICATION.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION.
    pub product: String,
    /// PRODUCT REVISION LEVEL.
    pub revision: String,
    /// The unit serial number (VPD page 0x80).
    pub serial: Option<String>,
    /// The names of the unit (VPD page 0x83).
    pub designators: Vec<Designator>,
    /// Size of a logical block in bytes, as told: it may be any number.
    pub block_bytes: u32,
    /// Number of logical blocks.
    pub blocks: u64,
    /// The longest read in blocks (VPD page 0xB0).
    pub transfer_blocks_max: Option<u32>,
}

impl LunInfo {
    /// Refuses another disk in the place of this one.
    pub(crate) fn check_same(&self, now: &Self) -> Result<(), Error> {
        let same = self.serial == now.serial
            && self.designators == now.designators
            && self.block_bytes == now.block_bytes
            && self.blocks == now.blocks;
        if same {
            return Ok(());
        }
        Err(changed(self.lun))
    }
}

/// Another disk, or none, is where one was.
pub(crate) fn changed(lun: LunNumber) -> Error {
    let message = format!("LUN {lun} is not the disk it was before: unmount, and mount the recovery point anew");
    Error::new(ErrorKind::Changed, message)
}

/// A disk of a target. Cheap to clone.
#[derive(Clone)]
pub struct Lun {
    handle: Handle,
    info: Arc<LunInfo>,
}

impl Lun {
    pub(crate) fn new(handle: Handle, info: LunInfo) -> Self {
        Self { handle, info: Arc::new(info) }
    }

    /// What the disk told about itself when it was opened.
    #[must_use]
    pub fn info(&self) -> &LunInfo {
        &self.info
    }

    /// Asks for `count` blocks from `lba` on and returns at once. `done` is called exactly once, on a thread that must
    /// not be blocked, with all of the bytes or an error.
    pub fn submit(&self, lba: u64, count: u32, done: Box<dyn FnOnce(Result<Bytes, Error>) + Send>) {
        transfer::submit(&self.handle, &self.info, lba, count, done);
    }
}

/// Asks a logical unit what it is; `None` when it is no disk, or not there.
///
/// # Errors
/// When it does not answer, or is a disk without a capacity.
pub(crate) async fn inspect(handle: &Handle, lun: LunNumber) -> Result<Option<LunInfo>, Error> {
    let standard = handle.run(lun, Command::Inquiry { allocation_bytes: 96 }).await?;
    let standard = StandardInquiry::parse(&standard).ok_or_else(|| broken(lun, "INQUIRY"))?;
    if !standard.is_disk() {
        return Ok(None);
    }
    let pages = page(handle, lun, VitalPage::SUPPORTED).await?;
    let pages = pages.and_then(|data| vital_pages(&data)).unwrap_or_default();
    let supported = async |code: u8| if pages.contains(&code) { page(handle, lun, code).await } else { Ok(None) };
    let (capacity, serial, names, limits) = tokio::join!(
        capacity(handle, lun),
        supported(VitalPage::SERIAL_NUMBER),
        supported(VitalPage::DEVICE_IDENTIFICATION),
        supported(VitalPage::BLOCK_LIMITS),
    );
    let (capacity, limits) = (capacity?, limits?.and_then(|data| block_limits(&data)));
    Ok(Some(LunInfo {
        lun,
        vendor: standard.vendor,
        product: standard.product,
        revision: standard.revision,
        serial: serial?.and_then(|data| serial_number(&data)),
        designators: names?.and_then(|data| designators(&data)).unwrap_or_default(),
        block_bytes: capacity.block_bytes,
        blocks: capacity.blocks,
        transfer_blocks_max: limits.and_then(|limits: BlockLimits| limits.transfer_blocks_max),
    }))
}

/// A page of vital product data; `None` when the unit refuses to give it, which it may.
async fn page(handle: &Handle, lun: LunNumber, page: u8) -> Result<Option<Bytes>, Error> {
    match handle.run(lun, Command::InquiryPage { page, allocation_bytes: 1020 }).await {
        Ok(data) => Ok(Some(data)),
        Err(error) if error.kind == ErrorKind::Scsi => Ok(None),
        Err(error) => Err(error),
    }
}

/// READ CAPACITY (16), or (10) where the former is not known.
async fn capacity(handle: &Handle, lun: LunNumber) -> Result<Capacity, Error> {
    let refused = match handle.run(lun, Command::ReadCapacity16).await {
        Ok(data) => return Capacity::parse_16(&data).ok_or_else(|| broken(lun, "READ CAPACITY (16)")),
        Err(error) if error.kind == ErrorKind::Scsi => error,
        Err(error) => return Err(error),
    };
    let data = handle.run(lun, Command::ReadCapacity10).await?;
    match Capacity::parse_10(&data).ok_or_else(|| broken(lun, "READ CAPACITY (10)"))? {
        Ok(capacity) => Ok(capacity),
        Err(NeedsCapacity16) => Err(refused),
    }
}

fn broken(lun: LunNumber, command: &str) -> Error {
    Error::protocol(format!("LUN {lun}: the answer to {command} cannot be used"))
}
