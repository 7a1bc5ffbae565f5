//! Opening the file system on a volume, with the reader of its format.

use crate::companion::{self, Companion, Role};
use crate::detect::Content;
use block::ReadAt;
use std::sync::Arc;
use vfs::{Description, FileSystem, State};
use volume::{Node, Scan};

/// How file systems are opened.
#[derive(Clone, Debug)]
pub struct ReadingOptions {
    /// Whether journals that still hold changes are replayed, in memory.
    pub replay: bool,
    /// Whether files that carry a hash tree (fs-verity) are checked against it when they are read.
    pub verify: bool,
    /// How files of Windows are shown.
    pub windows: WindowsOptions,
    /// What the user says of volumes that belong to file systems on others.
    pub companions: Vec<Companion>,
    /// The name of the volume that is mounted without the others: no link leads to them then.
    pub mounted_alone: Option<String>,
}

/// How files of Windows (NTFS) are shown.
#[derive(Clone, Debug, Default)]
pub struct WindowsOptions {
    /// Whether short names are listed beside the long ones.
    pub short_names: bool,
    /// Whether streams are found as `file:stream` too.
    pub stream_paths: bool,
    /// Whose files are whose.
    pub security: ntfs::SecurityOptions,
}

/// A file system, if a volume holds one that is read.
pub(crate) struct Reading {
    /// The format's name.
    pub(crate) format: &'static str,
    pub(crate) file_system: vfs::Result<Arc<dyn FileSystem>>,
    /// What it says of itself; `None` where it is damaged.
    pub(crate) description: Option<Description>,
    /// Is told where its links to other volumes lead, once all volumes are open.
    pub(crate) links: Option<Arc<ntfs::VolumeMap>>,
}

/// Opens what is on `volume`; `None` where it is nothing that is read.
pub(crate) fn open(content: Content, volume: &Node, found: &Scan, options: &ReadingOptions) -> Option<Reading> {
    match content {
        Content::Ext => Some(ext4(volume, found, options)),
        Content::Xfs => Some(xfs(volume, found, options)),
        Content::Ntfs => Some(ntfs(volume, options)),
        Content::Companion { .. } | Content::Foreign { .. } | Content::Swap | Content::Unknown => None,
    }
}

fn ext4(volume: &Node, found: &Scan, options: &ReadingOptions) -> Reading {
    let wanted = ext4::external_journal(volume.volume.data.as_ref()).ok().flatten();
    let is_journal = |other: &dyn ReadAt| ext4::journal_device(other).is_ok_and(|uuid| uuid == wanted);
    let journal = wanted.and_then(|_| companion::find(Role::Log, volume, found, &options.companions, &is_journal));
    let options = ext4::OpenOptions { replay: options.replay, journal, verify: options.verify };
    let file_system = ext4::Ext4::open_with(&volume.volume.data, &options);
    Reading {
        format: "ext4",
        file_system: file_system.map(|fs| -> Arc<dyn FileSystem> { Arc::new(fs) }),
        // A damaged superblock describes nothing, and its copies do not know in what state it was left.
        description: ext4::describe(volume.volume.data.as_ref()).ok(),
        links: None,
    }
}

fn xfs(volume: &Node, found: &Scan, options: &ReadingOptions) -> Reading {
    let external = xfs::external(volume.volume.data.as_ref()).unwrap_or_default();
    let uuid = |needed: Option<xfs::Needed>| needed.and_then(|needed| needed.uuid);
    let (log, realtime) = (uuid(external.log), uuid(external.realtime));
    let is_log = |other: &dyn ReadAt| log.is_some() && xfs::log_device(other).is_ok_and(|uuid| uuid == log);
    let is_realtime =
        |other: &dyn ReadAt| realtime.is_some() && xfs::realtime_device(other).is_ok_and(|uuid| uuid == realtime);
    let companion = |needed: Option<xfs::Needed>, role, is_it: &dyn Fn(&dyn ReadAt) -> bool| {
        needed.and_then(|_| companion::find(role, volume, found, &options.companions, is_it))
    };
    let options = xfs::OpenOptions {
        replay: options.replay,
        log: companion(external.log, Role::Log, &is_log),
        realtime: companion(external.realtime, Role::Realtime, &is_realtime),
    };
    let file_system = xfs::Xfs::open_with(&volume.volume.data, &options);
    let mut description = xfs::describe(volume.volume.data.as_ref()).ok();
    // What its log holds is known only when it was opened.
    let was_in_use = file_system.as_ref().ok().map(xfs::Xfs::was_in_use);
    if let Some(description) = description.as_mut().filter(|_| was_in_use != Some(false)) {
        description.state.retain(|state| *state != State::Clean);
        description.state.extend(was_in_use.map(|_| State::JournalToBeReplayed));
    }
    let file_system = file_system.map(|fs| -> Arc<dyn FileSystem> { Arc::new(fs) });
    Reading { format: "xfs", file_system, description, links: None }
}

fn ntfs(volume: &Node, options: &ReadingOptions) -> Reading {
    let links = Arc::<ntfs::VolumeMap>::default();
    let options = ntfs::OpenOptions {
        replay: options.replay,
        short_names: options.windows.short_names,
        stream_paths: options.windows.stream_paths,
        security: options.windows.security.clone(),
        volumes: Arc::clone(&links),
    };
    let file_system = ntfs::Ntfs::open_with(&volume.volume.data, &options);
    Reading {
        format: "ntfs",
        description: file_system.as_ref().ok().map(ntfs::Ntfs::describe),
        links: Some(links),
        file_system: file_system.map(|fs| -> Arc<dyn FileSystem> { Arc::new(fs) }),
    }
}
