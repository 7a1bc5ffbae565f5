//! The mounted part of a session: volumes below the mount point, its record, and taking all of it down in reverse.

use crate::exit::{Failure, FailureKind};
use crate::job::Job;
use crate::sys::MountedVolume;
use session::{Event, Kept, OpenVolume, Opened, Record, RecordedVolume, Report, VolumeState};
use std::path::{Path, PathBuf};

/// A session whose volumes are mounted.
pub(crate) struct Serving {
    /// In the order of mounting; `None` once unmounted.
    volumes: Vec<Option<Served>>,
    opened: Option<Opened>,
    report: Report,
    record: Option<Kept>,
    /// How many members could not be read when the record was written last.
    faults_told: usize,
}

/// A mounted volume.
struct Served {
    mounted: MountedVolume,
    /// The directory that was made for it, and goes with it.
    made: Option<PathBuf>,
}

impl Serving {
    /// Mounts what can be mounted.
    pub(crate) fn mount(mut opened: Opened, job: &Job, record: Kept) -> Result<Self, Failure> {
        let report = opened.report().clone();
        let volumes = chosen(opened.take_volumes(), &report, job)?;
        let mut serving =
            Self { volumes: Vec::new(), opened: Some(opened), report, record: Some(record), faults_told: 0 };
        let path = |volume: &OpenVolume| match job.volume {
            Some(_) => job.mount_point.clone(),
            None => job.mount_point.join(&volume.name),
        };
        let recorded = |volume: &OpenVolume| RecordedVolume { name: volume.name.clone(), path: path(volume) };
        let all: Vec<_> = volumes.iter().map(recorded).collect();
        // Before the first is made: whoever cleans up after a kill looks at all of these places.
        serving.write_record(|record| {
            record.made.extend(all.iter().filter(|_| job.volume.is_none()).map(|volume| volume.path.clone()));
            record.volumes.clone_from(&all);
        })?;
        let mut mounted = Vec::new();
        for (volume, recorded) in volumes.into_iter().zip(all) {
            let index = volume.index;
            let outcome = serve(volume, &recorded.path, job.volume.is_none());
            let Some(entry) = serving.report.volumes.get_mut(index) else { continue };
            match outcome {
                Ok(volume) => {
                    entry.state = VolumeState::Mounted;
                    entry.mount_path = Some(recorded.path.display().to_string());
                    serving.volumes.push(Some(volume));
                    mounted.push(recorded);
                }
                Err(failure) => entry.state = VolumeState::Unreadable(failure.message),
            }
        }
        if mounted.is_empty() {
            return Err(no_volume(&serving.report));
        }
        serving.write_record(|record| {
            record.volumes = mounted;
            record.is_ready = true;
        })?;
        Ok(serving)
    }

    fn write_record(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Failure> {
        let Some(kept) = &mut self.record else { return Ok(()) };
        kept.update(change).map_err(|error| Failure::internal("cannot write the record of this session", error))
    }

    pub(crate) const fn report(&self) -> &Report {
        &self.report
    }

    /// How many volumes were mounted.
    pub(crate) const fn volumes(&self) -> usize {
        self.volumes.len()
    }

    /// Writes into the record how much was read, and what members of volumes could not give, so that `fr-mount status` tells it.
    pub(crate) fn keep_record(&mut self) {
        let Some(opened) = &self.opened else { return };
        let (bytes, faults) = (opened.bytes_read(), opened.faults());
        // Their counts go on and on: what is new is another member.
        let news = (faults.len() != self.faults_told).then_some(faults);
        self.faults_told = news.as_ref().map_or(self.faults_told, Vec::len);
        let written = self.write_record(|record| {
            record.bytes_read = bytes;
            if let Some(faults) = news {
                record.notices = faults;
            }
        });
        if let Err(failure) = written {
            tracing::warn!("{failure}");
        }
    }

    pub(crate) fn unmounted_from_outside(&self) -> Vec<Event> {
        let volumes = self.volumes.iter().enumerate();
        let gone = volumes.filter(|(_, volume)| volume.as_ref().is_some_and(|volume| !volume.mounted.is_mounted()));
        gone.map(|(index, _)| Event::Unmounted(index)).collect()
    }

    /// Answers nothing any more, on any volume: not what is cached here, and not what the kernel has cached.
    pub(crate) fn cut(&self) {
        if let Some(opened) = &self.opened {
            opened.cut();
        }
        for served in self.volumes.iter().flatten() {
            served.mounted.cut();
        }
    }

    /// Unmounts a volume, with `force` whoever uses it; says whether it is unmounted.
    pub(crate) fn unmount(&mut self, index: usize, force: bool) -> bool {
        let Some(slot) = self.volumes.get_mut(index) else { return true };
        let Some(served) = slot else { return true };
        if let Err(failure) = served.mounted.unmount(force) {
            tracing::warn!("{failure}");
            return false;
        }
        remove_made(served.made.as_deref());
        *slot = None;
        true
    }

    /// Takes down everything that is left, in reverse order of how it was built.
    pub(crate) fn finish(&mut self) {
        let mut is_clean = true;
        for index in (0..self.volumes.len()).rev() {
            // Already unmounted, or the session fails while it is built, or something is mounted over it.
            is_clean &= self.unmount(index, true);
        }
        self.volumes.clear();
        if let Some(opened) = self.opened.take() {
            opened.close();
        }
        match self.record.take() {
            Some(record) if !is_clean => record.give_up(),
            record => drop(record),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The volumes to mount: all that can be read, or the one that was asked for.
fn chosen(volumes: Vec<OpenVolume>, report: &Report, job: &Job) -> Result<Vec<OpenVolume>, Failure> {
    let Some(wanted) = &job.volume else { return Ok(volumes) };
    let known = |volume: &&session::VolumeReport| volume.name == *wanted;
    if report.volumes.iter().find(known).is_none() {
        let names: Vec<_> = report.volumes.iter().map(|volume| volume.name.as_str()).collect();
        let message = format!("there is no volume '{wanted}'; there are: {}", names.join(", "));
        return Err(Failure::new(FailureKind::NoVolume, message));
    }
    Ok(volumes.into_iter().filter(|volume| volume.name == *wanted).collect())
}

fn serve(volume: OpenVolume, path: &Path, make: bool) -> Result<Served, Failure> {
    let unusable = |error: std::io::Error| {
        Failure::new(
            FailureKind::MountPoint,
            format!("cannot make the directory '{}': {}", path.display(), block::io_reason(&error)),
        )
    };
    if make {
        std::fs::create_dir(path).map_err(unusable)?;
    }
    let made = make.then(|| path.to_owned());
    match MountedVolume::mount(volume.file_system, path, &volume.name) {
        Ok(mounted) => Ok(Served { mounted, made }),
        Err(failure) => {
            remove_made(made.as_deref());
            Err(failure)
        }
    }
}

/// Removes a directory that was made for a volume; it is empty once the volume is gone.
fn remove_made(made: Option<&Path>) {
    let Some(path) = made else { return };
    if let Err(error) = std::fs::remove_dir(path) {
        tracing::warn!("cannot remove the directory '{}': {error}", path.display());
    }
}

fn no_volume(report: &Report) -> Failure {
    let reasons: Vec<_> = report
        .volumes
        .iter()
        .map(|volume| match &volume.state {
            VolumeState::NoFileSystem(reason) | VolumeState::Unreadable(reason) => {
                format!("\n  {}: {reason}", volume.name)
            }
            VolumeState::Readable | VolumeState::Mounted => format!("\n  {}: not mounted", volume.name),
        })
        .chain(report.notices.iter().map(|notice| format!("\n  {notice}")))
        .collect();
    let what =
        if report.volumes.is_empty() { "no volume was found on the disks" } else { "no volume could be mounted:" };
    Failure::new(FailureKind::NoVolume, format!("{what}{}", reasons.concat()))
}
