//! Disks of which an input gives a few parts; all else on them is zeros. What is found on them is looked at.

use block::{BlockSize, ReadAt, ReadError, ReadErrorKind};
use std::sync::Arc;
use volume::{Device, scan};

pub struct Disk {
    pub bytes: u64,
    /// First byte and contents; where they overlap, the later ones hold.
    pub parts: Vec<(u64, Vec<u8>)>,
}

impl ReadAt for Disk {
    fn size(&self) -> u64 {
        self.bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = buf.len() as u64;
        let end = offset.checked_add(length).filter(|end| *end <= self.bytes);
        let end = end.ok_or(ReadError::new(ReadErrorKind::OutOfRange, offset, length))?;
        buf.fill(0);
        for (start, part) in &self.parts {
            let (from, to) = (offset.max(*start), end.min(*start + part.len() as u64));
            if from < to {
                let (into, of) = ((from - offset) as usize, (from - start) as usize);
                let length = (to - from) as usize;
                buf[into..into + length].copy_from_slice(&part[of..of + length]);
            }
        }
        Ok(())
    }
}

/// Scans disks, and reads a little everywhere in what is found.
#[allow(dead_code, reason = "not every target asks")]
pub fn look_at(disks: Vec<Disk>) {
    let device = |disk: Disk| Device { name: "disk".into(), data: Arc::new(disk), block_size: BlockSize::B512 };
    look(&disks.into_iter().map(device).collect::<Vec<_>>(), 64 << 10);
}

/// Scans devices, and reads `piece` bytes at some places in what is found; of how many volumes, the devices among
/// them, the beginning was read.
pub fn look(devices: &[Device], piece: usize) -> usize {
    let found = scan(devices);
    let mut buf = vec![0; piece];
    let mut readable = 0;
    for volume in found.nodes.iter().map(|node| &node.volume) {
        let bytes = volume.data.size();
        assert_eq!(bytes, volume.bytes, "{}", volume.name);
        volume.data.will_need(std::slice::from_ref(&(0..bytes.min(1 << 20))));
        for at in [0, bytes / 3, bytes / 2 + 511, bytes.saturating_sub(70_000), bytes.saturating_sub(1)] {
            let length = bytes.saturating_sub(at).min(buf.len() as u64) as usize;
            // An error is an answer.
            let result = volume.data.read_exact_at(at, &mut buf[..length]);
            readable += usize::from(at == 0 && result.is_ok());
        }
        assert!(volume.data.read_exact_at(bytes, &mut [0]).is_err());
    }
    readable
}
