//! The whole chain against a target and a tunnel that others wrote: tgt behind stunnel, compared with the kernel.

use crate::support::certificates::{Certificates, SERVER_NAME};
use crate::support::fr_mount::{Place, failure};
use crate::support::own_target::{self, OwnTarget, credentials};
use crate::support::sample::{Sample, partitions};
use crate::support::stunnel::Stunnel;
use crate::support::tgt::{Accounts, IQN, Tgt};
use crate::support::{DiskFile, Ext4Image, FrMount, LoopMount, Manifest, Need, Report, exit, fr_mount, skip_unless};
use std::path::PathBuf;

const READER: (&str, &str) = ("reader", "secret-of-the-reader");
const PROOF: (&str, &str) = ("the-target", "secret-of-the-target");
const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS, Need::TGT, Need::STUNNEL];

/// tgt, and stunnel in front of it.
struct Chain {
    tgt: Tgt,
    certificates: Certificates,
    stunnel: Stunnel,
}

impl Chain {
    fn serve(images: &[PathBuf], accounts: Accounts, stunnel_options: &str) -> Self {
        let tgt = Tgt::serve(images, accounts);
        let certificates = Certificates::make();
        let stunnel = Stunnel::server(&certificates, tgt.port(), stunnel_options);
        Self { tgt, certificates, stunnel }
    }

    /// A small disk behind accounts for both directions.
    fn with_accounts(image: &Ext4Image) -> Self {
        let accounts = Accounts { incoming: Some(READER), outgoing: Some(PROOF) };
        Self::serve(&[image.path()], accounts, "")
    }

    fn url(&self) -> String {
        format!("iscsis://127.0.0.1:{}/{IQN}", self.stunnel.port())
    }

    fn trust(&self) -> Vec<String> {
        let ca = self.certificates.ca_file().display().to_string();
        ["--ca", &ca, "--server-name", SERVER_NAME].map(str::to_owned).to_vec()
    }

    /// Options and SOURCE for a login with these names and secrets.
    fn login(&self, place: &Place, reader: (&str, &str), proof: Option<(&str, &str)>) -> Vec<String> {
        [self.trust(), chap(place, reader, proof), vec![self.url()]].concat()
    }
}

fn chap(place: &Place, reader: (&str, &str), proof: Option<(&str, &str)>) -> Vec<String> {
    let mut args = vec!["--chap-user".to_owned(), reader.0.to_owned()];
    args.extend(["--chap-secret".to_owned(), place.secret("reader", reader.1)]);
    if let Some((user, secret)) = proof {
        args.extend(["--target-user".to_owned(), user.to_owned()]);
        args.extend(["--target-secret".to_owned(), place.secret("proof", secret)]);
    }
    args
}

#[test]
fn every_volume_equals_what_the_kernel_shows_of_it() {
    if !skip_unless(&[NEEDS, &[Need::SETFACL, Need::PYTHON, Need::SFDISK]].concat()) {
        return;
    }
    let (populated, sample) = (Ext4Image::populated(12_000), Sample::unpack());
    let images = [populated.path(), sample.disk(0), sample.disk(1)];
    let accounts = Accounts { incoming: Some(READER), outgoing: Some(PROOF) };
    let chain = Chain::serve(&images, accounts, "");
    chain.tgt.insist_on_digests();
    let place = Place::new();
    let login = chain.login(&place, READER, Some(PROOF));
    let mount = FrMount::start(place, [&["--digests".to_owned(), "on".to_owned()], &login[..]].concat());
    assert_eq!(chain.tgt.sessions(), 1);

    let expected = Manifest::of(LoopMount::read_only(&populated.path()).path());
    assert!(expected.entries_of("many") >= 10_000 && expected.len() > 10_500, "the image is not what it should be");
    assert!(expected.count_with("xattr system.posix_acl") >= 5 && expected.count_with("xattr user.") >= 5);
    expected.assert_same(&Manifest::of(&mount.volume("populated")));

    for (disk, image) in [(1, sample.disk(0)), (2, sample.disk(1))] {
        for partition in partitions(&image) {
            let volumes = mount.report().volumes.iter();
            let volume = { volumes }
                .find(|volume| volume.disk == Some(disk) && volume.partition.number == Some(partition.number));
            let volume = volume.unwrap_or_else(|| panic!("disk {disk} partition {}: missing", partition.number));
            assert_eq!((volume.partition.start, volume.bytes), (partition.start, partition.bytes));
            let kernel = LoopMount::partition(&image, partition.start, partition.bytes);
            Manifest::of(kernel.path()).assert_same(&Manifest::of(&mount.volume(&volume.name)));
        }
    }
    mount.stop();
    assert_eq!(chain.tgt.sessions(), 0, "it did not log out");
}

#[test]
fn both_tls_versions_and_a_pinned_key_lead_to_the_disk() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "small"]);
    for version in ["TLSv1.2", "TLSv1.3"] {
        let chain = Chain::serve(&[image.path()], Accounts::default(), &format!("sslVersion = {version}"));
        let place = Place::new();
        let pinned = ["volumes", "--json", "--pin", chain.certificates.pin(), &chain.url()].map(str::to_owned);
        let report: Report = fr_mount(&place, pinned).assert_ok().json();
        assert_eq!(report.volume("small").format.as_deref(), Some("ext4"), "{version}");
        let trusting = [vec!["volumes".to_owned()], chain.trust(), vec![chain.url()]].concat();
        fr_mount(&place, trusting).assert_ok();
    }
}

#[test]
fn discovery_finds_the_target_when_the_url_names_none() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "small"]);
    let chain = Chain::with_accounts(&image);
    let place = Place::new();
    let mut args = [vec!["volumes".to_owned(), "--json".to_owned()], chain.login(&place, READER, Some(PROOF))].concat();
    *args.last_mut().unwrap() = format!("iscsis://127.0.0.1:{}/", chain.stunnel.port());
    let report: Report = fr_mount(&place, args).assert_ok().json();
    assert_eq!(report.volume("small").label.as_deref(), Some("small"));
}

/// Tries `volumes` with a login that must fail; gives the kind of failure and the message.
fn refused(chain: &Chain, reader: (&str, &str), proof: Option<(&str, &str)>, code: i32) -> (String, String) {
    let place = Place::new();
    let args = [vec!["volumes".to_owned(), "--json".to_owned()], chain.login(&place, reader, proof)].concat();
    let ended = fr_mount(&place, args);
    let (kind, message) = failure(&ended, code);
    for secret in [READER.1, PROOF.1, reader.1].into_iter().chain(proof.map(|proof| proof.1)) {
        assert!(!message.contains(secret) && !ended.stderr().contains(secret), "a secret is shown: {message}");
    }
    (kind, message)
}

#[test]
fn a_wrong_user_and_a_wrong_secret_are_refused_by_the_target() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &[]);
    let chain = Chain::with_accounts(&image);
    let (kind, message) = refused(&chain, ("nobody", READER.1), Some(PROOF), exit::LOGIN_REFUSED);
    assert_eq!(kind, "login-refused");
    assert!(message.contains("nobody"), "the message does not name the user: {message}");
    let (kind, message) = refused(&chain, (READER.0, "not-the-secret-of-it"), Some(PROOF), exit::SECRET_REFUSED);
    assert_eq!(kind, "secret-refused");
    assert!(message.contains("--chap-secret"), "the message does not speak of the secret: {message}");
}

#[test]
fn a_target_that_proves_a_wrong_secret_is_not_trusted() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &[]);
    let chain = Chain::with_accounts(&image);
    let wrong = (PROOF.0, "not-the-secret-of-it");
    let (kind, message) = refused(&chain, READER, Some(wrong), exit::TARGET_NOT_PROVEN);
    assert_eq!(kind, "target-not-proven");
    let one_way = refused_by_a_one_way_target();
    assert_eq!(one_way.0, "not-mutual");
    assert_ne!(message, one_way.1, "a wrong proof and no proof at all are told in the same words");
}

/// Mutual authentication with a target of our own that knows only the reader.
fn refused_by_a_one_way_target() -> (String, String) {
    let image = Ext4Image::empty(16, &[]);
    let mut config = own_target::config(vec![DiskFile::open(&image.path(), block::BlockSize::B512)]);
    config.chap = Some(credentials(READER.0, READER.1));
    let target = OwnTarget::tls(config);
    let place = Place::new();
    let args =
        [vec!["volumes".to_owned(), "--json".to_owned()], chap(&place, READER, Some(PROOF)), target.source()].concat();
    failure(&fr_mount(&place, args), exit::NOT_MUTUAL)
}

#[test]
fn a_target_without_an_account_of_its_own_is_refused_when_it_was_to_prove_itself() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &[]);
    let chain = Chain::serve(&[image.path()], Accounts { incoming: Some(READER), outgoing: None }, "");
    let place = Place::new();
    fr_mount(&place, [vec!["volumes".to_owned()], chain.login(&place, READER, None)].concat()).assert_ok();
    // tgt ends such a login itself, with the status for a wrong secret.
    let (kind, message) = refused(&chain, READER, Some(PROOF), exit::NOT_MUTUAL);
    assert_eq!(kind, "not-mutual");
    assert!(message.contains("--target-user"), "the message does not say what to try: {message}");
}

#[test]
fn a_target_that_asks_for_no_login_is_refused_when_it_was_to_prove_itself() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &[]);
    let chain = Chain::serve(&[image.path()], Accounts::default(), "");
    let (kind, message) = refused(&chain, READER, Some(PROOF), exit::NOT_MUTUAL);
    assert_eq!(kind, "not-mutual");
    assert!(message.contains("lets everybody in"), "{message}");
}

#[test]
fn digests_are_there_when_they_are_demanded_and_not_when_they_are_refused() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &[]);
    let chain = Chain::serve(&[image.path()], Accounts::default(), "");
    chain.tgt.insist_on_digests();
    let place = Place::new();
    for (digests, said) in [("on", "header digest true, data digest true"), ("off", "header digest false")] {
        let log = place.path().join(digests);
        let args = ["volumes", "--digests", digests, "--log", &log.display().to_string()].map(str::to_owned);
        fr_mount(&place, [args.to_vec(), chain.trust(), vec![chain.url()]].concat()).assert_ok();
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains(said), "{digests}: {log}");
    }
}
