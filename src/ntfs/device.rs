//! The volume of a file system, read by bytes and by runs of clusters.

use crate::boot::Geometry;
use crate::bytes::length;
use crate::runlist::Run;
use block::ReadAt;
use std::ops::Range;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::io;

/// The volume, and how it is divided.
pub(crate) struct Device {
    volume: Arc<dyn ReadAt>,
    pub(crate) geometry: Geometry,
}

/// Bytes of an attribute and where they are: a part of one run.
pub(crate) struct Piece {
    /// Where on the volume they begin; `None` for a hole.
    pub(crate) address: Option<u64>,
    /// How many there are up to the end of the run.
    pub(crate) bytes: u64,
}

impl Device {
    pub(crate) fn new(volume: Arc<dyn ReadAt>, geometry: Geometry) -> Self {
        Self { volume, geometry }
    }

    /// Fills `buf` from byte `address` of the volume on.
    pub(crate) fn read(&self, address: u64, buf: &mut [u8]) -> Result<()> {
        self.volume.read_exact_at(address, buf).map_err(io)
    }

    /// Hints that these bytes of the volume are wanted soon.
    pub(crate) fn will_need(&self, ranges: &[Range<u64>]) {
        self.volume.will_need(ranges);
    }

    /// The cluster that byte `offset` of an attribute is in.
    pub(crate) fn vcn(&self, offset: u64) -> u64 {
        offset >> self.geometry.cluster_shift
    }

    /// What of an attribute `run` holds from byte `offset` on, which is in it.
    pub(crate) fn piece(&self, run: Run, offset: u64) -> Piece {
        let start = run.vcn << self.geometry.cluster_shift;
        let skipped = offset.saturating_sub(start);
        // Runs lie on the volume, so that nothing is cut off here.
        Piece {
            address: run.lcn.map(|lcn| (lcn << self.geometry.cluster_shift).saturating_add(skipped)),
            bytes: run.clusters.saturating_mul(self.geometry.cluster_bytes()).saturating_sub(skipped),
        }
    }

    /// Fills `buf` with the bytes of an attribute from `offset` on; `run` finds the run that a cluster is in. Holes are
    /// zeros.
    pub(crate) fn read_runs(
        &self,
        run: &dyn Fn(u64) -> Result<Run>,
        mut offset: u64,
        mut buf: &mut [u8],
    ) -> Result<()> {
        while !buf.is_empty() {
            let piece = self.piece(run(self.vcn(offset))?, offset);
            let count = usize::try_from(piece.bytes).unwrap_or(usize::MAX).min(buf.len());
            let (now, rest) = buf.split_at_mut_checked(count).unwrap_or_default();
            match piece.address {
                Some(address) => self.read(address, now)?,
                None => now.fill(0),
            }
            offset = offset.saturating_add(length(now));
            buf = rest;
        }
        Ok(())
    }
}
