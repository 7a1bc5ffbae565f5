//! URLs of iSCSI targets.

use crate::SourceError;
use std::fmt;
use tunnel::Address;

/// `iscsis://HOST[:PORT]/IQN`, or `iscsi://` without TLS; without IQN it means every target of the portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IscsiUrl {
    /// The portal that is dialled.
    pub address: Address,
    /// Whether iSCSI runs inside TLS.
    pub tls: bool,
    /// The iSCSI name of the target; `None` means all that discovery shows.
    pub target: Option<String>,
}

/// The port of iSCSI (RFC 7143 section 14); Azure's tunnel uses it for TLS as well.
const DEFAULT_PORT: u16 = 3260;

impl IscsiUrl {
    /// Understands a URL.
    ///
    /// # Errors
    /// [`SourceError::Url`] says what is wrong with it; a password in it is refused and never repeated.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let refuse = |problem: &str| SourceError::Url { url: without_userinfo(text), problem: problem.to_owned() };
        let url = url::Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        let tls = match url.scheme() {
            "iscsis" => true,
            "iscsi" => false,
            other => return Err(refuse(&format!("the scheme '{other}' is not known"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("user and secret do not belong into it; use --chap-user and --chap-secret"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a '?' or '#' part; options are given on the command line"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let target = target_name(url.path().trim_start_matches('/')).map_err(|problem| refuse(&problem))?;
        Ok(Self { address: Address { host, port }, tls, target })
    }
}

/// The iSCSI name in the path; `None` for an empty path.
fn target_name(path: &str) -> Result<Option<String>, String> {
    if path.is_empty() {
        return Ok(None);
    }
    crate::name::check(path)?;
    Ok(Some(path.to_owned()))
}

/// `text` without what stands before the `@` of its host part, where a password could be.
fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(host_end).unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

impl fmt::Display for IscsiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "iscsis" } else { "iscsi" };
        write!(f, "{scheme}://{}/{}", self.address, self.target.as_deref().unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        IscsiUrl::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_url_is_understood() {
        let url = IscsiUrl::parse("iscsis://Backup.example:13260/iqn.2024-01.test:Disk_1").unwrap();
        assert_eq!((url.address.port, url.tls), (13260, true));
        assert_eq!(url.target.as_deref(), Some("iqn.2024-01.test:Disk_1"));
    }

    #[test]
    fn port_and_target_have_defaults() {
        let url = IscsiUrl::parse("iscsi://127.0.0.1").unwrap();
        assert_eq!((url.address.port, url.tls, url.target), (3260, false, None));
    }

    #[test]
    fn ipv6_addresses_come_without_brackets() {
        let url = IscsiUrl::parse("iscsis://[::1]:3261/").unwrap();
        assert_eq!((url.address.host.as_str(), url.address.port), ("::1", 3261));
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let problem = problem("iscsis://user:hush-hush@host/iqn.2024-01.test:d");
        assert!(problem.contains("--chap-secret") && !problem.contains("hush"), "{problem}");
        assert!(!super::without_userinfo("iscsis://u:hush@bad host/x").contains("hush"));
    }

    #[test]
    fn what_is_no_iscsi_name_is_refused() {
        assert!(problem("iscsis://host/disk").contains("iqn."));
        assert!(problem("iscsis://host/iqn.2024-01.test:a%20b").contains("not an iSCSI name"));
        assert!(problem("iscsis://host/iqn.2024-01.test:a?lun=1").contains("'?'"));
        assert!(problem("iscsis:///iqn.2024-01.test:a").contains("host"));
    }
}
