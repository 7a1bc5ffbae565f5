//! `fr-mount demo`: a recovery service, a tunnel and a mount in one process, with a sample recovery point of two
//! disks. Everything between the disk images and the files is real: TLS on loopback, mutual CHAP, iSCSI, the cache,
//! partitions, ext4, and the mount.

mod check;
mod sample;
mod server;

use crate::args::{Cli, DemoArgs};
use crate::daemon::{self, Message, Wake, Wakes};
use crate::exit::{Failure, FailureKind};
use crate::job::{Job, JobSource};
use crate::output::{Output, report_text};
use crate::secrets::Secrets;
use clap::Parser;
use server::DemoServer;
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &DemoArgs, output: Output) -> Result<(), Failure> {
    crate::cleanup::at_start(output);
    let (mount_point, made) = mount_point(args)?;
    output.line("1. unpacking the sample recovery point: two disks of a small server");
    let disks = sample::disks()?;
    let server = DemoServer::start(disks)?;
    output.line(&format!(
        "2. serving them over iSCSI in TLS at {} (throw-away certificate, mutual CHAP)",
        server.address()
    ));
    let mut job = job(&server, &mount_point)?;
    job.made.extend(made.iter().map(|made| made.path().to_owned()));
    let outcome = mount(&job, args.check, output);
    server.stop();
    drop(made);
    outcome?;
    output.line("done: unmounted, logged out, nothing is left");
    Ok(())
}

/// The directory to mount at; a temporary one goes when the second value is dropped.
fn mount_point(args: &DemoArgs) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    if let Some(given) = &args.mountpoint {
        return Ok((crate::sys::check_mount_point(given)?, None));
    }
    let made = tempfile::Builder::new().prefix("fr-mount-demo-").tempdir();
    let made = made.map_err(|error| {
        Failure::new(FailureKind::MountPoint, format!("no temporary directory: {}", block::io_reason(&error)))
    })?;
    Ok((crate::sys::check_mount_point(made.path())?, Some(made)))
}

/// The same job that the command line below would make.
fn job(server: &DemoServer, mount_point: &Path) -> Result<Job, Failure> {
    let url = server.url();
    let command_line = [
        "fr-mount",
        "--read-only",
        "--pin",
        server.pin(),
        "--server-name",
        server::SERVER_NAME,
        "--proxy",
        "none",
        "--chap-user",
        server::CHAP_USER,
        "--chap-secret",
        "prompt",
        "--target-user",
        server::TARGET_USER,
        "--target-secret",
        "prompt",
        ".",
    ];
    let cli = Cli::try_parse_from(command_line).map_err(|error| Failure::internal("the demo's own options", error))?;
    let ending = cli.mount.ending.clone();
    let source = JobSource::new(vec![url], cli.mount.options).showing(cli.mount.shown);
    let secrets =
        Secrets::mutual((server::CHAP_USER, server.chap_secret()), (server::TARGET_USER, server.target_secret()));
    let mount_point = mount_point.to_owned();
    Ok(Job { source, secrets, mount_point, volume: None, log: None, ending, made: Vec::new() })
}

/// Mounts, then waits for the user, or checks every file and ends.
fn mount(job: &Job, check: bool, output: Output) -> Result<(), Failure> {
    let wakes = Wakes::new();
    let stop = wakes.sender();
    let mut checked = Ok(());
    daemon::run(job, &wakes, &mut |message| {
        let Message::Ready(report) = message else { return };
        output.line("3. mounted, read-only:\n");
        output.result(&report, || report_text(&report));
        if check {
            checked = check::every_file(&report, output);
            // The session waits for this; it is gone only if the session is.
            let _ = stop.send(Wake::Stop);
        } else {
            output.line(&how_to_look(&job.mount_point));
        }
    })?;
    checked
}

fn how_to_look(mount_point: &Path) -> String {
    let path = mount_point.display();
    format!(
        "\n4. look at the files from another terminal:\n\
         \x20    ls -l {path}/*\n\
         \x20    find {path} -type f | head\n\
         \x20    cp -a {path}/data /tmp/recovered\n\
         \n   Ctrl-C here unmounts and leaves nothing."
    )
}
