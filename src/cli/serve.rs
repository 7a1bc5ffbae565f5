//! The mounted part of a session: volumes below the mount point, its record, and taking all of it down in reverse.

use crate::daemon::Wake;
use crate::exit::{Failure, FailureKind};
use crate::job::Job;
use crate::sys::MountedVolume;
use session::{Action, Event, Kept, Lifecycle, OpenVolume, Opened, Record, RecordedVolume, Report, VolumeState};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often it is looked whether a volume was unmounted from outside.
const TICK: Duration = Duration::from_millis(250);

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
    pub(crate) fn mount(mut opened: Opened, job: &Job) -> Result<Self, Failure> {
        let mut report = opened.report().clone();
        let volumes = chosen(opened.take_volumes(), &report, job)?;
        let mut served = Vec::new();
        let mut recorded = Vec::new();
        for volume in volumes {
            let name = volume.name.clone();
            let index = volume.index;
            let path = if job.volume.is_some() { job.mount_point.clone() } else { job.mount_point.join(&name) };
            let outcome = serve(volume, &path, job.volume.is_none());
            let Some(entry) = report.volumes.get_mut(index) else { continue };
            match outcome {
                Ok(volume) => {
                    entry.state = VolumeState::Mounted;
                    entry.mount_path = Some(path.display().to_string());
                    served.push(Some(volume));
                    recorded.push(RecordedVolume { name, path });
                }
                Err(failure) => entry.state = VolumeState::Unreadable(failure.message),
            }
        }
        let mut serving = Self { volumes: served, opened: Some(opened), report, record: None, faults_told: 0 };
        if serving.volumes.is_empty() {
            return Err(no_volume(&serving.report));
        }
        serving.keep_record(job, recorded);
        Ok(serving)
    }

    fn keep_record(&mut self, job: &Job, volumes: Vec<RecordedVolume>) {
        let record = Record::new(self.report.source.clone(), job.mount_point.clone(), volumes);
        match crate::sys::state_dir().and_then(|dir| dir.keep(&record)) {
            Ok(kept) => self.record = Some(kept),
            Err(error) => {
                self.report.notices.push(format!(
                    "this session is not in 'fr-mount status': its record: {}",
                    block::io_reason(&error)
                ));
            }
        }
    }

    pub(crate) const fn report(&self) -> &Report {
        &self.report
    }

    /// Serves until the lifecycle says that all is over, then takes everything down.
    pub(crate) fn until_stopped(&mut self, wakes: &Receiver<Wake>) {
        let mut lifecycle = Lifecycle::new(self.volumes.len());
        loop {
            self.tell_faults();
            let mut events = self.unmounted_from_outside();
            match wakes.recv_timeout(TICK) {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => events.push(Event::StopRequested),
                Ok(_) | Err(RecvTimeoutError::Timeout) => events.push(Event::Tick),
            }
            while let Some(event) = events.pop() {
                let (next, actions) = lifecycle.step(event, Instant::now());
                lifecycle = next;
                for action in actions {
                    match self.carry_out(action) {
                        Some(event) => events.push(event),
                        None => return,
                    }
                }
            }
        }
    }

    /// Writes into the record what members of volumes could not give, so that `fr-mount status` tells it.
    fn tell_faults(&mut self) {
        let (Some(opened), Some(record)) = (&self.opened, &mut self.record) else { return };
        let faults = opened.faults();
        // Their counts go on and on: what is new is another member.
        if faults.len() != self.faults_told {
            self.faults_told = faults.len();
            if let Err(error) = record.set_notices(faults) {
                tracing::warn!("the record cannot be written: {}", block::io_reason(&error));
            }
        }
    }

    fn unmounted_from_outside(&self) -> Vec<Event> {
        let volumes = self.volumes.iter().enumerate();
        let gone = volumes.filter(|(_, volume)| volume.as_ref().is_some_and(|volume| !volume.mounted.is_mounted()));
        gone.map(|(index, _)| Event::Unmounted(index)).collect()
    }

    /// Does what the lifecycle asks for and says what came of it; `None` when the session is over.
    fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Unmount(index) => Some(self.unmount(index, false)),
            Action::ForceUnmount(index) => Some(self.unmount(index, true)),
            Action::Finish(reason) => {
                tracing::info!(?reason, "the session ends");
                self.finish();
                None
            }
        }
    }

    fn unmount(&mut self, index: usize, force: bool) -> Event {
        let Some(served) = self.volumes.get_mut(index).and_then(Option::as_mut) else { return Event::Unmounted(index) };
        match served.mounted.unmount(force) {
            Ok(()) => {
                self.forget(index);
                Event::Unmounted(index)
            }
            Err(failure) => {
                tracing::warn!("{failure}");
                Event::Busy(index)
            }
        }
    }

    fn forget(&mut self, index: usize) {
        let Some(served) = self.volumes.get_mut(index).and_then(Option::take) else { return };
        remove_made(served.made.as_deref());
    }

    /// Everything that is left, in reverse order of how it was built.
    fn finish(&mut self) {
        for index in (0..self.volumes.len()).rev() {
            if let Some(served) = self.volumes.get_mut(index).and_then(Option::as_mut) {
                // Already unmounted from outside, or the session fails while it is built.
                let _ = served.mounted.unmount(true);
            }
            self.forget(index);
        }
        if let Some(opened) = self.opened.take() {
            opened.close();
        }
        self.record = None;
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
