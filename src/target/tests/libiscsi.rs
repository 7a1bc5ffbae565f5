//! libiscsi's tools, an initiator that other people wrote.

use super::disks::disk;
use super::{IQN, config, serve};
use crate::{Handle, TargetConfig};
use block::{BlockSize, MemoryDisk};
use iscsi::ChapCredentials;
use secrecy::SecretString;
use std::io::Write;
use std::process::Command;
use std::sync::Arc;

/// As many blocks as the tests of libiscsi read without looking at the capacity.
const BLOCKS: usize = 8192;

/// Whether the tools are there. `FR_REQUIRE_ALL=1` turns a skip into a failure.
pub(super) fn is_skipped() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = ["iscsi-ls", "iscsi-inq", "iscsi-readcapacity16", "iscsi-perf", "iscsi-test-cu", "timeout"];
    let is_there = |tool: &&str| std::env::split_paths(&path).any(|directory| directory.join(tool).is_file());
    if tools.iter().all(is_there) {
        return false;
    }
    let thread = std::thread::current();
    let message = format!("SKIPPED {}: it needs libiscsi's tools", thread.name().unwrap_or("a test"));
    assert!(std::env::var_os("FR_REQUIRE_ALL").is_none_or(|value| value != "1"), "{message}");
    // Written to the stream itself: what goes through eprintln! is hidden for tests that pass.
    writeln!(std::io::stderr(), "{message}").unwrap();
    true
}

/// Runs a tool that must end well, and gives what it says.
pub(super) fn run(tool: &str, args: &[&str]) -> String {
    let (ok, said) = try_run(tool, args);
    assert!(ok, "{tool} {args:?}: {said}");
    said
}

fn try_run(tool: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new("timeout").args(["120", tool]).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn url(target: &Handle, user: &str, lun: u16) -> String {
    format!("iscsi://{user}{}/{IQN}/{lun}", target.address())
}

pub(super) fn two_disks() -> TargetConfig {
    let large = MemoryDisk::new(vec![0; BLOCKS * 4096], BlockSize::B4096);
    config(vec![disk(0, BLOCKS * 512), Arc::new(large)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libiscsi_finds_the_target_and_its_units() {
    if is_skipped() {
        return;
    }
    let target = serve(two_disks()).await;
    let said = run("iscsi-ls", &["-s", &format!("iscsi://{}", target.address())]);
    assert!(said.contains(&format!("Target:{IQN} Portal:{},1", target.address())), "{said}");
    for unit in ["Lun:0    Type:DIRECT_ACCESS", "Lun:1    Type:DIRECT_ACCESS"] {
        assert!(said.contains(unit), "{said}");
    }
    let said = run("iscsi-inq", &[&url(&target, "", 0)]);
    assert!(said.contains("Vendor:FR-MOUNT") && said.contains("Version Descriptor:0960 iSCSI"), "{said}");
    let said = run("iscsi-inq", &["-e", "1", &url(&target, "", 0)]);
    for page in ["0x80 UNIT_SERIAL", "0x83 DEVICE_IDENT", "0xb0 BLOCK_LIMITS", "0xb1 BLOCK_DEVICE_CHAR"] {
        assert!(said.contains(page), "{said}");
    }
    for (lun, size) in [(0, 512), (1, 4096)] {
        let said = run("iscsi-readcapacity16", &[&url(&target, "", lun)]);
        assert!(said.contains(&format!("RETURNED LOGICAL BLOCK ADDRESS:{}\n", BLOCKS - 1)), "{said}");
        assert!(said.contains(&format!("LOGICAL BLOCK LENGTH IN BYTES:{size}\n")), "{said}");
    }
    target.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libiscsi_keeps_many_reads_under_way() {
    if is_skipped() {
        return;
    }
    let target = serve(two_disks()).await;
    for args in [&["-m", "64", "-b", "64"][..], &["-m", "32", "-b", "8", "-r"]] {
        let said = run("iscsi-perf", &[&["-t", "1"], args, &[&url(&target, "", 0)]].concat());
        assert!(said.contains("finished."), "{said}");
    }
    target.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libiscsi_is_let_in_by_chap_and_checks_the_targets_proof() {
    if is_skipped() {
        return;
    }
    let credentials =
        |user: &str, secret: &str| ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) };
    let mut config = two_disks();
    config.chap = Some(credentials("reader", "secret-of-16-byte"));
    config.reverse = Some(credentials("vault", "other-of-16-bytes"));
    let target = serve(config).await;
    let known = url(&target, "reader%secret-of-16-byte@", 0);
    for (url, expected) in [
        (known.clone(), Ok("Vendor:FR-MOUNT")),
        (format!("{known}?target_user=vault&target_password=other-of-16-bytes"), Ok("Vendor:FR-MOUNT")),
        (format!("{known}?target_user=vault&target_password=guessed-secret"), Err("Invalid CHAP_R response")),
        (url(&target, "reader%guessed-secret@", 0), Err("Authentication failure")),
        (url(&target, "", 0), Err("Authentication failure")),
    ] {
        let (ok, said) = try_run("iscsi-inq", &[&url]);
        assert_eq!(ok, expected.is_ok(), "{url}: {said}");
        let (Ok(words) | Err(words)) = expected;
        assert!(said.contains(words), "{url}: {said}");
    }
    let portal = |user: &str| format!("iscsi://{user}{}", target.address());
    assert!(run("iscsi-ls", &[&portal("reader%secret-of-16-byte@")]).contains(IQN));
    assert!(!try_run("iscsi-ls", &[&portal("")]).0, "discovery needs the secret too");
    target.shutdown().await;
}
