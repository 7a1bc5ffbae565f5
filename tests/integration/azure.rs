//! Scripts of Azure Backup as SOURCE, against a stand-in for its portal.

use crate::support::azure_portal::{AzurePortal, Behaviour, FIRST, PASSWORD, PRIVATE, PUBLIC, SECOND, TARGET_SECRET};
use crate::support::fr_mount::{Ended, Place, shell};
use crate::support::process::Background;
use crate::support::sealed::file;
use crate::support::{DiskFile, Ext4Image, FrMount, Need, Report, exit, fr_mount, skip_unless};
use block::{BlockSize, Disk};
use bundle::azure::chap_prefix;
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NEEDS: &[Need] = &[Need::MKFS];
const MOUNTING: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];
const SCRIPT: &str = include_str!("../fixtures/azure/script-2024.py");

fn image(label: &str) -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    shell("echo content > file", from.path());
    Ext4Image::copied_from(from.path(), 4, &["-L", label])
}

fn disk(image: &Ext4Image) -> Arc<dyn Disk> {
    DiskFile::open(&image.path(), BlockSize::B512)
}

/// A stand-in as it usually is: one disk, ready at once.
fn usual(image: &Ext4Image) -> Behaviour {
    Behaviour {
        targets: vec![(FIRST, disk(image))],
        shown: vec![vec![FIRST.to_owned()]],
        reverse: None,
        refusal: None,
        prefix: chap_prefix(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
    }
}

/// A script and its password in a place of their own.
struct Scene {
    place: Place,
    portal: AzurePortal,
    script: PathBuf,
}

impl Scene {
    fn new(behaviour: Behaviour, script: &str) -> Self {
        let place = Place::new();
        let script = file(&place, "web-01_weu_1_script.py", script);
        Self { portal: AzurePortal::start(behaviour), script, place }
    }

    /// What `fr-mount` has to be told, with the password in a file.
    fn args(&self, password: &str) -> Vec<String> {
        let password = self.place.secret("password", password);
        let script = self.script.display().to_string();
        [vec![script, "--password".to_owned(), password], self.portal.options()].concat()
    }

    fn volumes(&self, options: &[&str]) -> Ended {
        let options = options.iter().map(ToString::to_string);
        let args = ["volumes".to_owned(), "--json".to_owned()].into_iter().chain(self.args(PASSWORD)).chain(options);
        fr_mount(&self.place, args)
    }

    #[track_caller]
    fn assert_fails(&self, options: &[&str], code: i32, said: &[&str]) {
        let message = self.volumes(options).assert_failed(code);
        assert!(said.iter().all(|said| message.contains(said)), "{said:?} is not in: {message}");
        assert!(!message.contains(PASSWORD) && !message.contains(TARGET_SECRET), "{message}");
    }
}

#[test]
fn a_script_is_mounted_as_it_is() {
    if !skip_unless(MOUNTING) {
        return;
    }
    let image = image("data");
    let mut scene = Scene::new(usual(&image), SCRIPT);
    let args = scene.args(PASSWORD);
    let place = std::mem::replace(&mut scene.place, Place::new());
    let mount = FrMount::start(place, &args);
    assert_eq!(fs::read_to_string(mount.volume("data").join("file")).unwrap(), "content\n");
    let second = mount.place().path().join("second");
    fs::create_dir(&second).unwrap();
    let twice =
        [&["--read-only"], &args.iter().map(String::as_str).collect::<Vec<_>>()[..], &[second.to_str().unwrap()]];
    let message = fr_mount(mount.place(), twice.concat()).assert_failed(exit::BUSY);
    assert!(message.contains("attached already") && message.contains("fr-mount unmount"), "{message}");
    mount.stop();
    let seen = scene.portal.seen();
    assert!(seen.names.iter().all(|name| name == PUBLIC) && seen.names.len() >= 2, "{seen:?}");
    let suite = "TLSv1_2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    assert!(seen.suites.iter().all(|found| found == suite), "{seen:?}");
}

#[test]
fn a_password_in_the_script_is_used_and_the_vendor_is_shown() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let scene = Scene::new(usual(&image), &SCRIPT.replace("UserInput012345", PASSWORD));
    let args =
        [vec!["volumes".to_owned(), "--json".to_owned(), scene.script.display().to_string()], scene.portal.options()];
    let ended = fr_mount(&scene.place, args.concat());
    let report: Report = ended.assert_ok().json();
    assert_eq!(report.volume("data").state, "readable");
    assert!(ended.stdout().contains("MABILR I"), "{}", ended.stdout());
    assert!(!ended.stdout().contains(PASSWORD));
}

#[test]
fn a_private_endpoint_is_dialled_by_its_name_and_checked_by_the_public_one() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let scene = Scene::new(usual(&image), &SCRIPT.replace(PUBLIC, PRIVATE));
    scene.volumes(&[]).assert_ok();
    let seen = scene.portal.seen();
    assert!(seen.dialled.iter().all(|host| *host == format!("{PRIVATE}:3260")), "{seen:?}");
    assert!(seen.names.iter().all(|name| name == PUBLIC), "{seen:?}");
}

#[test]
fn a_target_that_is_not_ready_is_waited_for() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let not_ready = vec![format!("{FIRST}-notready")];
    let shown = vec![not_ready.clone(), not_ready.clone(), vec![FIRST.to_owned()]];
    let scene = Scene::new(Behaviour { shown, ..usual(&image) }, SCRIPT);
    scene.volumes(&["--ready-timeout", "400ms"]).assert_ok();
    assert_eq!(scene.portal.seen().discoveries, 3);
    let scene = Scene::new(Behaviour { shown: vec![not_ready], ..usual(&image) }, SCRIPT);
    scene.assert_fails(&["--ready-timeout", "40ms"], exit::CONNECT, &["preparing", "--ready-timeout"]);
    assert_eq!(scene.portal.seen().discoveries, 5);
}

#[test]
fn waiting_for_a_target_ends_with_a_signal() {
    if !skip_unless(MOUNTING) {
        return;
    }
    let image = image("data");
    let scene = Scene::new(Behaviour { shown: vec![vec![format!("{FIRST}-notready")]], ..usual(&image) }, SCRIPT);
    let mut command = scene.place.command();
    command.args(["--read-only", "--foreground"]).args(scene.args(PASSWORD)).arg(scene.place.mount_point());
    let mut waiting = Background::start(command.stderr(Stdio::null()));
    crate::support::process::wait_until("it has looked once", || scene.portal.seen().discoveries > 0);
    let start = Instant::now();
    waiting.signal(Signal::TERM);
    assert_eq!(waiting.wait().code(), Some(exit::STOPPED));
    assert!(start.elapsed() < Duration::from_secs(60), "it waited for the target");
    scene.place.assert_nothing_left();
}

#[test]
fn all_targets_of_a_recovery_point_are_opened() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (one, two) = (image("one"), image("two"));
    let targets = vec![(FIRST, disk(&one)), (SECOND, disk(&two))];
    let shown = vec![vec![FIRST.to_owned(), SECOND.to_owned(), FIRST.replace(".638", ".637")]];
    let scene = Scene::new(Behaviour { targets, shown, ..usual(&one) }, SCRIPT);
    let report: Report = scene.volumes(&[]).assert_ok().json();
    assert_eq!(report.disks.len(), 2);
    assert!(["one", "two"].iter().all(|name| report.volume(name).state == "readable"));
}

#[test]
fn what_stands_in_the_way_is_told_apart() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let shown = |names: &[&str]| vec![names.iter().map(ToString::to_string).collect()];
    let scene = |change: &dyn Fn(&mut Behaviour)| {
        let mut behaviour = usual(&image);
        change(&mut behaviour);
        Scene::new(behaviour, SCRIPT)
    };
    scene(&|portal| portal.shown = shown(&["iqn.2016-01.microsoft.azure.backup:blocked"])).assert_fails(
        &[],
        exit::CONNECT,
        &["private endpoint", "outside its network"],
    );
    let gone = ["not valid any more", "unmounted in the portal", "Make a new script"];
    scene(&|portal| portal.shown = shown(&[])).assert_fails(&[], exit::NOT_VALID, &gone);
    scene(&|portal| portal.shown = shown(&[&FIRST.replace(".638", ".637")])).assert_fails(&[], exit::NOT_VALID, &gone);
    for status in [(2, 1), (2, 3), (2, 4)] {
        let refusing = scene(&|portal| portal.refusal = Some(status));
        refusing.assert_fails(&[], exit::NOT_VALID, &["not valid any more", "make a new script"]);
    }
    let busy = scene(&|portal| portal.refusal = Some((3, 2)));
    busy.assert_fails(&[], exit::CONNECT, &["attached already", "Unmount disks"]);
    // Another user than the one with the prefix of this system.
    scene(&|portal| portal.prefix = String::new()).assert_fails(&[], exit::NOT_VALID, &["password"]);
    let elsewhere = Scene::new(usual(&image), &SCRIPT.replace(PUBLIC, "pod09-rec2.test.backup.windowsazure.com"));
    elsewhere.assert_fails(&[], exit::CONNECT, &["proxy", "pod09-rec2", "3260"]);
}

#[test]
fn a_wrong_password_is_told_as_such() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let scene = Scene::new(usual(&image), SCRIPT);
    let with = |password: &str| fr_mount(&scene.place, [vec!["volumes".to_owned()], scene.args(password)].concat());
    let short = with("0a1b2c3d4e5f6a").assert_failed(exit::WRONG_PASSWORD);
    assert!(short.contains("15 characters") && short.contains("14"), "{short}");
    // Our own target chooses SHA-256 or better, with which a wrong secret is told from a wrong user.
    let wrong = with("0a1b2c3d4e5f6a8");
    assert!([Some(exit::WRONG_PASSWORD), Some(exit::NOT_VALID)].contains(&wrong.code()), "{}", wrong.stderr());
    assert!(wrong.stderr().contains("password"), "{}", wrong.stderr());
}

#[test]
fn the_portal_has_to_be_the_one_that_it_says() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let scene = Scene::new(usual(&image), SCRIPT);
    // Without --ca the system's authorities are asked, and they know nothing of the stand-in.
    let options = scene.portal.options();
    let script = scene.script.display().to_string();
    let password = scene.place.secret("password", PASSWORD);
    let args = ["volumes", &script, "--password", &password, &options[0], &options[1]];
    fr_mount(&scene.place, args).assert_failed(exit::IDENTITY);
    // A name that the portal does not have is refused by it.
    let message = scene.volumes(&["--server-name", "other.example"]).assert_failed(exit::IDENTITY);
    assert!(message.contains("access_denied"), "{message}");
}

#[test]
fn mutual_chap_is_done_where_it_is_asked_for_and_never_left_out_then() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image("data");
    let proving = Scene::new(Behaviour { reverse: Some(TARGET_SECRET), ..usual(&image) }, SCRIPT);
    proving.volumes(&["--mutual"]).assert_ok();
    proving.volumes(&[]).assert_ok();
    let silent = Scene::new(usual(&image), SCRIPT);
    silent.volumes(&["--mutual"]).assert_failed(exit::NOT_MUTUAL);
    let forging = Scene::new(Behaviour { reverse: Some("another secret"), ..usual(&image) }, SCRIPT);
    forging.volumes(&["--mutual"]).assert_failed(exit::TARGET_NOT_PROVEN);
    let without = Scene::new(usual(&image), &SCRIPT.replace("InitiatorChapPassword=", "Other="));
    without.assert_fails(&["--mutual"], exit::USAGE, &["--mutual"]);
}

#[test]
fn what_is_no_usable_script_is_refused_with_advice() {
    if !skip_unless(NEEDS) {
        return;
    }
    let scene = Scene::new(usual(&image("data")), SCRIPT);
    let place = &scene.place;
    let refused = |name: &str, content: &[u8], code: i32| {
        let path = place.path().join(name);
        fs::write(&path, content).unwrap();
        fr_mount(place, ["volumes", path.to_str().unwrap()]).assert_failed(code)
    };
    let cut = SCRIPT.split("TargetNodeAddress=\"").next().unwrap();
    assert!(refused("cut.py", cut.as_bytes(), exit::NOT_GENUINE).contains("cut short"));
    let two = format!("{SCRIPT}\nTargetPortalAddress=\"elsewhere.example\"\n");
    assert!(refused("two.py", two.as_bytes(), exit::NOT_GENUINE).contains("two different values"));
    let mut program = vec![0; 4096];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x80;
    program[0x80..0x84].copy_from_slice(b"PE\0\0");
    assert!(refused("web_weu_1.exe", &program, exit::USAGE).contains("script for Linux"));
    for options in [&["--chap-user", "x", "--chap-secret", "file:x"][..], &["--insecure-plaintext"], &["--service-key"]]
    {
        let key = format!("sha256:{}", "00".repeat(32));
        let options = if options == ["--service-key"] { &["--service-key", &key][..] } else { options };
        scene.assert_fails(options, exit::USAGE, &[options[0]]);
    }
}
