//! Builds the chain bottom up: source, disks behind one cache, partitions, file systems.

use crate::companion;
use crate::detect::{self, Content};
use crate::drive_letters::{self, DriveLetters};
use crate::names::{self, Candidate};
use crate::reading::{self, Reading, ReadingOptions};
use crate::source::{Source, SourceDisk};
use crate::tree;
use crate::{DiskReport, Error, ErrorKind, FileSystemReport, PartitionReport, Report, VolumeReport, VolumeState};
use block::{Cache, CacheConfig, CachedDisk, ReadAt, ReadError};
use bundle::RecoveryPoint;
use guest::MountedDevices;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use vfs::{Description, FileSystem};
use volume::map::Faults;
use volume::{Device, Node, Purpose, Scan};

/// How a recovery point is opened.
pub struct OpenOptions {
    /// How the portal is reached, and how it proves who it is.
    pub tunnel: tunnel::TunnelConfig,
    /// Login and time-outs.
    pub iscsi: iscsi::SessionConfig,
    /// How long a target is waited for that is still being prepared.
    pub ready_timeout: std::time::Duration,
    /// The cache that all disks share.
    pub cache: CacheConfig,
    /// Logical block size of disk image files.
    pub image_block_size: block::BlockSize,
    /// How file systems are opened.
    pub reading: ReadingOptions,
}

/// Is told, in words, what is being done.
pub type Progress<'a> = &'a dyn Fn(&str);

/// A file system that was opened.
pub struct OpenVolume {
    /// Its place in [`Report::volumes`].
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its files.
    pub file_system: Arc<dyn FileSystem>,
}

/// An open recovery point.
pub struct Opened {
    report: Report,
    volumes: Vec<OpenVolume>,
    source: Source,
    faults: Arc<Faults>,
    cache: Arc<Cache>,
}

impl Opened {
    /// What was found.
    #[must_use]
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// The volumes that can be read, in the order of the report; given once.
    #[must_use]
    pub fn take_volumes(&mut self) -> Vec<OpenVolume> {
        std::mem::take(&mut self.volumes)
    }

    /// What members of volumes could not give until now, in words.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        tree::faults(&self.faults)
    }

    /// How many bytes were read from the disks so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.cache.bytes_read()
    }

    /// Has `tell` called when nothing can be read any more and never will be, whether or not somebody reads: with
    /// [`ErrorKind::Revoked`] when the access was withdrawn. A source that cannot be reached is not over.
    pub fn when_over(&self, tell: impl Fn(Error) + Send + Sync + 'static) {
        let tell: Arc<dyn Fn(Error) + Send + Sync> = Arc::new(tell);
        self.source.when_over(&tell);
    }

    /// Whatever is read from now on is an error, of what is cached too.
    pub fn cut(&self) {
        self.cache.close();
    }

    /// Ends the connection. Whatever is read from now on is an error.
    pub fn close(self) {
        self.cut();
        drop(self.volumes);
        self.source.close();
    }
}

/// Opens a recovery point: logs in, finds its disks, their partitions and file systems.
///
/// # Errors
/// When its disks cannot be reached. A disk or volume that cannot be read is no error: the report says so.
pub fn open(point: &RecoveryPoint, options: OpenOptions, progress: Progress<'_>) -> Result<Opened, Error> {
    let (cache, reading) = (options.cache, options.reading.clone());
    let (source, disks, notices) = Source::open(point, options, progress)?;
    let report = Report { source: point.to_string(), notices, ..Report::default() };
    let Examined { report, volumes, faults, cache } = examine(report, disks, cache, &reading, progress)?;
    Ok(Opened { report, volumes, source, faults, cache })
}

/// What was found on disks.
pub(crate) struct Examined {
    pub(crate) report: Report,
    volumes: Vec<OpenVolume>,
    faults: Arc<Faults>,
    cache: Arc<Cache>,
}

/// Finds partitions and file systems on disks; `report` holds what is known before.
pub(crate) fn examine(
    mut report: Report,
    disks: Vec<SourceDisk>,
    cache: CacheConfig,
    reading: &ReadingOptions,
    progress: Progress<'_>,
) -> Result<Examined, Error> {
    let cache = Cache::new(cache);
    let devices: Vec<_> = disks.into_iter().map(|disk| Attached::new(disk, &cache)).collect();
    progress("reading partition tables");
    let found = volume::scan(&devices.iter().map(Attached::device).collect::<Vec<_>>());
    report.notices.extend(found.notices.iter().cloned());
    if let Some(position) = companion::unknown(&reading.companions, &found) {
        let message = format!("there is no volume {position} in it: 'fr-mount volumes' shows where each is");
        return Err(Error::new(ErrorKind::Config, message));
    }
    report.disks = devices.iter().enumerate().map(|(index, disk)| disk.report(index, &found)).collect();
    report.groups = found.groups.iter().map(|group| tree::group(group, &found)).collect();
    report.parts = found.nodes.iter().filter_map(tree::part).collect();
    let volumes = read_volumes(&found, reading, &mut report, progress);
    report.notices.extend(tree::faults(&found.faults));
    Ok(Examined { report, volumes, faults: found.faults, cache })
}

/// A disk behind the cache.
struct Attached {
    disk: SourceDisk,
    data: Arc<CachedDisk>,
}

impl Attached {
    fn new(disk: SourceDisk, cache: &Arc<Cache>) -> Self {
        let data = Arc::new(cache.attach(Arc::clone(&disk.disk)));
        Self { disk, data }
    }

    fn device(&self) -> Device {
        let data: Arc<dyn ReadAt> = Arc::<CachedDisk>::clone(&self.data);
        Device { name: self.disk.location.clone(), data, block_size: self.disk.disk.geometry().block_size() }
    }

    fn report(&self, index: usize, found: &Scan) -> DiskReport {
        let geometry = self.disk.disk.geometry();
        DiskReport {
            disk: index,
            location: self.disk.location.clone(),
            model: self.disk.model.clone(),
            serial: self.disk.serial.clone(),
            bytes: geometry.bytes(),
            block_size: geometry.block_size().bytes(),
            table: found.tables.get(index).map_or_else(|| "none".to_owned(), ToString::to_string),
        }
    }
}

/// What a volume turned out to be.
struct Finding {
    content: Result<Content, ReadError>,
    reading: Option<Reading>,
    /// Why it cannot be looked into at all.
    refused: Option<String>,
}

fn read_volumes(
    found: &Scan,
    reading: &ReadingOptions,
    report: &mut Report,
    progress: Progress<'_>,
) -> Vec<OpenVolume> {
    let volumes = leaves(found, report);
    let findings: Vec<_> = volumes.iter().map(|volume| find(volume, found, reading, progress)).collect();
    let installations: Vec<_> = findings.iter().map(installation).collect();
    let letters = DriveLetters::new(&volumes.iter().map(|node| &node.volume).collect::<Vec<_>>(), &installations);
    let names = names(&volumes, &findings, &letters);
    lead_links(&findings, &letters, &names, reading.mounted_alone.as_deref());
    let mut open = Vec::new();
    for (((volume, finding), name), installation) in volumes.iter().zip(findings).zip(names).zip(installations) {
        let index = report.volumes.len();
        let mut entry = volume_report(volume, &finding, name.clone());
        entry.drive_letters = letters.of(index).into_iter().map(|letter| format!("{letter}:")).collect();
        entry.notices.extend(installation.err().map(|error| {
            format!(
                "the registry of its Windows cannot be read, so drive letters are not known: {}",
                with_causes(&error)
            )
        }));
        report.volumes.push(entry);
        if let Some(Ok(file_system)) = finding.reading.map(|reading| reading.file_system) {
            open.push(OpenVolume { index, name, file_system });
        }
    }
    open
}

/// What a Windows on the volume remembers of all volumes.
fn installation(finding: &Finding) -> vfs::Result<Option<MountedDevices>> {
    match finding.reading.as_ref().map(|reading| &reading.file_system) {
        Some(Ok(file_system)) => drive_letters::installation(file_system.as_ref()),
        Some(Err(_)) | None => Ok(None),
    }
}

fn names(volumes: &[&Node], findings: &[Finding], letters: &DriveLetters) -> Vec<String> {
    let labels: Vec<_> = findings.iter().map(|finding| info(finding).and_then(|info| info.label)).collect();
    let numbered = volumes.iter().zip(&labels).enumerate();
    let candidates = numbered.map(|(number, (volume, label))| Candidate {
        label: label.as_deref(),
        letter: letters.of(number).first().copied(),
        position: &volume.position,
    });
    names::assign(&candidates.collect::<Vec<_>>())
}

/// Tells every file system where its links to others lead: to those that are mounted beside it.
fn lead_links(findings: &[Finding], letters: &DriveLetters, names: &[String], alone: Option<&str>) {
    let readable = |finding: &Finding| finding.reading.as_ref().is_some_and(|reading| reading.file_system.is_ok());
    let mounted = findings
        .iter()
        .zip(names)
        .enumerate()
        .filter(|(_, (finding, name))| readable(finding) && alone.is_none_or(|alone| alone == name.as_str()));
    let mounted: HashMap<_, _> = mounted.map(|(number, (_, name))| (number, name.clone())).collect();
    for (number, finding) in findings.iter().enumerate() {
        if let Some(links) = finding.reading.as_ref().and_then(|reading| reading.links.as_ref()) {
            links.set(letters.places(number, &mounted));
        }
    }
}

/// What can hold files. A file system on all of a device wins over an MBR in front of it whose partitions hold nothing: ext4 leaves
/// that place alone, so the table may be older than it.
fn leaves<'a>(found: &'a Scan, report: &mut Report) -> Vec<&'a Node> {
    let content = |node: &Node| detect::content(node.volume.data.as_ref());
    let mut left_over = HashSet::new();
    for node in &found.nodes {
        let Some(group) =
            node.member_of.filter(|group| found.groups.get(*group).is_some_and(|group| group.kind == "MBR"))
        else {
            continue;
        };
        let mut parts = found.nodes.iter().filter(|part| part.made_by == Some(group));
        let is_empty = |part: &Node| part.is_leaf() && matches!(content(part), Ok(Content::Unknown));
        if matches!(content(node), Ok(Content::Ext)) && parts.all(is_empty) {
            left_over.insert(group);
            report.notices.push(format!(
                "volume {}: it holds a file system as a whole; its partition table names partitions that hold nothing, and is taken \
                 for left over",
                node.position
            ));
        }
    }
    let is_left_over = |group: Option<usize>| group.is_some_and(|group| left_over.contains(&group));
    let is_leaf = |node: &&Node| is_left_over(node.member_of) || (node.is_leaf() && !is_left_over(node.made_by));
    found.nodes.iter().filter(is_leaf).collect()
}

fn find(volume: &Node, found: &Scan, reading: &ReadingOptions, progress: Progress<'_>) -> Finding {
    progress(&format!("reading volume {}", volume.position));
    if let Purpose::Refused(why) = &volume.volume.purpose {
        return Finding { content: Ok(Content::Unknown), reading: None, refused: Some(why.clone()) };
    }
    let content = detect::content(volume.volume.data.as_ref());
    let reading = content.as_ref().ok().and_then(|content| reading::open(*content, volume, found, reading));
    Finding { content, reading, refused: None }
}

fn info(finding: &Finding) -> Option<vfs::FsInfo> {
    finding.reading.as_ref()?.file_system.as_ref().ok().map(|file_system| file_system.info())
}

fn volume_report(node: &Node, finding: &Finding, name: String) -> VolumeReport {
    let volume = &node.volume;
    let info = info(finding);
    let description = finding.reading.as_ref().and_then(|reading| reading.description.as_ref());
    let (label, uuid) = info.as_ref().map(|info| (info.label.clone(), info.uuid.clone())).unwrap_or_default();
    let (format, state) = describe(finding);
    let format = info.as_ref().map(|info| info.format).or(format).map(ToOwned::to_owned);
    VolumeReport {
        name,
        position: node.position.clone(),
        disk: node.disk,
        partition: PartitionReport {
            number: volume.partition,
            kind: volume.kind.to_string(),
            name: volume.label.clone(),
            start: volume.start,
        },
        bytes: volume.bytes,
        health: volume.health.to_string(),
        format,
        label: label.or_else(|| description?.label.clone()),
        drive_letters: Vec::new(),
        uuid: uuid.or_else(|| description?.uuid.clone()),
        file_system: description.map(file_system_report),
        state,
        mount_path: None,
        notices: volume.notices.iter().cloned().chain(info.map(|info| info.notices).unwrap_or_default()).collect(),
    }
}

fn file_system_report(of: &Description) -> FileSystemReport {
    let history = of.history.as_ref();
    FileSystemReport {
        block_size: of.block_size,
        inode_size: of.inode_size,
        features: of.features.clone(),
        state: of.state.iter().map(|state| state.name().to_owned()).collect(),
        has_history: history.is_some(),
        last_mount_path: history.and_then(|history| history.last_mount_path.clone()),
        last_mount_at: history.and_then(|history| history.last_mount).map(|time| time.seconds),
        last_write_at: history.and_then(|history| history.last_write).map(|time| time.seconds),
    }
}

/// The format's name and what can be done with the volume.
fn describe(finding: &Finding) -> (Option<&'static str>, VolumeState) {
    if let Some(reading) = &finding.reading {
        return match &reading.file_system {
            Ok(_) => (None, VolumeState::Readable),
            Err(error) => (Some(reading.format), VolumeState::Unreadable(with_causes(error))),
        };
    }
    if let Some(why) = &finding.refused {
        return (None, VolumeState::Unreadable(why.clone()));
    }
    match &finding.content {
        Err(error) => (None, VolumeState::Unreadable(error.to_string())),
        Ok(Content::Foreign { format, name }) => {
            (Some(format), VolumeState::Unreadable(format!("{name}, which this version does not read yet")))
        }
        Ok(Content::Companion { format, name }) => (Some(format), VolumeState::NoFileSystem((*name).to_owned())),
        Ok(Content::Swap) => (Some("swap"), VolumeState::NoFileSystem("swap space".to_owned())),
        Ok(Content::Unknown | Content::Ext | Content::Xfs | Content::Ntfs) => {
            (None, VolumeState::NoFileSystem("no file system was recognised".to_owned()))
        }
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
