//! What is on disks that are open already: for a catalogue of recovery points.

use crate::open::{Examined, examine};
use crate::source::SourceDisk;
use crate::{Error, Progress, ReadingOptions, Report, WindowsOptions};
use block::{CacheConfig, Disk};
use std::sync::Arc;

/// Looks at disks as a recovery point that is opened would be looked at: partitions, groups, volumes, file systems. Each disk comes
/// with what the report calls it, and all of it is called `name`.
///
/// # Errors
/// Never for what is on the disks: the report says what cannot be read.
pub fn inspect(name: &str, disks: Vec<(String, Arc<dyn Disk>)>, progress: Progress<'_>) -> Result<Report, Error> {
    let report = Report { source: name.to_owned(), ..Report::default() };
    let disk = |(location, disk)| SourceDisk { disk, location, model: None, serial: None };
    let disks = disks.into_iter().map(disk).collect();
    let reading = ReadingOptions {
        replay: true,
        verify: false,
        windows: WindowsOptions::default(),
        companions: Vec::new(),
        mounted_alone: None,
    };
    let Examined { report, .. } = examine(report, disks, CacheConfig::default(), &reading, progress)?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    #[test]
    fn disks_without_anything_on_them_are_reported_as_such() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new(vec![0; 1 << 20], BlockSize::B512));
        let report = inspect("web/p1", vec![("disk 0".to_owned(), disk)], &|_| ()).unwrap();
        assert_eq!((report.source.as_str(), report.disks.len()), ("web/p1", 1));
        assert_eq!((report.disks[0].location.as_str(), report.disks[0].bytes), ("disk 0", 1 << 20));
        assert_eq!(report.volumes.len(), 1);
    }
}
