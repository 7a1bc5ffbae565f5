//! Linux' tgt: an iSCSI target that somebody else wrote, on a port and with a control socket of its own.

use super::ports::free_port;
use super::process::{Background, PATIENCE, program, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const IQN: &str = "iqn.2024-01.test.invalid:disks";

/// What initiators have to know, and what the target proves to them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Accounts {
    pub(crate) incoming: Option<(&'static str, &'static str)>,
    pub(crate) outgoing: Option<(&'static str, &'static str)>,
}

/// A running tgtd with one target; ends when dropped.
pub(crate) struct Tgt {
    process: Background,
    directory: tempfile::TempDir,
    port: u16,
    control: String,
}

impl Tgt {
    /// Serves these images as LUN 1, 2, …, read-only.
    pub(crate) fn serve(images: &[PathBuf], accounts: Accounts) -> Self {
        const ATTEMPTS: usize = 5;
        let tgt = (0..ATTEMPTS).find_map(|_| Self::try_start()).expect("tgtd does not start");
        tgt.admin(&["--op", "new", "--mode", "target", "--tid", "1", "-T", IQN]);
        for (index, image) in images.iter().enumerate() {
            let (lun, image) = ((index + 1).to_string(), image.to_str().unwrap());
            tgt.admin(&["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", &lun, "-b", image]);
            let read_only = ["--params", "readonly=1"];
            tgt.admin(
                &[&["--op", "update", "--mode", "logicalunit", "--tid", "1", "--lun", &lun], &read_only[..]].concat(),
            );
        }
        tgt.admin(&["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"]);
        for (account, direction) in [(accounts.incoming, None), (accounts.outgoing, Some("--outgoing"))] {
            let Some((user, secret)) = account else { continue };
            tgt.admin(&["--op", "new", "--mode", "account", "--user", user, "--password", secret]);
            let bind = ["--op", "bind", "--mode", "account", "--tid", "1", "--user", user];
            tgt.admin(&bind.into_iter().chain(direction).collect::<Vec<_>>());
        }
        tgt
    }

    /// Insists on CRC32C for headers and data.
    pub(crate) fn insist_on_digests(&self) {
        for digest in ["HeaderDigest", "DataDigest"] {
            self.admin(&["--op", "update", "--mode", "target", "--tid", "1", "-n", digest, "-v", "CRC32C"]);
        }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// How many sessions are logged in.
    pub(crate) fn sessions(&self) -> usize {
        self.admin(&["--op", "show", "--mode", "conn", "--tid", "1"]).matches("Session:").count()
    }

    /// `None` when it ended at once: somebody else took the port.
    fn try_start() -> Option<Self> {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        // The number of its control socket has to fit 15 bits; when somebody has it already, tgtd ends at once.
        let control = (port & 0x7fff).to_string();
        let process = Background::start(
            program("tgtd")
                .args(["-f", "-C", &control, "--iscsi", &format!("portal=127.0.0.1:{port}")])
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        let mut tgt = Self { process, directory, port, control };
        let start = Instant::now();
        while start.elapsed() < PATIENCE && tgt.process.ended().is_none() {
            // The portal shows that it is this tgtd that answers, and not another with the same control socket.
            let portals = tgt.tgtadm(&["--op", "show", "--mode", "portal"]).output();
            let answers = portals.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(&format!(":{port}")));
            if answers {
                return Some(tgt);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    fn tgtadm(&self, args: &[&str]) -> Command {
        let mut command = program("tgtadm");
        command.args(["-C", &self.control, "--lld", "iscsi"]).args(args);
        command
    }

    fn admin(&self, args: &[&str]) -> String {
        run(&mut self.tgtadm(args))
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            eprintln!("tgtd said:\n{}", log.unwrap_or_default());
        }
        if self.process.ended().is_some() {
            return;
        }
        // Politely first: with its target gone tgtd ends, and connections are closed in good order.
        for last in [
            &["--op", "delete", "--mode", "target", "--tid", "1", "--force"][..],
            &["--op", "delete", "--mode", "system"],
        ] {
            let _ = self.tgtadm(last).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = self.process.child().kill();
        let _ = self.process.child().wait();
        for socket in
            [format!("/var/run/tgtd/socket.{}", self.control), format!("/var/run/tgtd/socket.{}.lock", self.control)]
        {
            let _ = std::fs::remove_file(Path::new(&socket));
        }
    }
}
