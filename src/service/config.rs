//! The configuration, checked: `fr-serve.toml`. How it is written is in `config/file.rs`.

mod file;

use crate::user::{Role, VmPattern};
use crate::{Error, LIFETIME_MAX};
use file::{File, Trust as TrustWritten};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tunnel::Address;

/// How a service runs. Made from a file by [`Config::read`].
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) vault: VaultConfig,
    pub(crate) iscsi: IscsiConfig,
    pub(crate) https: HttpsConfig,
    pub(crate) tls: TlsConfig,
    /// The PKCS#8 file of the key that bundles are signed with and CHAP secrets are derived from.
    pub(crate) key_file: PathBuf,
    /// No grant lives longer; 12 hours at most.
    pub(crate) lifetime_max: Duration,
    /// Bytes of disk images that the process keeps in memory.
    pub(crate) cache_bytes: u64,
    pub(crate) audit: AuditLog,
    pub(crate) roles: Roles,
    pub(crate) users: Vec<UserEntry>,
    pub(crate) oidc: Option<OidcConfig>,
}

/// Where the vault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VaultConfig {
    /// A directory, or `s3://`, `az://`, `gs://` with a bucket and perhaps a prefix.
    pub(crate) root: String,
    /// Options of the object store, by the names that it gives them: never a secret.
    pub(crate) options: BTreeMap<String, String>,
    /// Options that are secrets, and the files that they are in.
    pub(crate) secret_files: BTreeMap<String, PathBuf>,
}

/// The iSCSI side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiConfig {
    pub(crate) listen: Vec<SocketAddr>,
    /// Where clients find it: what bundles tell.
    pub(crate) portals: Vec<Address>,
    /// What the name of a grant's target begins with.
    pub(crate) iqn_prefix: String,
    pub(crate) limits: Limits,
}

/// Bounds on what clients can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) connections_per_client: usize,
    pub(crate) sessions_per_grant: usize,
    /// Grants that are active at a time, of one user.
    pub(crate) grants_per_user: usize,
}

/// The HTTPS side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpsConfig {
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) connections_max: usize,
    pub(crate) connections_per_client_max: usize,
    /// Whether browsers are told to use HTTPS only from now on.
    pub(crate) hsts: bool,
}

/// How the service proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The name in the certificate, when it is not the host of the portal.
    pub(crate) server_name: Option<String>,
    /// What bundles tell clients to trust.
    pub(crate) trust: Trust,
}

/// What clients are told to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The key in the certificate, and nothing else.
    Pin,
    /// The authorities in this PEM file.
    Ca(PathBuf),
    /// Whatever the client's system trusts.
    System,
}

/// Where the audit log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuditLog {
    Stdout,
    /// For commands whose result is on standard output.
    Stderr,
    File(PathBuf),
}

/// A user of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserEntry {
    pub(crate) name: String,
    pub(crate) roles: Vec<Arc<Role>>,
    pub(crate) token_sha256: [u8; 32],
}

/// An OpenID provider whose tokens are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OidcConfig {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) keys: OidcKeys,
    /// The claim that names the user.
    pub(crate) user_claim: String,
    /// The claim whose values are looked up in `roles`.
    pub(crate) roles_claim: String,
    pub(crate) roles: BTreeMap<String, Vec<Arc<Role>>>,
}

/// Where the keys of an OpenID provider are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OidcKeys {
    File(PathBuf),
    Url(url::Url),
}

impl Config {
    /// Reads a configuration file. Paths in it that are not absolute begin where the file lies.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Invalid`] says what is wrong and where.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let named = |error: Error| error.while_doing(&path.display().to_string());
        let text = file::text(path).map_err(named)?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, directory).map_err(named)
    }

    /// Understands the text of a configuration file that lies in `directory`.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(text: &str, directory: &Path) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::invalid(file::problem(&error)))?;
        let place = |path: &Path| directory.join(path);
        let roles = roles(&file)?;
        let lifetime_max = lifetime(&file.maximum_lifetime)?;
        Ok(Self {
            vault: vault(&file, directory)?,
            iscsi: iscsi(&file)?,
            https: HttpsConfig {
                listen: file.https.listen.clone(),
                connections_max: file.https.connections_max,
                connections_per_client_max: file.https.connections_per_client_max,
                hsts: file.https.hsts,
            },
            tls: TlsConfig {
                certificate: place(&file.tls.certificate),
                key: place(&file.tls.key),
                server_name: file.tls.server_name.clone().map(server_name).transpose()?,
                trust: match &file.tls.trust {
                    TrustWritten::Pin => Trust::Pin,
                    TrustWritten::System => Trust::System,
                    TrustWritten::Ca(path) => Trust::Ca(place(path)),
                },
            },
            key_file: place(&file.key),
            lifetime_max,
            cache_bytes: file.cache.as_u64(),
            audit: match file.audit.as_str() {
                "stdout" => AuditLog::Stdout,
                path => AuditLog::File(place(Path::new(path))),
            },
            users: users(&file, &roles)?,
            oidc: file.oidc.as_ref().map(|oidc| self::oidc(oidc, &roles, directory)).transpose()?,
            roles,
        })
    }
}

/// The roles by their names.
pub(crate) type Roles = BTreeMap<String, Arc<Role>>;

fn roles(file: &File) -> Result<Roles, Error> {
    let mut roles = Roles::new();
    for (name, written) in &file.roles {
        let pattern = |text: &String| {
            VmPattern::new(text)
                .ok_or_else(|| Error::invalid(format!("role '{name}': '{text}' matches no name of a VM")))
        };
        let vms = written.vms.iter().map(pattern).collect::<Result<_, _>>()?;
        let role = Role { name: name.clone(), vms, revoke_others: written.revoke_others, see_all: written.see_all };
        roles.insert(name.clone(), Arc::new(role));
    }
    Ok(roles)
}

fn named_roles(names: &[String], roles: &Roles, of: &str) -> Result<Vec<Arc<Role>>, Error> {
    let role = |name: &String| {
        let role = roles.get(name).map(Arc::clone);
        role.ok_or_else(|| Error::invalid(format!("{of} has the role '{name}', which is not among [roles]")))
    };
    names.iter().map(role).collect()
}

fn users(file: &File, roles: &Roles) -> Result<Vec<UserEntry>, Error> {
    let mut users: Vec<UserEntry> = Vec::new();
    for written in &file.users {
        let name = &written.name;
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
        if name.is_empty() || name.len() > 80 || !name.chars().all(legal) {
            return Err(Error::invalid(format!("user '{name}': write at most 80 letters, digits, - _ . @ +")));
        }
        let mut token_sha256 = [0; 32];
        hex::decode_to_slice(&written.token_sha256, &mut token_sha256).map_err(|_| {
            let message = "token_sha256 has 64 hexadecimal digits; 'fr-serve token' makes a token and tells its own";
            Error::invalid(format!("user '{name}': {message}"))
        })?;
        if users.iter().any(|user| user.name == *name || user.token_sha256 == token_sha256) {
            return Err(Error::invalid(format!("user '{name}': another user has the same name or token")));
        }
        let roles = named_roles(&written.roles, roles, &format!("user '{name}'"))?;
        users.push(UserEntry { name: name.clone(), roles, token_sha256 });
    }
    Ok(users)
}

fn oidc(written: &file::Oidc, roles: &Roles, directory: &Path) -> Result<OidcConfig, Error> {
    let keys = match (&written.keys_file, &written.keys_url) {
        (Some(path), None) => OidcKeys::File(directory.join(path)),
        (None, Some(url)) => {
            let url = url::Url::parse(url).ok().filter(|url| url.scheme() == "https");
            OidcKeys::Url(url.ok_or_else(|| Error::invalid("oidc.keys_url has to be https://..."))?)
        }
        _ => return Err(Error::invalid("[oidc] needs one of keys_file and keys_url")),
    };
    let mut by_value = BTreeMap::new();
    for (value, names) in &written.roles {
        by_value.insert(value.clone(), named_roles(names, roles, &format!("oidc.roles '{value}'"))?);
    }
    Ok(OidcConfig {
        issuer: written.issuer.clone(),
        audience: written.audience.clone(),
        keys,
        user_claim: written.user_claim.clone(),
        roles_claim: written.roles_claim.clone(),
        roles: by_value,
    })
}

fn vault(file: &File, directory: &Path) -> Result<VaultConfig, Error> {
    let root = if file.vault.contains("://") {
        file.vault.clone()
    } else {
        directory.join(&file.vault).to_string_lossy().into_owned()
    };
    let options = &file.vault_options;
    if let Some(name) = options.keys().find(|name| crate::vault::is_secret_option(name)) {
        let message = "a secret does not belong into the configuration: set the environment variable of the store's own \
                       convention, or name a file under [vault_secret_files]";
        return Err(Error::invalid(format!("vault_options.{name}: {message}")));
    }
    let secret_files = file.vault_secret_files.iter().map(|(name, path)| (name.clone(), directory.join(path)));
    Ok(VaultConfig { root, options: options.clone(), secret_files: secret_files.collect() })
}

fn iscsi(file: &File) -> Result<IscsiConfig, Error> {
    let iscsi = &file.iscsi;
    let portal =
        |text: &String| text.parse::<Address>().map_err(|error| Error::invalid(format!("iscsi.portals: {error}")));
    let portals: Vec<Address> = iscsi.portals.iter().map(portal).collect::<Result<_, _>>()?;
    if portals.is_empty() {
        return Err(Error::invalid("iscsi.portals: name at least one HOST:PORT where clients find the service"));
    }
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    let prefix = &iscsi.iqn_prefix;
    // With the 32 digits of a grant it has to stay within the 223 bytes of an iSCSI name.
    if !prefix.starts_with("iqn.") || prefix.len() > 190 || !prefix.chars().all(legal) {
        let problem = "write iqn.YEAR-MONTH.REVERSED.DOMAIN:NAME in lower case, at most 190 characters";
        return Err(Error::invalid(format!("iscsi.iqn_prefix '{prefix}': {problem}")));
    }
    let limits = Limits {
        connections: iscsi.connections_max,
        connections_per_client: iscsi.connections_per_client_max,
        sessions_per_grant: iscsi.sessions_per_grant_max,
        grants_per_user: file.grants_per_user_max,
    };
    Ok(IscsiConfig { listen: iscsi.listen.clone(), portals, iqn_prefix: prefix.clone(), limits })
}

fn server_name(name: String) -> Result<String, Error> {
    match tunnel::parse_server_name(&name) {
        Ok(_) => Ok(name),
        Err(error) => Err(Error::invalid(format!("tls.server_name: {error}"))),
    }
}

fn lifetime(text: &str) -> Result<Duration, Error> {
    let lifetime = humantime::parse_duration(text).ok().filter(|time| !time.is_zero() && *time <= LIFETIME_MAX);
    lifetime.ok_or_else(|| {
        Error::invalid(format!("maximum_lifetime '{text}': write a time like 12h or 90min, 12 hours at most"))
    })
}

#[cfg(test)]
mod tests;
