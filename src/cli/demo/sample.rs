//! The sample recovery point: two disk images inside this program, made by `packaging/sample/make`.

use crate::exit::Failure;
use block::{BlockSize, Disk};
use image::LocalFile;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::Arc;

const DISK_0: &[u8] = include_bytes!("../../../packaging/sample/disk0.img.zst");
const DISK_1: &[u8] = include_bytes!("../../../packaging/sample/disk1.img.zst");
/// `sha256sum` lines: hash, two spaces, path below the mount point.
pub(crate) const CHECKSUMS: &str = include_str!("../../../packaging/sample/SHA256SUMS");

/// The disks, unpacked into files without a name: whatever happens, they go with this process.
pub(crate) fn disks() -> Result<Vec<Arc<dyn Disk>>, Failure> {
    let disk = |packed| -> Result<Arc<dyn Disk>, Failure> {
        let file = unpack(packed).map_err(|error| Failure::internal("cannot unpack the sample disks", error))?;
        let file = LocalFile::new(file, "the sample disk");
        let file = file.map_err(|error| Failure::internal("cannot use the sample disks", error))?;
        image::disk(Arc::new(file), BlockSize::B512)
            .ok_or_else(|| Failure::internal("cannot use the sample disks", "they are empty"))
    };
    [DISK_0, DISK_1].into_iter().map(disk).collect()
}

/// Unpacks into a sparse file: what is zero is skipped.
fn unpack(packed: &[u8]) -> std::io::Result<File> {
    const BLOCK: usize = 64 << 10;
    let mut file = tempfile::tempfile()?;
    let mut packed = zstd::Decoder::new(packed)?;
    let mut size = 0_u64;
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        let limit = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        let length = (&mut packed).take(limit).read_to_end(&mut block)?;
        if length == 0 {
            break;
        }
        if block.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(size))?;
            file.write_all(&block)?;
        }
        size = size.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
    file.set_len(size)?;
    Ok(file)
}
