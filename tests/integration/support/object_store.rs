//! Object stores that run on this machine, by other hands: moto for S3, Azurite for Azure. `tests/emulators` installs them.

use super::process::{Background, program};
use futures_util::StreamExt;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The bucket, or container, that is there from the start.
const BUCKET: &str = "vault";
/// Azurite's account and its key, which are the same for everybody.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// moto takes every key; that these are kept secret is tested all the same.
const S3_ACCESS_KEY: &str = "FRMOUNTTESTACCESSKEY";
const S3_SECRET_KEY: &str = "a-secret-of-the-object-store-8dc1f3";

/// Whose interface it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Azure,
}

/// A running store with one empty bucket; ends, with all that is in it, when dropped.
pub(crate) struct ObjectStore {
    kind: Kind,
    address: SocketAddr,
    _process: Background,
}

/// Where `tests/emulators/install` puts them.
pub(crate) fn installed() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("emulators")
}

impl ObjectStore {
    pub(crate) fn start(kind: Kind) -> Self {
        let mut command = match kind {
            Kind::S3 => moto(),
            Kind::Azure => azurite(),
        };
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Background::start(output);
        let mut output = BufReader::new(process.child().stdout.take().unwrap());
        let port = port_in(&mut output);
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        let store = Self { kind, address: SocketAddr::from(([127, 0, 0, 1], port)), _process: process };
        store.make_bucket();
        store
    }

    /// Its address as the root of a vault.
    pub(crate) fn url(&self) -> String {
        let scheme = match self.kind {
            Kind::S3 => "s3",
            Kind::Azure => "az",
        };
        format!("{scheme}://{BUCKET}")
    }

    /// What else leads to it, by the names that the `object_store` crate gives to options.
    pub(crate) fn options(&self) -> Vec<(&'static str, String)> {
        let address = self.address;
        match self.kind {
            Kind::S3 => vec![
                ("aws_endpoint", format!("http://{address}")),
                ("aws_allow_http", "true".into()),
                ("aws_region", "us-east-1".into()),
            ],
            Kind::Azure => vec![
                ("azure_storage_account_name", AZURITE_ACCOUNT.into()),
                ("azure_storage_endpoint", format!("http://{address}/{AZURITE_ACCOUNT}")),
                ("azure_allow_http", "true".into()),
            ],
        }
    }

    /// The options that are secrets.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        match self.kind {
            Kind::S3 => vec![("aws_access_key_id", S3_ACCESS_KEY), ("aws_secret_access_key", S3_SECRET_KEY)],
            Kind::Azure => vec![("azure_storage_account_key", AZURITE_KEY)],
        }
    }

    /// All that is in it, as another program than ours sees it: names and contents.
    pub(crate) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        use object_store::ObjectStoreExt;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = self.client();
            let mut names = client.list(None);
            let mut objects = Vec::new();
            while let Some(found) = names.next().await {
                let name = found.unwrap().location;
                let content = client.get(&name).await.unwrap().bytes().await.unwrap();
                objects.push((name.to_string(), content.to_vec()));
            }
            objects
        })
    }

    fn client(&self) -> Arc<dyn object_store::ObjectStore> {
        // Two libraries of the same process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secrets = self.secrets().into_iter().map(|(name, value)| (name, value.to_owned()));
        let url = self.url().parse().unwrap();
        let (client, _) = object_store::parse_url_opts(&url, self.options().into_iter().chain(secrets)).unwrap();
        client.into()
    }

    /// Neither program makes a bucket by itself, and no service that only uses one should.
    fn make_bucket(&self) {
        let (path, headers) = match self.kind {
            Kind::S3 => (format!("/{BUCKET}"), String::new()),
            Kind::Azure => {
                let path = format!("/{AZURITE_ACCOUNT}/{BUCKET}?restype=container");
                let headers = self.azure_headers(&path);
                (path, headers)
            }
        };
        let mut stream = TcpStream::connect(self.address).unwrap();
        let host = self.address;
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let made = ["HTTP/1.1 200", "HTTP/1.1 201"].iter().any(|status| answer.starts_with(status));
        assert!(made, "{:?} made no bucket: {answer}", self.kind);
    }

    /// The headers that sign a request to Azure.
    fn azure_headers(&self, path: &str) -> String {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "PUT".parse().unwrap();
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(AZURITE_KEY).unwrap());
        AzureAuthorizer::new(&credential, AZURITE_ACCOUNT).try_authorize(&mut request).unwrap();
        let headers = request.headers().iter();
        headers.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect()
    }
}

fn moto() -> Command {
    let mut command = program("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulators/s3.py"));
    command.env("PYTHONPATH", installed().join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn azurite() -> Command {
    let mut command = program("node");
    command.arg(installed().join("node_modules/azurite/dist/src/blob/main.js"));
    command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent"]);
    // It follows Azure's versions more slowly than others do, and is not to tell anybody that it was started.
    command.args(["--skipApiVersionCheck", "--disableTelemetry"]);
    command
}

/// Both tell the port they chose at the end of a line; what Azurite says before that has none.
fn port_in(output: &mut impl BufRead) -> u16 {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the object store ended:\n{said}");
        let told = ["listening on port ", "listens on http://127.0.0.1:"].iter().find_map(|text| line.split_once(text));
        if let Some((_, port)) = told {
            return port.trim().parse().unwrap();
        }
        said.push_str(&line);
    }
}

#[cfg(test)]
fn of_two_that_create_the_same_object_one_is_refused(kind: Kind) {
    use object_store::{ObjectStoreExt, PutMode};
    if !super::skip_unless(&super::Need::OBJECT_STORES) {
        return;
    }
    let (store, path) = (ObjectStore::start(kind), object_store::path::Path::from("grants/one.json"));
    let client = store.client();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let create = |body: &'static str| {
            let (client, path) = (client.clone(), path.clone());
            tokio::spawn(async move { client.put_opts(&path, body.into(), PutMode::Create.into()).await })
        };
        let tries: Vec<_> = ["first", "other", "third", "4th.."].map(create).into_iter().collect();
        let mut made = 0;
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => made += 1,
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(made, 1);
        assert_eq!(client.get_range(&path, 1..3).await.unwrap().len(), 2);
        let listed = client.list_with_delimiter(None).await.unwrap();
        assert_eq!(listed.common_prefixes, [object_store::path::Path::from("grants")]);
    });
}

#[test]
fn moto_lets_only_one_create_an_object_and_gives_ranges() {
    of_two_that_create_the_same_object_one_is_refused(Kind::S3);
}

#[test]
fn azurite_lets_only_one_create_an_object_and_gives_ranges() {
    of_two_that_create_the_same_object_one_is_refused(Kind::Azure);
}
