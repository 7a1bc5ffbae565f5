//! Opening the store that a vault is in.

use super::failure::{from_store, reason};
use crate::config::VaultConfig;
use crate::{Error, ErrorKind};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// How long a request is tried again after failures that may pass.
const RETRY: Duration = Duration::from_secs(30);
/// How long one request may take, in words: parts of large images are large.
const REQUEST: &str = "5 minutes";
/// The longest secret in a file, in bytes.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// A store, and where in it the vault begins.
type Opened = (Arc<dyn ObjectStore>, Path);

/// Whether an option of an object store is a secret. Names of files and numbers of keys are none.
pub(crate) fn is_secret_option(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let secret = ["secret", "access_key", "account_key", "master_key", "token", "password", "sas", "credential"];
    let place = ["_file", "_path", "_uri", "_endpoint", "key_id", "endpoint_url", "application_credentials"];
    name.ends_with("sse_customer_key_base64")
        || name.contains("service_account_key")
        || (secret.iter().any(|word| name.contains(word)) && !place.iter().any(|word| name.ends_with(word)))
        || name.ends_with("access_key_id")
}

/// Opens the store that `config` names.
pub(crate) fn open_store(config: &VaultConfig) -> Result<Opened, Error> {
    match config.root.split_once("://") {
        None => directory(&config.root),
        Some(_) => {
            let url = Url::parse(&config.root);
            let url = url.map_err(|error| Error::invalid(format!("the vault's URL makes no sense: {error}")))?;
            remote(&url, config)
        }
    }
}

fn directory(root: &str) -> Result<Opened, Error> {
    let failed = |error: &std::io::Error| {
        Error::new(ErrorKind::Invalid, format!("the vault '{root}' cannot be used: {}", block::io_reason(error)))
    };
    crate::sys::create_private_directory(std::path::Path::new(root)).map_err(|error| failed(&error))?;
    let store = LocalFileSystem::new_with_prefix(root).map_err(|error| from_store(&error, root))?;
    Ok((Arc::new(store.with_fsync(true).with_automatic_cleanup(true)), Path::default()))
}

fn remote(url: &Url, config: &VaultConfig) -> Result<Opened, Error> {
    if !url.username().is_empty() && !matches!(url.scheme(), "az") || url.password().is_some() || url.query().is_some()
    {
        return Err(Error::invalid("the vault's URL names a bucket and a prefix, and nothing else"));
    }
    crate::crypto::install();
    let prefix = Path::from_url_path(url.path())
        .map_err(|error| Error::invalid(format!("the vault's prefix makes no sense: {}", reason(&error))))?;
    let retry = RetryConfig { retry_timeout: RETRY, ..RetryConfig::default() };
    let options = options(config)?;
    // The environment first: what the configuration says counts for more.
    macro_rules! build {
        ($builder:ty) => {{
            let timeout = "timeout".parse().map_err(|error| from_store(&error, "vault_options"))?;
            let mut builder = <$builder>::from_env().with_url(url.as_str()).with_retry(retry);
            builder = builder.with_config(timeout, REQUEST);
            for (name, value) in &options {
                let key = name.to_ascii_lowercase().parse().map_err(|error| from_store(&error, "vault_options"))?;
                builder = builder.with_config(key, value.expose_secret());
            }
            Arc::new(builder.build().map_err(|error| Error::invalid(format!("the vault: {}", reason(&error))))?)
        }};
    }
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "s3" => build!(AmazonS3Builder),
        "az" => build!(MicrosoftAzureBuilder),
        "gs" => build!(GoogleCloudStorageBuilder),
        other => {
            return Err(Error::invalid(format!("the vault's URL begins with '{other}', not with s3, az or gs")));
        }
    };
    Ok((store, prefix))
}

/// The options of the configuration, those in files included.
fn options(config: &VaultConfig) -> Result<Vec<(String, SecretString)>, Error> {
    let plain = config.options.iter().map(|(name, value)| Ok((name.clone(), value.as_str().into())));
    let secret = config.secret_files.iter().map(|(name, path)| Ok((name.clone(), secret(path)?)));
    plain.chain(secret).collect()
}

fn secret(path: &std::path::Path) -> Result<SecretString, Error> {
    let unusable = |why: &str| Error::invalid(format!("the secret in '{}' cannot be used: {why}", path.display()));
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unusable(&block::io_reason(&error)))?);
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.len() > SECRET_BYTES_MAX {
        return Err(unusable("it is empty, or too long"));
    }
    Ok(trimmed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_secrets_are_known() {
        for name in
            ["aws_secret_access_key", "AWS_SESSION_TOKEN", "azure_storage_account_key", "sas_token", "access_key_id"]
        {
            assert!(is_secret_option(name), "{name}");
        }
        for name in
            ["region", "endpoint", "allow_http", "azure_storage_account_name", "conditional_put", "use_emulator"]
        {
            assert!(!is_secret_option(name), "{name}");
        }
    }

    fn open(root: &str) -> Result<Opened, Error> {
        let (options, secret_files) = Default::default();
        open_store(&VaultConfig { root: root.to_owned(), options, secret_files })
    }

    #[test]
    fn a_url_that_is_none_of_ours_or_holds_a_secret_is_refused() {
        for url in ["ftp://x/y", "s3://user:hush@bucket/x", "s3://bucket/x?sig=hush", "file:///tmp/x"] {
            let message = open(url).err().expect(url).to_string();
            assert!(!message.contains("hush"), "{message}");
        }
    }

    #[test]
    fn buckets_and_prefixes_are_taken_from_the_url() {
        let (_, prefix) = open("s3://bucket/some/prefix/").unwrap();
        assert_eq!(prefix.as_ref(), "some/prefix");
        let (_, prefix) = open("gs://bucket").unwrap();
        assert_eq!(prefix.as_ref(), "");
    }
}
