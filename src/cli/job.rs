//! What a daemon is told to do, secrets included. It travels from the command that the user typed to the daemon
//! through a pipe, and is wiped on both sides.

use crate::args::{EndingArgs, ShowArgs, SourceOptions};
use crate::exit::Failure;
use crate::secrets::Secrets;
use bundle::RecoveryPoint;
use serde::{Deserialize, Serialize};
use session::OpenOptions;
use std::path::{Path, PathBuf};

/// A session to run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) source: JobSource,
    pub(crate) secrets: Secrets,
    pub(crate) mount_point: PathBuf,
    pub(crate) volume: Option<String>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) ending: EndingArgs,
    /// Directories that were made for the session already, and go with it.
    pub(crate) made: Vec<PathBuf>,
}

/// What is opened, and how.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobSource {
    sources: Vec<String>,
    /// The text of SOURCE when it is a bundle or a script; it may hold secrets.
    description: Option<program::secret::Secret>,
    pub(crate) options: SourceOptions,
    shown: ShowArgs,
}

impl JobSource {
    pub(crate) fn new(sources: Vec<String>, options: SourceOptions) -> Self {
        Self { sources, description: None, options, shown: ShowArgs::default() }
    }

    /// The same, with what is in SOURCE when it is a file that describes a recovery point. It is read once: whatever becomes of
    /// the file, every part of the program speaks of the same text.
    pub(crate) fn described(mut self) -> Result<Self, Failure> {
        self.description = bundle::read_description(&self.sources)?;
        Ok(self)
    }

    /// The same, with files shown in this way.
    pub(crate) fn showing(self, shown: ShowArgs) -> Self {
        Self { shown, ..self }
    }

    /// The recovery point that is meant.
    pub(crate) fn recovery_point(&self) -> Result<RecoveryPoint, Failure> {
        match (&self.description, self.sources.first()) {
            (Some(text), Some(file)) => Ok(RecoveryPoint::from_description(file, text)?),
            _ => Ok(RecoveryPoint::parse(&self.sources)?),
        }
    }

    /// The secrets that it takes, from where the options say, or asked for.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        Secrets::read(&self.options.connection, &self.recovery_point()?)
    }

    /// The same with absolute paths: the daemon works elsewhere.
    pub(crate) fn absolute(mut self) -> Result<Self, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("'{}': {}", path.display(), block::io_reason(&error))))
        };
        let absolute_text = |path: &Path| {
            let text = absolute(path)?.into_os_string().into_string();
            text.map_err(|_| Failure::usage("the path of a SOURCE has to be valid UTF-8"))
        };
        if !matches!(self.recovery_point()?, RecoveryPoint::Iscsi(_)) {
            self.sources = self.sources.iter().map(|path| absolute_text(Path::new(path))).collect::<Result<_, _>>()?;
        }
        let connection = &mut self.options.connection;
        for path in
            [&mut connection.ca, &mut connection.client_cert, &mut connection.client_key, &mut self.shown.user_mapping]
        {
            *path = path.as_deref().map(absolute).transpose()?;
        }
        Ok(self)
    }

    /// How it is opened.
    pub(crate) fn open_options(&self, secrets: &Secrets) -> Result<OpenOptions, Failure> {
        let point = self.recovery_point()?;
        let image_block_size =
            if self.options.block_size == "4096" { block::BlockSize::B4096 } else { block::BlockSize::B512 };
        let connection = &self.options.connection;
        Ok(OpenOptions {
            tunnel: connection.tunnel(&point, secrets)?,
            iscsi: connection.iscsi(&point, secrets),
            ready_timeout: connection.ready_timeout,
            cache: block::CacheConfig {
                bytes_max: self.options.cache,
                wait_max: connection.reconnect_timeout.saturating_add(std::time::Duration::from_secs(60)),
                ..block::CacheConfig::default()
            },
            image_block_size,
            reading: session::ReadingOptions {
                replay: !self.options.no_replay,
                verify: self.shown.verify,
                windows: self.shown.windows()?,
                companions: self.options.companions().map_err(Failure::usage)?,
                mounted_alone: None,
            },
        })
    }
}

impl ShowArgs {
    fn windows(&self) -> Result<session::WindowsOptions, Failure> {
        let user_mapping = self.user_mapping.as_deref().map(read_user_mapping).transpose()?;
        let security = session::SecurityOptions { user_mapping, owner: self.owner };
        Ok(session::WindowsOptions { short_names: self.short_names, stream_paths: self.streams, security })
    }
}

/// A mapping file, which may name users and groups of this host.
fn read_user_mapping(path: &Path) -> Result<session::UserMapping, Failure> {
    let wrong = |why: String| Failure::usage(format!("--user-mapping: '{}': {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(block::io_reason(&error)))?;
    // Names that nobody has are told by the parser; numbers need neither file.
    let host = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let names = session::HostNames::parse(&host("/etc/passwd"), &host("/etc/group"));
    session::UserMapping::parse(&text, &names).map_err(|error| wrong(error.message))
}
