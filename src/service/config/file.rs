//! The configuration as it is written, before it is checked.

use crate::Error;
use bytesize::ByteSize;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A configuration that is longer than this in bytes is none.
const BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) vault: String,
    #[serde(default)]
    pub(super) vault_options: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) vault_secret_files: BTreeMap<String, PathBuf>,
    pub(super) key: PathBuf,
    #[serde(default = "twelve_hours")]
    pub(super) maximum_lifetime: String,
    #[serde(default = "cache")]
    pub(super) cache: ByteSize,
    #[serde(default = "stdout")]
    pub(super) audit: String,
    #[serde(default = "grants_per_user_max")]
    pub(super) grants_per_user_max: usize,
    pub(super) iscsi: Iscsi,
    pub(super) https: Https,
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) roles: BTreeMap<String, Role>,
    #[serde(default)]
    pub(super) users: Vec<User>,
    pub(super) oidc: Option<Oidc>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Iscsi {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) portals: Vec<String>,
    #[serde(default = "iqn_prefix")]
    pub(super) iqn_prefix: String,
    #[serde(default = "connections_max")]
    pub(super) connections_max: usize,
    #[serde(default = "connections_per_client_max")]
    pub(super) connections_per_client_max: usize,
    #[serde(default = "sessions_per_grant_max")]
    pub(super) sessions_per_grant_max: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Https {
    pub(super) listen: Vec<SocketAddr>,
    #[serde(default = "https_connections_max")]
    pub(super) connections_max: usize,
    #[serde(default = "connections_per_client_max")]
    pub(super) connections_per_client_max: usize,
    /// Browsers are told to use HTTPS only from now on.
    #[serde(default)]
    pub(super) hsts: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) server_name: Option<String>,
    pub(super) trust: Trust,
}

/// `"pin"`, `"system"` or `{ ca = "FILE" }`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Trust {
    Pin,
    System,
    Ca(PathBuf),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) vms: Vec<String>,
    #[serde(default)]
    pub(super) revoke_others: bool,
    #[serde(default)]
    pub(super) see_all: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) roles: Vec<String>,
    pub(super) token_sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Oidc {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) keys_file: Option<PathBuf>,
    pub(super) keys_url: Option<String>,
    #[serde(default = "user_claim")]
    pub(super) user_claim: String,
    #[serde(default = "roles_claim")]
    pub(super) roles_claim: String,
    #[serde(default)]
    pub(super) roles: BTreeMap<String, Vec<String>>,
}

fn twelve_hours() -> String {
    "12h".to_owned()
}

const fn cache() -> ByteSize {
    ByteSize::mib(512)
}

fn stdout() -> String {
    "stdout".to_owned()
}

fn iqn_prefix() -> String {
    "iqn.2026-11.io.fr-mount".to_owned()
}

const fn connections_max() -> usize {
    1024
}

const fn https_connections_max() -> usize {
    512
}

const fn connections_per_client_max() -> usize {
    64
}

const fn sessions_per_grant_max() -> usize {
    8
}

const fn grants_per_user_max() -> usize {
    32
}

fn user_claim() -> String {
    "sub".to_owned()
}

fn roles_claim() -> String {
    "roles".to_owned()
}

/// The text of a configuration file.
pub(super) fn text(path: &Path) -> Result<String, Error> {
    let unreadable = |error: std::io::Error| Error::invalid(format!("cannot be read: {}", block::io_reason(&error)));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX.saturating_add(1)).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > BYTES_MAX) {
        return Err(Error::invalid("it is too long for a configuration"));
    }
    Ok(text)
}

/// What is wrong with a text, and in which line. The line itself is not repeated: it may hold what was to be a secret.
pub(super) fn problem(error: &toml::de::Error) -> String {
    error.message().to_owned()
}
