//! No secret of a run can be found afterwards, or by who looks at processes. The search itself is tested in
//! `support/secret_search.rs`; here it is shown to find what is planted where it looks.

use crate::support::browser::{self, Browser};
use crate::support::fr_mount::{FrMount, Place, shell};
use crate::support::fr_serve::{Installation, Setup};
use crate::support::object_store::{Kind, ObjectStore};
use crate::support::process::wait_until;
use crate::support::secret_search::Secrets;
use crate::support::{Background, Ext4Image, Need, fr_mount, skip_unless};
use base64::Engine as _;
use rustix::process::Signal;
use secrecy::ExposeSecret;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

const PLANTED: &str = "planted-for-the-search-0123456789";

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    shell("echo content > file", from.path());
    Ext4Image::copied_from(from.path(), 16, &["-L", "data"])
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

#[test]
fn no_secret_of_a_run_is_in_processes_logs_state_vault_or_browser() {
    let needs = [&[Need::Root, Need::Fuse, Need::MKFS], browser::NEEDS.as_slice(), &Need::OBJECT_STORES].concat();
    if !skip_unless(&needs) {
        return;
    }
    let (store, image) = (ObjectStore::start(Kind::S3), image());
    let installation = Installation::new(&Setup { store: Some(&store), ..Setup::default() });
    installation.import("db-1", "now", &[], &[image.path()]);
    let server = installation.serve();
    let mut browser = Browser::start();
    browser.open(&server.url());
    browser.fill("#token", installation.token());
    browser.click("#sign-in");
    browser.click(".vm[data-key='db-1']");
    browser.click("#get-access");
    let (password, bundle) = (browser.text("#password"), browser.downloaded(".fr-bundle"));

    let place = Place::new();
    let mut command = place.bundle_command(&bundle, &password);
    let log = place.path().join("log");
    command.args(["--json", "--foreground"]).arg("--log").arg(&log).env("FR_MOUNT_LOG", "trace");
    command.env("TMPDIR", place.path());
    let mount = FrMount::spawn(place, command);
    assert_eq!(fs::read(mount.volume("data").join("file")).unwrap(), b"content\n");

    let mut secrets = Secrets::default();
    secrets.add("the password", &password);
    secrets.add("the user's token", installation.token());
    add_chap_secrets(&mut secrets, &bundle, &password);
    add_keys(&mut secrets, &installation);
    for (name, value) in store.secrets() {
        secrets.add(name, value);
    }
    let mut found = Vec::new();
    for id in [server.id(), mount.id()].into_iter().chain(browser.processes()) {
        found.extend(secrets.in_process(id));
    }
    // The bundle that was downloaded is among these: what is sealed in it must not be readable.
    browser.click("#close-access");
    browser.quit();
    found.extend(secrets.in_files(browser.directory(), &[]));
    // Its audit log, its configuration and its temporary files.
    found.extend(secrets.in_files(installation.path(), &OWN));
    assert!(installation.path().join("audit-1.jsonl").exists(), "the audit log is not where it is looked for");
    found.extend(secrets.in_files(mount.place().path(), &[]));
    found.extend(secrets.in_text("what fr-serve says", server.said().as_bytes()));
    found.extend(secrets.in_text("what fr-mount says", mount.stderr().as_bytes()));
    let objects = store.objects();
    assert!(
        objects.iter().any(|(name, _)| name.starts_with("grants/")),
        "the grants are not where they are looked for"
    );
    for (name, content) in objects {
        found.extend(secrets.in_text(&format!("the object {name}"), &content));
    }
    assert_eq!(found, [""; 0]);
    assert!(fs::metadata(&log).unwrap().len() > 1000, "fr-mount writes no log");
    assert!(server.said().len() > 1000, "fr-serve writes no log");
    mount.stop();
}

#[test]
fn the_search_finds_what_a_page_puts_into_its_address() {
    if !skip_unless(&browser::NEEDS) {
        return;
    }
    let mut secrets = Secrets::default();
    secrets.add("what was planted", PLANTED);
    let mut browser = Browser::start();
    let address = browser::serve_page("<title>a page</title>");
    browser.open(&format!("http://{address}/?token={PLANTED}"));
    browser.quit();
    let found = secrets.in_files(browser.directory(), &[]);
    assert!(found.iter().any(|place| place.ends_with("/History")), "{found:?}");
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
