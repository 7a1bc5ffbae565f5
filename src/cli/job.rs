//! What a daemon is told to do, secrets included. It travels from the command that the user typed to the daemon
//! through a pipe, and is wiped on both sides.

use crate::args::{ConnectionArgs, Digests, EndingArgs, ShowArgs, SourceOptions};
use crate::exit::Failure;
use crate::secret::{self, Secret};
use bundle::RecoveryPoint;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use session::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tunnel::{ClientIdentity, ProxyChoice, Security, TlsConfig, Trust, TunnelConfig};

/// A session to run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) source: JobSource,
    pub(crate) secrets: Secrets,
    pub(crate) mount_point: PathBuf,
    pub(crate) volume: Option<String>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) ending: EndingArgs,
    /// When the grant ends that the recovery point is read with, if it needs one.
    pub(crate) expires_at: Option<SystemTime>,
    /// Which VM and point it is, in words, where SOURCE says so.
    pub(crate) described: Option<String>,
    /// Directories that were made for the session already, and go with it.
    pub(crate) made: Vec<PathBuf>,
}

/// The secrets of a job. There is no `Debug`: they must not be shown.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Secrets {
    chap: Option<Secret>,
    target: Option<Secret>,
    proxy: Option<Secret>,
}

impl Secrets {
    /// Reads the secrets from where the user said that they are.
    pub(crate) fn read(args: &ConnectionArgs) -> Result<Self, Failure> {
        let read = |place: &Option<String>, what| place.as_deref().map(|place| secret::read(place, what)).transpose();
        Ok(Self {
            chap: read(&args.chap_secret, "the CHAP secret")?,
            target: read(&args.target_secret, "the target's CHAP secret")?,
            proxy: read(&args.proxy_secret, "the proxy's password")?,
        })
    }

    /// Secrets for a target that proves itself as well.
    pub(crate) fn mutual(chap: &str, target: &str) -> Self {
        Self { chap: Some(Secret::new(chap.to_owned())), target: Some(Secret::new(target.to_owned())), proxy: None }
    }
}

/// What is opened, and how.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobSource {
    sources: Vec<String>,
    pub(crate) options: SourceOptions,
    shown: ShowArgs,
}

impl JobSource {
    pub(crate) fn new(sources: Vec<String>, options: SourceOptions) -> Self {
        Self { sources, options, shown: ShowArgs::default() }
    }

    /// The same, with files shown in this way.
    pub(crate) fn showing(self, shown: ShowArgs) -> Self {
        Self { shown, ..self }
    }

    /// The recovery point that is meant.
    pub(crate) fn recovery_point(&self) -> Result<RecoveryPoint, Failure> {
        RecoveryPoint::parse(&self.sources).map_err(|error| Failure::usage(error.to_string()))
    }

    /// The same with absolute paths: the daemon works elsewhere.
    pub(crate) fn absolute(mut self) -> Result<Self, Failure> {
        let absolute = |path: &Path| {
            std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("'{}': {}", path.display(), block::io_reason(&error))))
        };
        if let RecoveryPoint::Images(paths) = self.recovery_point()? {
            let paths: Result<Vec<_>, _> = paths.iter().map(|path| absolute(path)).collect();
            let not_text = || Failure::usage("the path of a disk image has to be valid UTF-8");
            self.sources = paths?
                .into_iter()
                .map(|path| path.into_os_string().into_string().map_err(|_| not_text()))
                .collect::<Result<_, _>>()?;
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
        let tls = matches!(&point, RecoveryPoint::Iscsi(url) if url.tls);
        let image_block_size =
            if self.options.block_size == "4096" { block::BlockSize::B4096 } else { block::BlockSize::B512 };
        let connection = &self.options.connection;
        Ok(OpenOptions {
            tunnel: connection.tunnel(tls, secrets)?,
            iscsi: connection.iscsi(tls, &point, secrets),
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

impl ConnectionArgs {
    fn tunnel(&self, tls: bool, secrets: &Secrets) -> Result<TunnelConfig, Failure> {
        let security = if tls {
            Security::Tls(TlsConfig {
                trust: self.trust()?,
                server_name: self.server_name.clone(),
                client: self.client(),
            })
        } else {
            self.refuse_tls_options()?;
            Security::Plain { allow_remote: self.insecure_plaintext }
        };
        Ok(TunnelConfig { security, proxy: self.proxy_choice(secrets)? })
    }

    fn trust(&self) -> Result<Trust, Failure> {
        match (&self.ca, &self.pin) {
            (Some(file), _) => Ok(Trust::CaFile(file.clone())),
            (None, Some(pin)) => {
                tunnel::parse_pin(pin).map(Trust::Pin).map_err(|error| Failure::usage(error.to_string()))
            }
            (None, None) => Ok(Trust::SystemRoots),
        }
    }

    fn client(&self) -> Option<ClientIdentity> {
        let (certificate, key) = self.client_cert.clone().zip(self.client_key.clone())?;
        Some(ClientIdentity { certificate, key })
    }

    /// An option that protects, given where it cannot: the user believes in a protection that is not there.
    fn refuse_tls_options(&self) -> Result<(), Failure> {
        let given = [
            (self.ca.is_some(), "--ca"),
            (self.pin.is_some(), "--pin"),
            (self.server_name.is_some(), "--server-name"),
            (self.client_cert.is_some(), "--client-cert"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, option)) => {
                Err(Failure::usage(format!("{option} needs TLS: write iscsis:// instead of iscsi://")))
            }
            None => Ok(()),
        }
    }

    fn proxy_choice(&self, secrets: &Secrets) -> Result<ProxyChoice, Failure> {
        let Some(proxy) = &self.proxy else { return Ok(ProxyChoice::FromEnvironment) };
        if proxy == "none" {
            return Ok(ProxyChoice::None);
        }
        let mut url = url::Url::parse(proxy).map_err(|error| {
            Failure::usage(format!("--proxy is not a URL ({error}): write http://HOST:PORT or none"))
        })?;
        if url.password().is_some() {
            return Err(Failure::usage("a password does not belong into --proxy: use --proxy-secret file:PATH"));
        }
        if let Some(secret) = &secrets.proxy {
            let refused = || Failure::usage("this --proxy URL cannot carry a password");
            url.set_password(Some(secret)).map_err(|()| refused())?;
        }
        Ok(ProxyChoice::Url(SecretString::from(String::from(url))))
    }

    fn iscsi(&self, tls: bool, point: &RecoveryPoint, secrets: &Secrets) -> iscsi::SessionConfig {
        let credentials = |user: &Option<String>, secret: &Option<Secret>| {
            let (user, secret) = user.clone().zip(secret.as_ref())?;
            Some(iscsi::ChapCredentials { user, secret: SecretString::from(secret.as_str()) })
        };
        let digests = match self.digests {
            Digests::On => iscsi::DigestPolicy::Require,
            Digests::Off => iscsi::DigestPolicy::Refuse,
            Digests::Auto if tls => iscsi::DigestPolicy::Accept,
            Digests::Auto => iscsi::DigestPolicy::Prefer,
        };
        let address = match point {
            RecoveryPoint::Iscsi(url) => url.address.clone(),
            RecoveryPoint::Images(_) => tunnel::Address { host: String::new(), port: 0 },
        };
        let mut config = iscsi::SessionConfig::new(address);
        config.login = credentials(&self.chap_user, &secrets.chap);
        config.reverse = credentials(&self.target_user, &secrets.target);
        config.digests = digests;
        config.login_timeout = self.connect_timeout;
        config.reconnect_timeout = self.reconnect_timeout;
        if let Some(name) = &self.initiator_name {
            config.initiator_name.clone_from(name);
        }
        config
    }
}
