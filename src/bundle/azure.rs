//! The script that Azure Backup generates for file recovery on Linux, as a description of a recovery point: what it assigns to
//! the variables that are known is read, nothing in it is executed, and nothing else in it is believed. docs/BUNDLE.md tells
//! where each rule comes from.

mod discovery;
mod error;
mod file_name;
mod system;
mod variables;

pub use discovery::Discovered;
pub use error::AzureError;
pub use system::chap_prefix;

use crate::name;
use secrecy::SecretString;
use std::fmt;
use tunnel::Address;
use variables::Variables;
use zeroize::Zeroizing;

/// The longest script that is read, in bytes; real ones have 60 to 90 KB.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// What TargetPassword holds until somebody fills in the password.
const PLACEHOLDER: &str = "UserInput012345";
/// The password that the portal shows, in characters.
pub const PASSWORD_CHARACTERS: usize = 15;
/// What InitiatorChapPassword holds, in hexadecimal digits.
const TARGET_SECRET_DIGITS: usize = 14;
/// What the portals of Azure Backup have in their names, whichever cloud they belong to.
const DOMAIN: &str = ".backup.windowsazure.";
/// How long a script can be used, in seconds.
pub const LIFETIME_SECONDS: u64 = 12 * 3600;

/// What a script says.
#[derive(Clone)]
pub struct AzureScript {
    /// The VM that the recovery point is of.
    pub vm: String,
    /// Where the target is reached.
    pub portal: Address,
    /// The name that the portal's certificate carries.
    pub server_name: String,
    /// The iSCSI name of the target.
    pub target: String,
    /// Whether there are more targets whose names differ from [`Self::target`] in its last digit before the ticks.
    pub several_targets: bool,
    /// The CHAP user; on the wire it follows the name of the operating system ([`chap_prefix`]).
    pub user: String,
    /// The CHAP secret, where the script holds it already.
    pub password: Option<SecretString>,
    /// What the target can prove itself with (InitiatorChapPassword).
    pub target_secret: Option<SecretString>,
    /// When the target was named, in seconds since 1970, from the ticks at the end of its name: about when the script was made.
    pub named_at: Option<u64>,
}

impl fmt::Debug for AzureScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureScript({} at {})", self.target, self.portal)
    }
}

/// Whether a text is meant as such a script, whole or not.
#[must_use]
pub fn looks_like_script(text: &str) -> bool {
    let marks = ["MicrosoftAzureBackupILR", "Microsoft Azure VM Backup - File Recovery"];
    marks.iter().any(|mark| text.contains(mark))
        || (text.contains("TargetPortalAddress") && text.contains("TargetNodeAddress"))
}

impl AzureScript {
    /// Reads a script. `file_name` is the name it was downloaded with, which holds parts of it too.
    ///
    /// # Errors
    /// [`AzureError`] says what is missing or makes no sense.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, AzureError> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(AzureError::TooLarge);
        }
        let variables = Variables::read(text)?;
        let target = variables.need("TargetNodeAddress")?.to_owned();
        name::check(&target).map_err(|problem| wrong("TargetNodeAddress", problem))?;
        let portal = portal(&variables)?;
        let server_name = public_name(&portal.host);
        tunnel::parse_server_name(&server_name).map_err(|error| wrong("TargetPortalAddress", error.to_string()))?;
        let of_name = file_name::target_secret(file_name);
        Ok(Self {
            vm: vm(&variables)?,
            server_name,
            portal,
            several_targets: variables.is_set("IsMultiTarget"),
            user: user(&variables)?,
            password: password(&variables)?,
            target_secret: target_secret(&variables, of_name)?,
            named_at: named_at(&target),
            target,
        })
    }

    /// What the user should know before anything is dialled.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        if self.server_name.contains(DOMAIN) {
            return Vec::new();
        }
        vec![format!(
            "the script leads to {}, which is no name of Azure Backup: make sure that it comes from the portal",
            self.server_name
        )]
    }
}

fn wrong(name: &'static str, problem: impl Into<String>) -> AzureError {
    AzureError::Wrong { name, problem: problem.into() }
}

fn portal(variables: &Variables) -> Result<Address, AzureError> {
    let port = variables.get("TargetPortalPortNumber").unwrap_or("3260");
    let address = format!("{}:{port}", variables.need("TargetPortalAddress")?);
    address.parse().map_err(|error: tunnel::Error| wrong("TargetPortalAddress", error.to_string()))
}

/// `iaasvmcontainerv2;RESOURCE GROUP;VM`, or the VM alone.
fn vm(variables: &Variables) -> Result<String, AzureError> {
    const BYTES_MAX: usize = 255;
    let said = variables.get("VMName").or_else(|| variables.get("MachineName"));
    let said = said.ok_or(AzureError::Missing("VMName"))?;
    let vm = said.rsplit(';').next().unwrap_or(said);
    if vm.is_empty() || vm.len() > BYTES_MAX {
        return Err(wrong("VMName", "it is no name of a VM"));
    }
    Ok(vm.to_owned())
}

/// `CONTAINER-GUID`; older scripts have the operating system before it.
fn user(variables: &Variables) -> Result<String, AzureError> {
    const BYTES_MAX: usize = 128;
    let said = variables.need("TargetUserName")?;
    let user = said.rsplit(';').next().unwrap_or(said);
    let is_plain = user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if user.is_empty() || user.len() > BYTES_MAX || !is_plain {
        return Err(wrong("TargetUserName", "it is no user name of Azure Backup"));
    }
    Ok(user.to_owned())
}

fn password(variables: &Variables) -> Result<Option<SecretString>, AzureError> {
    match variables.get("TargetPassword") {
        None | Some("" | PLACEHOLDER) => Ok(None),
        Some(filled) if filled.chars().count() == PASSWORD_CHARACTERS => Ok(Some(SecretString::from(filled))),
        Some(_) => Err(wrong("TargetPassword", format!("a password has {PASSWORD_CHARACTERS} characters"))),
    }
}

fn target_secret(
    variables: &Variables,
    of_name: Option<Zeroizing<String>>,
) -> Result<Option<SecretString>, AzureError> {
    let said = variables.get("InitiatorChapPassword").filter(|said| !said.is_empty());
    let Some(said) = said else { return Ok(of_name.map(|secret| SecretString::from(secret.as_str()))) };
    if said.len() != TARGET_SECRET_DIGITS || !said.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(wrong("InitiatorChapPassword", format!("it has not {TARGET_SECRET_DIGITS} hexadecimal digits")));
    }
    Ok(Some(SecretString::from(said)))
}

/// The name to ask for and to check: a private endpoint is dialled by the name `...-POD-REC.privatelink.REST` and has the
/// certificate of `POD-REC.REST`.
fn public_name(host: &str) -> String {
    let mut labels: Vec<&str> = host.split('.').collect();
    let Some(private) = labels.iter().position(|label| *label == "privatelink") else { return host.to_owned() };
    labels.remove(private);
    let Some((first, rest)) = labels.split_first() else { return host.to_owned() };
    let mut parts = first.rsplitn(3, '-');
    match (parts.next(), parts.next()) {
        (Some(record), Some(pod)) => format!("{pod}-{record}.{}", rest.join(".")),
        _ => labels.join("."),
    }
}

/// The ticks of .NET (tenths of a microsecond since the year 1) at the end of a target's name as seconds since 1970.
fn named_at(target: &str) -> Option<u64> {
    const TICKS_DIGITS: usize = 18;
    const TICKS_PER_SECOND: u64 = 10_000_000;
    const UNIX_EPOCH_SECONDS: u64 = 62_135_596_800;
    let (_, ticks) = target.rsplit_once('.')?;
    let ticks: u64 = ticks.parse().ok().filter(|_| ticks.len() == TICKS_DIGITS)?;
    ticks.checked_div(TICKS_PER_SECOND)?.checked_sub(UNIX_EPOCH_SECONDS)
}

#[cfg(test)]
mod tests;
