//! Sealed bundles as SOURCE: mounting, passwords, several portals, and what is told when something is wrong.

use crate::support::fr_mount::{Ended, Place, shell};
use crate::support::own_target::OwnTarget;
use crate::support::ports::free_port;
use crate::support::process::run;
use crate::support::relay::Relay;
use crate::support::sealed::{PASSWORD, SECRET, TARGET_SECRET, WRONG_PASSWORD, bundle, file, granted, offer};
use crate::support::{DiskFile, Ext4Image, FrMount, Need, Report, exit, fr_mount, skip_unless};
use block::BlockSize;
use bundle::sealed::{Offer, SigningKey, TrustAnchor};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use target::{Faults, Refusal, TargetConfig};

const NEEDS: &[Need] = &[Need::MKFS];
const MOUNTING: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];

/// A service with one grant, and a place with its bundle and files of passwords.
struct Scene {
    place: Place,
    target: OwnTarget,
    key: SigningKey,
    image: Ext4Image,
}

impl Scene {
    fn new(change: impl FnOnce(&mut TargetConfig)) -> Self {
        let from = tempfile::tempdir().unwrap();
        shell("echo content > file; head -c 3000000 /dev/urandom > large", from.path());
        let image = Ext4Image::copied_from(from.path(), 16, &["-L", "data"]);
        let mut config = granted(vec![DiskFile::open(&image.path(), BlockSize::B512)]);
        change(&mut config);
        Self { place: Place::new(), target: OwnTarget::tls(config), key: SigningKey::generate().unwrap(), image }
    }

    fn offer(&self, portals: &[SocketAddr]) -> Offer {
        offer(portals, TrustAnchor::CaPem(self.target.ca_pem()))
    }

    /// The bundle that the service would make.
    fn bundle(&self) -> PathBuf {
        self.write(&bundle(&self.offer(&[self.target.address()]), &self.key))
    }

    fn write(&self, text: &str) -> PathBuf {
        file(&self.place, "web-01.fr-bundle", text)
    }

    fn password(&self) -> String {
        self.place.secret("password", PASSWORD)
    }

    /// `fr-mount volumes` with the password in a file.
    fn volumes(&self, source: &Path, options: &[&str]) -> Ended {
        let password = self.password();
        let source = source.to_str().unwrap();
        fr_mount(&self.place, [&["volumes", "--json", source, "--password", &password], options].concat())
    }

    #[track_caller]
    fn assert_fails(&self, source: &Path, code: i32, said: &[&str]) {
        let message = self.volumes(source, &[]).assert_failed(code);
        assert!(said.iter().all(|said| message.contains(said)), "{said:?} is not in: {message}");
        assert!(!message.contains("secret of") && !message.contains(PASSWORD), "{message}");
    }
}

#[test]
fn a_bundle_is_mounted_with_its_password_and_no_secret_shows() {
    if !skip_unless(MOUNTING) {
        return;
    }
    let mut scene = Scene::new(|_| {});
    let (source, password) = (scene.bundle(), scene.password());
    let place = std::mem::replace(&mut scene.place, Place::new());
    let mount = FrMount::start(place, [source.to_str().unwrap(), "--password", &password]);
    assert_eq!(fs::read_to_string(mount.volume("data").join("file")).unwrap(), "content\n");
    let told = mount.report().notices.join("\n");
    assert!(told.contains(&scene.key.fingerprint().to_string()) && told.contains("VM web-01"), "{told}");
    let process = format!("/proc/{}", mount.id());
    for file in ["cmdline", "environ"] {
        let text = String::from_utf8_lossy(&fs::read(format!("{process}/{file}")).unwrap()).into_owned();
        assert!(![PASSWORD, SECRET, TARGET_SECRET].iter().any(|secret| text.contains(secret)), "{file}: {text}");
    }
    let state = mount.place().state();
    let record: String =
        fs::read_dir(state).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    assert!(record.contains("VM web-01") && !record.contains(SECRET) && !record.contains(TARGET_SECRET), "{record}");
    mount.stop();
}

#[test]
fn a_bundle_is_mounted_in_the_background_though_its_file_is_gone() {
    if !skip_unless(MOUNTING) {
        return;
    }
    let scene = Scene::new(|_| {});
    let (source, password, mount_point) = (scene.bundle(), scene.password(), scene.place.mount_point());
    let args = [source.to_str().unwrap(), mount_point.to_str().unwrap(), "--password", &password];
    fr_mount(&scene.place, [&["--read-only"], &args[..]].concat()).assert_ok();
    fs::remove_file(&source).unwrap();
    assert_eq!(fs::read(mount_point.join("data/large")).unwrap().len(), 3_000_000);
    fr_mount(&scene.place, ["unmount", mount_point.to_str().unwrap()]).assert_ok();
    scene.place.assert_nothing_left();
}

#[test]
fn the_password_comes_from_a_descriptor_however_it_is_typed() {
    if !skip_unless(NEEDS) {
        return;
    }
    let scene = Scene::new(|_| {});
    scene.bundle();
    fs::write(scene.place.path().join("typed"), "0123456789abcdefghjk\n").unwrap();
    let script = "exec \"$0\" volumes --json web-01.fr-bundle --password fd:3 3< typed";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_fr-mount")]).current_dir(scene.place.path());
    let report: Report = Ended::run(&mut command).assert_ok().json();
    assert_eq!(report.volume("data").state, "readable");
}

#[test]
fn a_prompt_gives_three_tries() {
    if !skip_unless(&[Need::MKFS, Need::PYTHON]) {
        return;
    }
    let scene = Scene::new(|_| {});
    let source = scene.bundle();
    for (passwords, status) in [([WRONG_PASSWORD, "x", PASSWORD], 0), ([WRONG_PASSWORD; 3], exit::WRONG_PASSWORD)] {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/type_passwords.py");
        let mut command = Command::new("python3");
        command.arg(script).args(passwords).arg("--").arg(env!("CARGO_BIN_EXE_fr-mount"));
        let output = command.args(["volumes".as_ref(), source.as_os_str()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains(PASSWORD) && said.contains("does not open the bundle"), "{said}");
    }
}

#[test]
fn a_dead_portal_is_passed_over_and_a_dying_one_replaced() {
    if !skip_unless(MOUNTING) {
        return;
    }
    let mut scene = Scene::new(|_| {});
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let dying = Relay::start(scene.target.address(), Some(400_000));
    let good = Relay::start(scene.target.address(), None);
    let source = scene.write(&bundle(&scene.offer(&[dead, dying.address(), good.address()]), &scene.key));
    let password = scene.password();
    let place = std::mem::replace(&mut scene.place, Place::new());
    let mount = FrMount::start(place, [source.to_str().unwrap(), "--password", &password]);
    let read = fs::read(mount.volume("data").join("large")).unwrap();
    assert!(read == content(&scene.image), "other bytes than those of the image");
    assert!(dying.connections() > 0 && good.connections() > 0);
    mount.stop();
}

#[test]
fn a_portal_that_cannot_serve_now_is_passed_over() {
    if !skip_unless(NEEDS) {
        return;
    }
    let ill = Scene::new(|config| {
        config.faults =
            Faults { refusal: Some(Refusal { class: 3, detail: 1, after: 0, times: 9 }), ..Faults::default() };
    });
    ill.assert_fails(&ill.bundle(), exit::CONNECT, &["try again later"]);
    let well = Scene::new(|_| {});
    let both = TrustAnchor::CaPem(format!("{}{}", ill.target.ca_pem(), well.target.ca_pem()));
    let offer = offer(&[ill.target.address(), well.target.address()], both);
    well.volumes(&well.write(&bundle(&offer, &well.key)), &[]).assert_ok();
}

/// The large file as debugfs reads it from the image.
fn content(image: &Ext4Image) -> Vec<u8> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let request = format!("dump large {}", out.path().display());
    run(crate::support::process::program("debugfs").args(["-R", &request]).arg(image.path()));
    fs::read(out.path()).unwrap()
}

#[test]
fn what_is_wrong_with_a_bundle_is_told_before_anything_is_dialled() {
    if !skip_unless(NEEDS) {
        return;
    }
    let scene = Scene::new(|_| {});
    let nowhere = scene.offer(&[SocketAddr::from(([127, 0, 0, 1], free_port()))]);
    let text = bundle(&nowhere, &scene.key);
    let write = |text: &str| scene.write(text);
    scene.assert_fails(&write(&text.replace("web-01", "web-02")), exit::NOT_GENUINE, &["damaged", "download it again"]);
    scene.assert_fails(&write(&text[..700]), exit::NOT_GENUINE, &["cut short", "Download it again"]);
    scene.assert_fails(&write(&text.replace("bundle 1", "bundle 2")), exit::NOT_GENUINE, &["newer fr-mount"]);
    let other = SigningKey::generate().unwrap();
    let theirs = bundle(&Offer { vm: "db".into(), ..nowhere.clone() }, &other);
    let sealed = |text: &str| text.lines().find(|line| line.starts_with("sealed ")).unwrap().to_owned();
    // The secrets of one bundle in another one: its signature does not match, whoever made it.
    scene.assert_fails(&write(&theirs.replace(&sealed(&theirs), &sealed(&text))), exit::NOT_GENUINE, &["damaged"]);
    let expired = Offer { expires_at: 1_000_000_000, ..nowhere };
    let expired = write(&bundle(&expired, &scene.key));
    scene.assert_fails(&expired, exit::NOT_VALID, &["2001-09-09T01:46:40Z", "Make a new one"]);
    let source = write(&text);
    let key = other.fingerprint().to_string();
    let message = scene.volumes(&source, &["--service-key", &key]).assert_failed(exit::NOT_GENUINE);
    assert!(message.contains(&key) && message.contains(&scene.key.fingerprint().to_string()), "{message}");
    let wrong = scene.place.secret("wrong", WRONG_PASSWORD);
    let ended = fr_mount(&scene.place, ["volumes", source.to_str().unwrap(), "--password", &wrong]);
    assert!(ended.assert_failed(exit::WRONG_PASSWORD).contains("does not open the bundle"));
    let ended = fr_mount(&scene.place, ["volumes", source.to_str().unwrap()]);
    assert!(ended.assert_failed(exit::USAGE).contains("--password file:PATH"));
    scene.assert_fails(&source, exit::CONNECT, &["connection refused"]);
}

#[test]
fn options_that_a_bundle_leaves_no_room_for_are_refused() {
    if !skip_unless(NEEDS) {
        return;
    }
    let scene = Scene::new(|_| {});
    let source = scene.bundle();
    for options in [
        &["--ca", "x"][..],
        &["--pin", "x"],
        &["--server-name", "x"],
        &["--insecure-plaintext"],
        &["--mutual"],
        &["--chap-user", "x", "--chap-secret", "file:x"],
        &["disk.img"],
    ] {
        let message = scene.volumes(&source, options).assert_failed(exit::USAGE);
        assert!(message.contains(options[0]) || message.contains("cannot be combined"), "{message}");
    }
    for option in [&["--password", "file:x"][..], &["--mutual"]] {
        let ended = fr_mount(&scene.place, [&["volumes", "iscsi://127.0.0.1:1/iqn.2024-01.test:x"], option].concat());
        assert!(ended.assert_failed(exit::USAGE).contains(option[0]));
    }
}

#[test]
fn a_grant_that_was_withdrawn_or_a_wrong_server_is_told() {
    if !skip_unless(NEEDS) {
        return;
    }
    let refusal = |detail| {
        move |config: &mut TargetConfig| {
            config.faults =
                Faults { refusal: Some(Refusal { class: 2, detail, after: 0, times: 9 }), ..Faults::default() };
        }
    };
    for detail in [1, 3, 4] {
        let scene = Scene::new(refusal(detail));
        scene.assert_fails(&scene.bundle(), exit::NOT_VALID, &["withdrawn", "Make a new bundle", "VM web-01"]);
    }
    let scene = Scene::new(|_| {});
    let pinned = offer(&[scene.target.address()], TrustAnchor::Pin([7; 32]));
    let source = scene.write(&bundle(&pinned, &scene.key));
    scene.assert_fails(&source, exit::IDENTITY, &["pin"]);
}

#[test]
fn the_target_of_a_bundle_has_to_prove_itself() {
    if !skip_unless(NEEDS) {
        return;
    }
    let scene = Scene::new(|config| config.reverse = None);
    let message = scene.volumes(&scene.bundle(), &[]).assert_failed(exit::NOT_MUTUAL);
    assert!(message.contains("prove"), "{message}");
}
