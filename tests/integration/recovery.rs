//! What readers see of a bad connection: nothing while it can be restored, an error once it cannot.

use crate::support::fr_mount::Place;
use crate::support::own_target::{OwnTarget, config};
use crate::support::process::wait_until;
use crate::support::relay::Relay;
use crate::support::tgt::{self, Accounts, Tgt};
use crate::support::{DiskFile, Ext4Image, FrMount, Need, fr_mount, skip_unless};
use block::BlockSize;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];
const MIB: usize = 1 << 20;
const FILE_BYTES: usize = 256 * MIB;

/// A disk with one file of 256 MiB, each 8 bytes of it different from all others.
fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    let mut file = BufWriter::with_capacity(MIB, File::create(from.path().join("large")).unwrap());
    for number in 0..(FILE_BYTES / 8) as u64 {
        file.write_all(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap();
    Ext4Image::copied_from(from.path(), 320, &["-L", "data"])
}

fn expected_hash() -> String {
    let mut hasher = Sha256::new();
    for number in 0..(FILE_BYTES / 8) as u64 {
        hasher.update(number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    }
    hex::encode(hasher.finalize())
}

fn hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; MIB]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            length => hasher.update(&piece[..length]),
        }
    }
}

#[test]
fn a_reader_does_not_notice_that_the_connection_is_cut_every_few_mebibytes() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut config = config(vec![DiskFile::open(&image.path(), BlockSize::B512)]);
    // No multiple of anything: the cut comes in the middle of PDUs.
    config.faults.cut_after_bytes = Some(5_300_021);
    let target = OwnTarget::tls(config);
    let relay = Relay::start(target.address(), None);
    let mount = FrMount::start(Place::new(), target.source_at(relay.address()));
    assert_eq!(hash(&mount.volume("data").join("large")).unwrap(), expected_hash());
    assert!(relay.connections() > 40, "the connection was cut only {} times", relay.connections());
    mount.stop();
}

#[test]
fn a_session_with_tgt_is_restored_as_well() {
    if !skip_unless(&[NEEDS, &[Need::TGT]].concat()) {
        return;
    }
    let image = image();
    let tgt = Tgt::serve(&[image.path()], Accounts::default());
    let relay = Relay::start(([127, 0, 0, 1], tgt.port()).into(), Some(20_000_003));
    let url = format!("iscsi://{}/{}", relay.address(), tgt::IQN);
    let mount = FrMount::start(Place::new(), [url]);
    assert_eq!(hash(&mount.volume("data").join("large")).unwrap(), expected_hash());
    assert!(relay.connections() > 10, "the connection was cut only {} times", relay.connections());
    mount.stop();
}

#[test]
fn a_target_that_is_gone_for_good_ends_reads_with_an_error_and_not_the_unmount() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut target = OwnTarget::tls(config(vec![DiskFile::open(&image.path(), BlockSize::B512)]));
    let timeout = ["--reconnect-timeout", "3s"].map(str::to_owned).to_vec();
    let mut mount = FrMount::start(Place::new(), [timeout, target.source()].concat());
    let file = File::open(mount.volume("data").join("large")).unwrap();
    let mut piece = vec![0; MIB];
    file.read_exact_at(&mut piece, 0).unwrap();
    target.stop();
    // Far from what was read so far: nothing of it can be cached anywhere.
    let error = file.read_exact_at(&mut piece, 200 * MIB as u64).unwrap_err();
    assert!([Errno::IO, Errno::TIMEDOUT].contains(&Errno::from_io_error(&error).unwrap()), "{error}");
    // And again, now that the session knows.
    assert!(file.read_exact_at(&mut piece, 150 * MIB as u64).is_err());
    drop(file);
    let mount_point = mount.place().mount_point();
    fr_mount(mount.place(), ["unmount", mount_point.to_str().unwrap()]).assert_ok();
    assert!(mount.wait().success(), "{}", mount.stderr());
    mount.place().assert_nothing_left();
}

#[test]
fn a_reader_inside_while_the_target_goes_gets_an_error_and_can_be_unmounted() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = image();
    let mut target = OwnTarget::tls(config(vec![DiskFile::open(&image.path(), BlockSize::B512)]));
    let timeout = ["--reconnect-timeout", "3s"].map(str::to_owned).to_vec();
    let mount = FrMount::start(Place::new(), [timeout, target.source()].concat());
    let path = mount.volume("data").join("large");
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut file = File::open(path)?;
        let mut piece = vec![0; MIB];
        file.read_exact(&mut piece)?;
        sender.send(()).unwrap();
        io::copy(&mut file, &mut io::sink())
    });
    receiver.recv().unwrap();
    target.stop();
    wait_until("the reader ends", || reader.is_finished());
    // On a fast machine all of the file may have been read before the target was gone.
    match reader.join().unwrap() {
        Ok(rest) => assert_eq!(rest, (FILE_BYTES - MIB) as u64),
        Err(error) => assert!(error.raw_os_error().is_some(), "{error}"),
    }
    mount.stop();
}
