//! stunnel in front of a target: TLS by somebody else's hands.

use super::certificates::Certificates;
use super::ports::free_port;
use super::process::{Background, PATIENCE, program};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

/// A running stunnel; ends when dropped.
pub(crate) struct Stunnel {
    _process: Background,
    _directory: tempfile::TempDir,
    port: u16,
}

impl Stunnel {
    /// Takes TLS on a free port and passes what is in it to `to_port`; `options` go into its configuration.
    pub(crate) fn server(certificates: &Certificates, to_port: u16, options: &str) -> Self {
        const ATTEMPTS: usize = 5;
        let started = (0..ATTEMPTS).find_map(|_| Self::try_server(certificates, to_port, options));
        started.expect("stunnel does not start")
    }

    /// `None` when it ended at once: somebody else took the port.
    fn try_server(certificates: &Certificates, to_port: u16, options: &str) -> Option<Self> {
        let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
        let file = directory.path().join("stunnel.conf");
        let certificate = certificates.server_file();
        let configuration = format!(
            "foreground = yes\npid =\nsyslog = no\ndebug = notice\n{options}\n\
             [target]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{to_port}\ncert = {}\nkey = {}\n",
            certificate.display(),
            certificate.display(),
        );
        std::fs::write(&file, configuration).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let mut process =
            Background::start(program("stunnel").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        let start = Instant::now();
        while start.elapsed() < PATIENCE && process.ended().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Self { _process: process, _directory: directory, port });
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        None
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}
