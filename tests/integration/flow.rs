//! The whole flow with real processes: disks go into a vault, somebody gets access on the page, mounts the bundle and
//! copies files; and it ends, by the button, by the clock, or by a crash. Nothing is left then.

use crate::support::browser::{self, Browser};
use crate::support::fr_mount::{Ended, Place, mounts_below, pipe};
use crate::support::fr_serve::{FrServe, Installation, Setup};
use crate::support::process::{processes_naming, wait_until};
use crate::support::report::Session;
use crate::support::sample::{Sample, assert_whole};
use crate::support::{FrMount, Need, exit, fr_mount, skip_unless};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A file of the sample's volume `data`; its first bytes are read before a session ends and must not be readable after it.
const FILE: &str = "machines/milling-machine.img";
const VM: &str = "joinery-1";
const OLDER: &str = "20260301T080000Z";
const NEWEST: &str = "20260302T080000Z";

fn needs() -> Vec<Need> {
    [&[Need::Root, Need::Fuse, Need::ZSTD, Need::QEMU_IMG], browser::NEEDS.as_slice()].concat()
}

/// A service with two recovery points of one VM: the older of raw disks, the newest of what hypervisors keep.
struct Recovery {
    /// Goes first: it writes into the directory of the other as long as it lives.
    server: FrServe,
    installation: Installation,
}

impl Recovery {
    fn begin(lifetime: &str) -> Self {
        let sample = Sample::unpack();
        let installation = Installation::new(&Setup { lifetime, ..Setup::default() });
        let options = |taken_at| ["--taken-at", taken_at, "--os", "Debian 12", "--consistency", "file-system"];
        let raw = [sample.disk(0), sample.disk(1)];
        installation.import(VM, OLDER, &options("2026-03-01T08:00:00Z"), &raw);
        installation.import(VM, NEWEST, &options("2026-03-02T08:00:00Z"), &sample.converted());
        installation.import("empty-shop", "one", &options("2026-02-01T08:00:00Z"), &raw[1..]);
        // The images are in the vault now: nothing may need the originals.
        drop(sample);
        let server = installation.serve();
        Self { server, installation }
    }

    /// Signs in on the page.
    fn sign_in(&self) -> Browser {
        let browser = Browser::start();
        browser.open(&self.server.url());
        browser.find("#token");
        browser.screenshot("flow-1-sign-in");
        browser.fill("#token", self.installation.token());
        browser.click("#sign-in");
        browser
    }
}

/// What a person has after "Get access".
struct Access {
    bundle: PathBuf,
    password: String,
}

impl Access {
    /// Chooses the VM on the page and gets access to the point that the page proposes.
    fn to_the_newest(browser: &Browser) -> Self {
        browser.click(&format!(".vm[data-key='{VM}']"));
        browser.find(&format!(".point[data-key='{NEWEST}'][aria-current='true']"));
        browser.find(".part");
        browser.screenshot("flow-2-point");
        browser.click("#get-access");
        let password = browser.text("#password");
        assert_eq!(password.split('-').map(str::len).collect::<Vec<_>>(), [4; 5], "{password}");
        let bundle = browser.downloaded(".fr-bundle");
        browser.screenshot("flow-3-access");
        Self { bundle, password }
    }

    fn mount(&self) -> FrMount {
        Place::new().mount_bundle(&self.bundle, &self.password)
    }
}

/// Closes what shows the password; it is gone from the page then.
fn close_access(browser: &Browser, access: &Access) {
    browser.click("#close-access");
    let page = browser.script("return document.documentElement.outerHTML").to_string();
    assert!(!page.contains(&access.password), "the page still holds the password");
}

/// Panics when a process that was started for this place is still there, or anything else of it.
#[track_caller]
fn assert_nothing_left(place: &Place) {
    place.assert_nothing_left();
    assert_eq!(processes_naming(place.path()), [0; 0], "processes are left");
}

#[test]
fn disks_that_were_mounted_from_the_page_are_gone_ten_seconds_after_its_button() {
    const PROMISED: Duration = Duration::from_secs(10);
    if !skip_unless(&needs()) {
        return;
    }
    let recovery = Recovery::begin("12h");
    let browser = recovery.sign_in();
    let access = Access::to_the_newest(&browser);
    close_access(&browser, &access);
    let mut mount = access.mount();
    assert_whole(&mount.place().mount_point());
    browser.find("#sessions tr[data-state='active'] .unmount");
    wait_until("the page shows who is connected", || browser.text("#sessions .from").contains("127.0.0.1"));
    browser.screenshot("flow-4-connected");
    browser.click("#sessions .unmount");
    browser.find("#confirm-unmount");
    browser.screenshot("flow-5-confirm");
    let pressed = Instant::now();
    browser.click("#confirm-unmount");
    wait_until("the disks are unmounted", || mounts_below(mount.place().path()).is_empty());
    assert!(pressed.elapsed() < PROMISED, "it took {:?}", pressed.elapsed());
    assert_eq!(mount.wait().code(), Some(exit::REVOKED), "{}", mount.stderr());
    assert!(mount.stderr().contains("withdrawn"), "{}", mount.stderr());
    assert_nothing_left(mount.place());
    browser.find("#sessions tr[data-state='revoked']");
    browser.screenshot("flow-6-unmounted");
    // Neither the bundle nor the password is of use to anybody any more.
    let place = Place::new();
    let again = Ended::run(&mut place.bundle_command(&access.bundle, &access.password));
    assert_eq!(again.code(), Some(exit::NOT_VALID), "{}", again.stderr());
    assert!(again.stderr().contains("withdrawn"), "{}", again.stderr());
    assert_nothing_left(&place);
}

#[test]
fn a_grant_of_twenty_seconds_ends_by_itself_and_open_files_with_it() {
    if !skip_unless(&needs()) {
        return;
    }
    let recovery = Recovery::begin("20s");
    let browser = recovery.sign_in();
    let access = Access::to_the_newest(&browser);
    let mut mount = access.mount();
    let mut begin = [0; 4096];
    let mut file = File::open(mount.volume("data").join(FILE)).unwrap();
    file.read_exact(&mut begin).unwrap();
    // Now it is cached, by the kernel and by us.
    file.read_exact_at(&mut begin, 0).unwrap();
    assert_eq!(mount.wait().code(), Some(exit::EXPIRED), "{}", mount.stderr());
    assert!(file.read_exact_at(&mut begin, 0).is_err(), "what was cached can still be read");
    assert!(mount.stderr().contains("expired"), "{}", mount.stderr());
    assert_nothing_left(mount.place());
    drop(file);
    wait_until("the page says that it is over", || browser.count("#sessions tr[data-state='active']") == 0);
    browser.screenshot("flow-7-expired");
    let place = Place::new();
    let again = Ended::run(&mut place.bundle_command(&access.bundle, &access.password));
    assert_eq!(again.code(), Some(exit::NOT_VALID), "{}", again.stderr());
    assert!(again.stderr().contains("it ended at"), "{}", again.stderr());
    assert_nothing_left(&place);
}

#[test]
fn what_a_killed_daemon_leaves_is_cleaned_up_and_the_script_of_the_page_mounts_anew() {
    if !skip_unless(&needs()) {
        return;
    }
    let recovery = Recovery::begin("12h");
    let browser = recovery.sign_in();
    let access = Access::to_the_newest(&browser);
    let place = Place::new();
    Ended::run(&mut place.bundle_command(&access.bundle, &access.password)).assert_ok();
    assert_whole(&place.mount_point());
    let [session]: [Session; 1] =
        fr_mount(&place, ["status", "--json"]).assert_ok().json::<Vec<_>>().try_into().unwrap();
    let pid = Pid::from_raw(session.pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    wait_until("the daemon is gone", || !Path::new(&format!("/proc/{}", session.pid)).exists());
    assert_eq!(mounts_below(&place.mount_point()).len(), 3, "nothing is left that could be cleaned up");
    fr_mount(&place, ["cleanup"]).assert_ok();
    assert_nothing_left(&place);

    browser.click("#download-linux");
    let script = browser.downloaded(".sh");
    let ended = Ended::run(&mut launcher(&place, &script, &access.password));
    ended.assert_ok();
    assert_whole(&place.mount_point());
    fr_mount(&place, ["unmount", place.mount_point().to_str().unwrap()]).assert_ok();
    wait_until("the daemon has ended", || processes_naming(place.path()).is_empty());
    assert_nothing_left(&place);
}

/// The script as a person runs it, with `fr-mount` installed.
fn launcher(place: &Place, script: &Path, password: &str) -> Command {
    let programs = Path::new(env!("CARGO_BIN_EXE_fr-mount")).parent().unwrap();
    let path = std::env::join_paths([programs, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let mut command = Command::new("sh");
    command.arg(script).arg(place.mount_point()).args(["--password", "fd:0"]).stdin(pipe(password));
    command.env("PATH", path).env("FR_MOUNT_STATE_DIR", place.state()).env("TMPDIR", place.path());
    command
}
