//! Bringing a recovery point into the vault: its disk images are opened and looked at, copied with all that they build on, opened
//! again from the vault, and only then told of in a manifest. Whatever fails before that leaves nothing behind.

mod copy;
mod files;

use crate::vault::{Images, Vault, manifest_path};
use crate::{Consistency, DiskEntry, Error, FileEntry, Manifest, PointId, UnixTime, VmName};
use block::{BlockSize, Disk};
use copy::Copied;
use files::DiskFiles;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// More disks than this no VM has.
const DISKS_MAX: usize = 256;
/// Bytes of the images that are kept in memory while they are opened again.
const CACHE_BYTES: u64 = 64 << 20;

/// What is brought into the vault.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) vm: VmName,
    /// Its name; by default the time at which it was taken.
    pub(crate) point: Option<PointId>,
    pub(crate) os: Option<String>,
    /// When the disks were in this state; by default when the newest image was changed last.
    pub(crate) taken_at: Option<UnixTime>,
    pub(crate) consistency: Consistency,
    pub(crate) block_size: BlockSize,
    /// The images in the order of their logical unit numbers.
    pub(crate) disks: Vec<PathBuf>,
    /// Directories besides an image's own in which what it builds on may lie.
    pub(crate) files_in: Vec<PathBuf>,
}

/// Is told, in words, what is being done.
pub(crate) type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// How an import is watched, and ended before its time.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) progress: Progress,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Watch {
    fn check(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::unavailable("it was interrupted; nothing has been left in the vault"));
        }
        Ok(())
    }

    fn tell(&self, text: &str) {
        (self.progress)(text);
    }
}

/// An image that was opened where it lies.
struct Opened {
    files: Arc<DiskFiles>,
    disk: Arc<dyn Disk>,
    format: image::Format,
}

impl Import {
    /// Brings the point into the vault.
    pub(crate) async fn run(self, vault: &Vault, watch: &Watch) -> Result<Manifest, Error> {
        if self.disks.is_empty() || self.disks.len() > DISKS_MAX {
            return Err(Error::invalid(format!("a recovery point has 1 to {DISKS_MAX} disks")));
        }
        let (import, told) = (self.clone(), watch.clone());
        let opened = tokio::task::spawn_blocking(move || import.open(&told)).await;
        let (opened, layout, changed_at) = opened.map_err(|error| Error::internal(format!("opening: {error}")))??;
        let taken_at = self.taken_at.unwrap_or(changed_at);
        let point = match &self.point {
            Some(point) => point.clone(),
            None => taken_at.compact().parse()?,
        };
        if vault.exists(&manifest_path(&self.vm, &point)).await? {
            return Err(taken(&self.vm, &point));
        }
        let mut manifest = Manifest {
            version: 1,
            vm: self.vm.clone(),
            point,
            os: self.os.clone(),
            taken_at,
            imported_at: UnixTime::now(),
            consistency: self.consistency,
            disks: Vec::new(),
            layout,
        };
        let mut copies = Copies { vault, watch, made: HashMap::new(), objects: Vec::new() };
        let finished = copies.finish(&mut manifest, opened).await;
        if let Err(error) = finished {
            copies.remove().await;
            return Err(error);
        }
        Ok(manifest)
    }

    /// Opens every image, and looks at what is on the disks together.
    fn open(&self, watch: &Watch) -> Result<(Vec<Opened>, session::Report, UnixTime), Error> {
        let mut opened = Vec::new();
        let mut changed_at = UnixTime::from_seconds(0);
        for path in &self.disks {
            watch.check()?;
            let files = Arc::new(DiskFiles::of(path, &self.files_in)?);
            watch.tell(&format!("opening {}", path.display()));
            let options = image::OpenOptions { format: None, block_size: self.block_size };
            let image = image::open(files.as_ref(), files.name(), &options);
            let image = image.map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
            changed_at = changed_at.max(files.changed_at());
            opened.push(Opened { files, disk: image.disk, format: image.format });
        }
        let disks = opened.iter().enumerate();
        let disks = disks.map(|(lun, opened)| (format!("LUN {lun}"), Arc::clone(&opened.disk))).collect();
        let progress = |text: &str| watch.tell(text);
        let layout = session::inspect(self.vm.as_str(), disks, &progress);
        let layout = layout.map_err(|error| Error::invalid(error.to_string()))?;
        Ok((opened, layout, changed_at))
    }
}

fn taken(vm: &VmName, point: &PointId) -> Error {
    Error::invalid(format!("there is a point '{point}' of '{vm}' already; give this one another name with --point"))
}

/// The files that have been copied.
struct Copies<'a> {
    vault: &'a Vault,
    watch: &'a Watch,
    /// By where they came from: an image that several others build on is copied once.
    made: HashMap<PathBuf, (String, Copied)>,
    objects: Vec<String>,
}

impl Copies<'_> {
    async fn finish(&mut self, manifest: &mut Manifest, opened: Vec<Opened>) -> Result<(), Error> {
        // Two imports of one point at a time must not write over each other's files.
        let import = uuid::Uuid::new_v4().simple().to_string();
        let import = import.get(..8).unwrap_or(&import).to_owned();
        for (lun, opened) in opened.into_iter().enumerate() {
            let mut files = Vec::new();
            for (name, path) in opened.files.found() {
                files.push(self.copy(manifest, &import, name, path).await?);
            }
            let geometry = opened.disk.geometry();
            manifest.disks.push(DiskEntry {
                lun: u16::try_from(lun).map_err(|_| Error::invalid("there are too many disks"))?,
                format: opened.format,
                block_size: geometry.block_size().bytes(),
                bytes: geometry.bytes(),
                files,
            });
        }
        self.watch.check()?;
        self.watch.tell("opening the images in the vault");
        Images::new(self.vault.clone(), CACHE_BYTES).disks(manifest).await?;
        self.watch.check()?;
        if !self.vault.create(&manifest_path(&manifest.vm, &manifest.point), manifest).await? {
            return Err(taken(&manifest.vm, &manifest.point));
        }
        Ok(())
    }

    async fn copy(
        &mut self,
        manifest: &Manifest,
        import: &str,
        name: String,
        path: PathBuf,
    ) -> Result<FileEntry, Error> {
        let entry = |object: String, copied: Copied| FileEntry {
            name: name.clone(),
            object,
            bytes: copied.bytes,
            sha256: copied.sha256,
        };
        if let Some((object, copied)) = self.made.get(&path) {
            return Ok(entry(object.clone(), copied.clone()));
        }
        let object = format!("{import}-{}{}", self.made.len(), extension(&path));
        let file = entry(object.clone(), Copied::default());
        let place = file.path(manifest)?;
        self.objects.push(place.clone());
        let copied = copy::copy(self.vault, &path, &place, self.watch).await?;
        self.made.insert(path, (object.clone(), copied.clone()));
        Ok(entry(object, copied))
    }

    /// Removes all that was copied.
    async fn remove(&self) {
        for object in &self.objects {
            if let Err(error) = self.vault.remove(object).await {
                tracing::warn!("'{object}' stays in the vault until 'fr-serve prune': {error}");
            }
        }
    }
}

/// The end of a file's name, so that people see in the vault what a file is.
fn extension(path: &std::path::Path) -> String {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("img");
    let legal = extension.len() <= 8 && extension.chars().all(|c| c.is_ascii_alphanumeric());
    if legal { format!(".{extension}") } else { ".img".to_owned() }
}

#[cfg(test)]
mod tests;
