//! `fr-serve init` and `fr-serve token`: what a new service needs.

use super::args::InitArgs;
use super::output::Output;
use crate::{Config, Error, UnixTime, sys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bundle::sealed::SigningKey;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use zeroize::Zeroizing;

/// The configuration that a new service begins with.
const TEMPLATE: &str = include_str!("fr-serve.toml");
/// What tokens begin with, so that people and scanners for leaked secrets recognise one.
const TOKEN_PREFIX: &str = "frs_";
/// Years that the self-signed certificate is good for: clients pin its key, and nobody renews it.
const CERTIFICATE_YEARS: i32 = 10;
const CONFIG: &str = "fr-serve.toml";

pub(crate) fn run(args: &InitArgs, output: Output) -> Result<(), Error> {
    let directory = &args.directory;
    let config = directory.join(CONFIG);
    if config.exists() {
        return Err(Error::invalid(format!("'{}' is there already; nothing is changed", config.display())));
    }
    let token = new_token()?;
    let text = configuration(args, &token)?;
    // What cannot be understood is not written; the files that it names are not looked at.
    Config::parse(&text, directory)?;
    let key = SigningKey::generate().map_err(|error| Error::internal(error.to_string()))?;
    let (certificate, tls_key) = certificate(&args.host)?;
    sys::create_private_directory(directory).map_err(|error| unwritable(directory, &error))?;
    write(&directory.join("service-key.pem"), key.to_pkcs8_pem().expose_secret())?;
    write(&directory.join("tls-key.pem"), &tls_key)?;
    write(&directory.join("tls-certificate.pem"), &certificate)?;
    write(&config, &text)?;
    let (user, path) = (&args.user, config.display().to_string());
    let made =
        json!({"config": path, "user": user, "token": token.expose_secret(), "key": key.fingerprint().to_string()});
    output.result(&made, || {
        let url = format!("https://{}:{}/", bracketed(&args.host), args.https_port);
        format!(
            "Made {path}.\n\nThe token of {user}, shown this once:\n\n    {}\n\nNext:\n  \
             fr-serve --config {path} import --vm VM DISK...\n  fr-serve --config {path} serve\n  then sign in at {url}",
            token.expose_secret()
        )
    });
    Ok(())
}

pub(crate) fn token(output: Output) -> Result<(), Error> {
    let token = new_token()?;
    let hash = hash(&token);
    output.result(&json!({"token": token.expose_secret(), "token_sha256": hash}), || {
        format!("token:        {}\ntoken_sha256: {hash}", token.expose_secret())
    });
    Ok(())
}

/// A token that nobody can guess: 256 bits.
fn new_token() -> Result<SecretString, Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| Error::internal(format!("no random numbers: {error}")))?;
    let text = Zeroizing::new(format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes)));
    Ok(text.as_str().into())
}

fn hash(token: &SecretString) -> String {
    hex::encode(Sha256::digest(token.expose_secret()))
}

fn configuration(args: &InitArgs, token: &SecretString) -> Result<String, Error> {
    let values = [
        ("VAULT", vault(args.vault.as_deref())?),
        ("PORTAL", format!("{}:{}", bracketed(&args.host), args.iscsi_port)),
        ("ISCSI_PORT", args.iscsi_port.to_string()),
        ("HTTPS_PORT", args.https_port.to_string()),
        ("USER", args.user.clone()),
        ("TOKEN_SHA256", hash(token)),
    ];
    let mut text = TEMPLATE.to_owned();
    for (name, value) in values {
        if value.contains(['"', '\\', '\n', '@']) {
            return Err(Error::invalid(format!("'{}' cannot stand in a configuration", session::printable(&value))));
        }
        text = text.replace(&format!("@{name}@"), &value);
    }
    Ok(text)
}

/// The vault as the configuration names it: what the user typed begins where the user is, not where the configuration lies.
fn vault(given: Option<&str>) -> Result<String, Error> {
    match given {
        None => Ok("vault".to_owned()),
        Some(root) if root.contains("://") => Ok(root.to_owned()),
        Some(directory) => {
            let absolute = std::path::absolute(directory)
                .map_err(|error| Error::invalid(format!("--vault '{directory}': {}", block::io_reason(&error))))?;
            let text = absolute.into_os_string().into_string();
            text.map_err(|_| Error::invalid("the path of the vault has to be valid UTF-8"))
        }
    }
}

/// An IPv6 address in brackets, as URLs have it.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// A self-signed certificate for this name and its key, in PEM.
fn certificate(host: &str) -> Result<(String, Zeroizing<String>), Error> {
    let failed = |error: &dyn Display| Error::invalid(format!("no certificate can be made for '{host}': {error}"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut names = vec![host.to_owned()];
    if host != "localhost" {
        names.push("localhost".to_owned());
    }
    let mut params = CertificateParams::new(names).map_err(|error| failed(&error))?;
    let year = UnixTime::now().to_string().get(..4).and_then(|year| year.parse::<i32>().ok());
    let year = year.ok_or_else(|| failed(&"what year is it?"))?;
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year.saturating_add(CERTIFICATE_YEARS), 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "fr-serve");
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let mut file = sys::create_private_file(path).map_err(|error| unwritable(path, &error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid(format!("'{}' cannot be written: {}", path.display(), block::io_reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Service;

    fn args(directory: &Path) -> InitArgs {
        InitArgs {
            directory: directory.join("new"),
            host: "127.0.0.1".to_owned(),
            vault: None,
            user: "ann".to_owned(),
            iscsi_port: 13260,
            https_port: 18443,
        }
    }

    #[tokio::test]
    async fn what_init_makes_can_be_served_and_is_nobodys_business() {
        let directory = tempfile::tempdir().unwrap();
        let args = args(directory.path());
        run(&args, Output { json: true }).unwrap();
        let config = Config::read(&args.directory.join(CONFIG)).unwrap();
        assert_eq!(config.iscsi.portals[0].to_string(), "127.0.0.1:13260");
        Service::open(config).await.unwrap();
        for name in [CONFIG, "service-key.pem", "tls-key.pem"] {
            assert!(!program::others_can_read(&args.directory.join(name)), "{name}");
        }
        assert!(run(&args, Output { json: true }).is_err(), "it was written over");
    }

    #[test]
    fn a_value_that_would_change_the_configuration_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let bad = InitArgs { user: "a\"\nb = \"".to_owned(), ..args(directory.path()) };
        assert!(run(&bad, Output { json: true }).is_err());
        assert!(!bad.directory.exists());
    }

    #[test]
    fn a_vault_is_where_the_user_says_from_where_the_user_is() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(vault(Some("some/vault")).unwrap(), here.join("some/vault").to_str().unwrap());
        assert_eq!(vault(Some("s3://bucket/x")).unwrap(), "s3://bucket/x");
        assert_eq!(vault(None).unwrap(), "vault");
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert!(one.expose_secret().len() == 47 && one.expose_secret() != other.expose_secret());
    }
}
