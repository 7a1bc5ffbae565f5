//! `fr-serve` itself: a vault, its configuration, and the processes that serve it.

use super::fr_mount::Ended;
use super::object_store::ObjectStore;
use super::ports::free_port;
use super::process::{Background, wait_until};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;

/// The user of these services, who may do everything.
pub(crate) const USER: &str = "ann";

/// What differs from one test to the next.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// The longest that a grant may live, and what the page offers first.
    pub(crate) lifetime: &'a str,
    /// Where the vault is; a directory without it.
    pub(crate) store: Option<&'a ObjectStore>,
    /// Where clients are told to go; to the process itself without it.
    pub(crate) portal: Option<SocketAddr>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { lifetime: "12h", store: None, portal: None }
    }
}

/// A vault with a key, a certificate and a user, as `fr-serve init` makes them: what several processes serve together.
pub(crate) struct Installation {
    directory: tempfile::TempDir,
    token: String,
    common: toml::Table,
    processes: AtomicUsize,
    portal: Option<SocketAddr>,
}

impl Installation {
    pub(crate) fn new(setup: &Setup<'_>) -> Self {
        let directory = tempfile::Builder::new().prefix("fr-serve-test-").tempdir().unwrap();
        fs::create_dir(directory.path().join("tmp")).unwrap();
        let mut init = program(directory.path());
        init.args(["--json", "init", "--host", "127.0.0.1", "--user", USER]).arg(directory.path());
        if let Some(store) = setup.store {
            init.args(["--vault", &store.url()]);
        }
        let made: Value = Ended::run(&mut init).assert_ok().json();
        let token = made["token"].as_str().unwrap().to_owned();
        let configuration = fs::read_to_string(made["config"].as_str().unwrap()).unwrap();
        let mut common: toml::Table = configuration.parse().unwrap();
        common["maximum_lifetime"] = setup.lifetime.into();
        common["cache"] = "16MiB".into();
        if let Some(store) = setup.store {
            let options = store.options().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
            common["vault_options"] = toml::Table::from_iter(options).into();
            let file = |(name, value): (&str, &str)| {
                private(&directory.path().join(name), value.as_bytes());
                (name.to_owned(), name.into())
            };
            common["vault_secret_files"] = store.secrets().into_iter().map(file).collect::<toml::Table>().into();
        }
        Self { directory, token, common, processes: AtomicUsize::new(0), portal: setup.portal }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The token that the user signs in with.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A configuration of its own for one more process.
    fn configuration(&self, iscsi: SocketAddr, https: SocketAddr) -> PathBuf {
        let number = self.processes.fetch_add(1, Ordering::SeqCst);
        let list = |address: SocketAddr| toml::Value::from(vec![address.to_string()]);
        let mut own = self.common.clone();
        own["audit"] = format!("audit-{number}.jsonl").into();
        own["iscsi"]["listen"] = list(iscsi);
        own["iscsi"]["portals"] = list(self.portal.unwrap_or(iscsi));
        own["https"]["listen"] = list(https);
        let file = self.path().join(format!("fr-serve-{number}.toml"));
        fs::write(&file, own.to_string()).unwrap();
        file
    }

    /// `fr-serve` with these arguments, after its configuration.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        Ended::run(self.command(&self.configuration(nowhere, nowhere)).args(args))
    }

    fn command(&self, configuration: &Path) -> Command {
        let mut command = program(self.path());
        command.arg("--config").arg(configuration);
        command
    }

    /// Puts disk images into the vault as a recovery point; `options` are those of `fr-serve import`.
    #[track_caller]
    pub(crate) fn import(&self, vm: &str, point: &str, options: &[&str], disks: &[PathBuf]) {
        let disks = disks.iter().map(|disk| disk.to_str().unwrap());
        let args: Vec<_> =
            ["import", "--vm", vm, "--point", point].into_iter().chain(options.iter().copied()).chain(disks).collect();
        self.run(&args).assert_ok();
    }

    /// Starts a process that serves the vault, and waits until it does.
    pub(crate) fn serve(&self) -> FrServe {
        self.serve_with(|command| command)
    }

    /// The same with a command that is changed before it is run.
    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> FrServe {
        let [iscsi, https] = [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let configuration = self.configuration(iscsi, https);
        let log = configuration.with_extension("log");
        let mut command = self.command(&configuration);
        command.arg("serve").env("FR_SERVE_LOG", "trace");
        let (out, error) = (File::create(&log).unwrap(), File::options().append(true).open(&log).unwrap());
        let mut process = Background::start(change(&mut command).stdout(out).stderr(error));
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait_until("fr-serve listens", || {
            assert!(process.ended().is_none(), "fr-serve ended:\n{}", said());
            [iscsi, https].iter().all(|address| TcpStream::connect(address).is_ok())
        });
        FrServe { process, iscsi, https, log, token: self.token.clone() }
    }
}

/// A file that its owner alone can read.
fn private(file: &Path, content: &[u8]) {
    fs::write(file, content).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// `fr-serve` with temporary files of its own, and no proxy.
fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fr-serve"));
    command.env("TMPDIR", directory.join("tmp")).stdin(Stdio::null());
    for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(proxy);
    }
    command
}

/// A running `fr-serve`; killed when dropped.
pub(crate) struct FrServe {
    process: Background,
    iscsi: SocketAddr,
    https: SocketAddr,
    log: PathBuf,
    token: String,
}

impl FrServe {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its target listens.
    pub(crate) const fn iscsi(&self) -> SocketAddr {
        self.iscsi
    }

    /// Where its page and its API are.
    pub(crate) const fn https(&self) -> SocketAddr {
        self.https
    }

    /// Its page.
    pub(crate) fn url(&self) -> String {
        format!("https://{}/", self.https)
    }

    /// All that it said, its log included.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it as a loss of power would.
    pub(crate) fn kill(&mut self) {
        self.process.signal(rustix::process::Signal::KILL);
        self.process.wait();
    }

    /// Asks it to end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.signal(rustix::process::Signal::TERM);
        self.process.wait()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        self.process.signal(signal);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Its API, for what no browser is needed for.
    pub(crate) fn api(&self) -> Api {
        Api::new(format!("{}api/v1/", self.url()), self.token.clone())
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it runs");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

/// The API of a service, with the user's token.
pub(crate) struct Api {
    runtime: Runtime,
    client: reqwest::Client,
    base: String,
    token: String,
}

/// A grant as its holder gets it.
pub(crate) struct Granted {
    pub(crate) id: String,
    pub(crate) bundle: String,
    pub(crate) password: String,
}

impl Api {
    fn new(base: String, token: String) -> Self {
        // Two libraries of the same process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A connection for each request: one that was kept may be closed by the service at any moment.
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).pool_max_idle_per_host(0);
        let client = client.no_proxy().build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, client, base, token }
    }

    /// Asks for something; panics when it is refused, or nobody answers.
    #[track_caller]
    fn ask(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Value {
        let (status, text) = self.answer(method, path, body).unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    fn answer(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<(reqwest::StatusCode, String)> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await?;
            Ok((answer.status(), answer.text().await?))
        })
    }

    /// Whether it answers now, and lets the user in.
    pub(crate) fn answers(&self) -> bool {
        self.answer(reqwest::Method::GET, "vms", None).is_ok_and(|(status, _)| status.is_success())
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask(reqwest::Method::GET, path, None)
    }

    /// Gets access to a recovery point.
    #[track_caller]
    pub(crate) fn grant(&self, vm: &str, point: &str) -> Granted {
        let answer = self.ask(reqwest::Method::POST, "grants", Some(&json!({"vm": vm, "point": point})));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Granted {
            id: text(&answer["grant"]["id"]),
            bundle: text(&answer["bundle"]),
            password: text(&answer["password"]),
        }
    }

    /// Ends a grant.
    #[track_caller]
    pub(crate) fn revoke(&self, id: &str) {
        self.ask(reqwest::Method::DELETE, &format!("grants/{id}"), None);
    }

    /// The grant with this id, as it is now.
    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> Value {
        let grants = self.get("grants");
        let found = grants["grants"].as_array().unwrap().iter().find(|status| status["grant"]["id"] == id);
        found.unwrap_or_else(|| panic!("{id} is not in {grants:#}")).clone()
    }
}
