//! No secret of a run can be found afterwards, or by who looks at processes; what is planted at the same places is found.

use crate::support::browser::{self, Browser};
use crate::support::fr_mount::{FrMount, Place, shell};
use crate::support::fr_serve::{FrServe, Installation, Setup};
use crate::support::object_store::{Kind, ObjectStore};
use crate::support::process::wait_until;
use crate::support::secret_search::Secrets;
use crate::support::{Background, Ext4Image, Need, fr_mount, skip_unless};
use base64::Engine as _;
use rustix::process::Signal;
use secrecy::ExposeSecret;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What is no secret, and is found: the name of a VM and a variable of the environment; the label of a volume.
const PLANTED: &str = "planted-for-the-search-0123456789";
const LABEL: &str = "planted-label-01";

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    shell("echo content > file", from.path());
    Ext4Image::copied_from(from.path(), 16, &["-L", LABEL])
}

/// What is sealed in a bundle.
fn add_chap_secrets(secrets: &mut Secrets, bundle: &Path, password: &str) {
    let bundle = bundle::sealed::SealedBundle::parse(&fs::read_to_string(bundle).unwrap()).unwrap();
    let chap = bundle.open(&password.to_owned().into()).unwrap();
    secrets.add("the CHAP secret", chap.secret.expose_secret());
    secrets.add("the CHAP secret of the target", chap.target_secret.expose_secret());
}

/// The private keys of the service.
fn add_keys(secrets: &mut Secrets, installation: &Installation) {
    for (name, file) in [("the service's key", OWN[0]), ("the key of TLS", OWN[1])] {
        let text = fs::read_to_string(installation.path().join(file)).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        // The one octet string of 32 bytes in it, of Ed25519 (RFC 8410 section 7) as of P-256 (RFC 5915 section 3): what
        // else is in the file is the public key, or the same in all.
        let at = der.windows(2).position(|bytes| bytes == [0x04, 32]).expect("a private key of 32 bytes") + 2;
        secrets.add(name, &der[at..at + 32]);
    }
}

/// The files in which a service is given its secrets.
const OWN: [&str; 4] = ["service-key.pem", "tls-key.pem", "aws_access_key_id", "aws_secret_access_key"];

/// All that took part in a run, and what was left by it.
struct Run {
    // Whoever uses what another has goes before it.
    mount: FrMount,
    browser: Browser,
    server: FrServe,
    installation: Installation,
    store: ObjectStore,
    bundle: PathBuf,
    password: String,
    processes: Vec<u32>,
}

impl Run {
    /// Signs in on the page, gets access, mounts and reads. Logs say all that they can say. What is no secret and everybody may
    /// see, the name of the VM, is what was planted.
    fn play() -> Self {
        let (store, image) = (ObjectStore::start(Kind::S3), image());
        let installation = Installation::new(&Setup { store: Some(&store), ..Setup::default() });
        installation.import(PLANTED, "now", &[], &[image.path()]);
        let server = installation.serve_with(|command| command.env("PLANTED", PLANTED));
        let browser = Browser::start();
        browser.open(&server.url());
        browser.fill("#token", installation.token());
        browser.click("#sign-in");
        browser.click(".vm");
        browser.click("#get-access");
        let (password, bundle) = (browser.text("#password"), browser.downloaded(".fr-bundle"));
        let place = Place::new();
        let mut command = place.bundle_command(&bundle, &password);
        command.args(["--json", "--foreground"]).arg("--log").arg(place.path().join("log"));
        command.env("FR_MOUNT_LOG", "trace").env("TMPDIR", place.path()).env("PLANTED", PLANTED);
        let mount = FrMount::spawn(place, command);
        assert_eq!(fs::read(mount.volume(LABEL).join("file")).unwrap(), b"content\n");
        let processes = [server.id(), mount.id()].into_iter().chain(browser.processes()).collect();
        Self { mount, browser, server, installation, store, bundle, password, processes }
    }

    fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("the password", &self.password);
        secrets.add("the user's token", self.installation.token());
        add_chap_secrets(&mut secrets, &self.bundle, &self.password);
        add_keys(&mut secrets, &self.installation);
        for (name, value) in self.store.secrets() {
            secrets.add(name, value);
        }
        secrets
    }

    fn in_processes(&self, secrets: &Secrets) -> Vec<String> {
        self.processes.iter().flat_map(|id| secrets.in_process(*id)).collect()
    }

    /// Looks at everything that was written; after the browser has ended, which writes at its end.
    fn in_what_was_written(&self, secrets: &Secrets) -> Vec<String> {
        let objects = self.store.objects();
        let in_objects = objects.iter().flat_map(|(name, content)| {
            secrets.in_text(&format!("the object {name}"), &[name.as_bytes(), b"\n", content].concat())
        });
        let mut found: Vec<_> = in_objects.collect();
        // The bundle that was downloaded is among these: what is sealed in it must not be readable.
        found.extend(secrets.in_files(self.browser.directory(), &[]));
        // Configuration, audit log, log and temporary files.
        found.extend(secrets.in_files(self.installation.path(), &OWN));
        // Records of the session, log, temporary files, and what it said.
        found.extend(secrets.in_files(self.mount.place().path(), &[]));
        found
    }
}

#[test]
fn no_secret_of_a_run_is_in_processes_logs_state_vault_or_browser() {
    let needs = [&[Need::Root, Need::Fuse, Need::MKFS], browser::NEEDS.as_slice(), &Need::OBJECT_STORES].concat();
    if !skip_unless(&needs) {
        return;
    }
    let mut run = Run::play();
    let (secrets, mut planted) = (run.secrets(), Secrets::default());
    planted.add("what was planted", PLANTED);
    planted.add("the label", LABEL);
    planted.add("what fr-serve says", "serving the vault");
    let mut found = run.in_processes(&secrets);
    let mut found_planted = run.in_processes(&planted);
    run.browser.click("#close-access");
    run.browser.quit();
    found.extend(run.in_what_was_written(&secrets));
    assert_eq!(found, [""; 0]);

    // The same search at the same places finds what is there.
    found_planted.extend(run.in_what_was_written(&planted));
    let [server, mount] = [run.server.id(), run.mount.id()];
    let log = run.mount.place().path().join("log").display().to_string();
    for place in [
        &format!("environ of process {server}"),
        &format!("environ of process {mount}"),
        &format!("cmdline of process {mount}"),
        "the object points/",
        "the object grants/",
        "/History",
        ".fr-bundle",
        "/audit-1.jsonl",
        "/fr-serve-1.log",
        &log,
        "/state/",
    ] {
        assert!(found_planted.iter().any(|found| found.contains(place)), "nothing in {place}: {found_planted:#?}");
    }
    run.mount.stop();
}

/// Whether what was aborted dumped core, and how many files of that are in `directory`.
fn dumped(status: ExitStatus, directory: &Path) -> (bool, usize) {
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    let is_core =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().as_encoded_bytes().starts_with(b"core");
    (status.core_dumped(), fs::read_dir(directory).unwrap().filter_map(|entry| is_core(entry).then_some(())).count())
}

/// A command that may dump as much core as it likes, into `directory`.
fn unlimited(command: &Command, directory: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(directory).stdin(Stdio::null());
    shell
}

#[test]
fn neither_program_writes_a_core_dump() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut sleep = Background::start(&mut unlimited(Command::new("sleep").arg("1000"), directory.path()));
    wait_until("sleep runs", || {
        fs::read(format!("/proc/{}/cmdline", sleep.id())).is_ok_and(|arguments| arguments.starts_with(b"sleep"))
    });
    sleep.signal(Signal::ABORT);
    assert!(dumped(sleep.wait(), directory.path()).0, "this system dumps no core of anything: the test shows nothing");

    let (image, directory) = (image(), tempfile::tempdir().unwrap());
    let place = Place::new();
    let mut command = place.command();
    command.args(["--json", "--read-only", "--foreground"]).arg(image.path()).arg(place.mount_point());
    let mut mount = FrMount::spawn(place, unlimited(&command, directory.path()));
    mount.signal(Signal::ABORT);
    assert_eq!(dumped(mount.wait(), directory.path()), (false, 0), "fr-mount dumps core");
    fr_mount(mount.place(), ["cleanup"]).assert_ok();
    mount.place().assert_nothing_left();

    let installation = Installation::new(&Setup::default());
    installation.import("db-1", "now", &[], &[image.path()]);
    let mut server = installation.serve_with(|command| {
        *command = unlimited(command, directory.path());
        command
    });
    server.signal(Signal::ABORT);
    assert_eq!(dumped(server.wait(), directory.path()), (false, 0), "fr-serve dumps core");
}
