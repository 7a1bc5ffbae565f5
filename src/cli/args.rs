//! The command line, as `--help` and the manual pages show it.

use bundle::sealed::Fingerprint;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use session::{Companion, Role};
use std::path::PathBuf;
use std::time::Duration;

/// Shows the files of a VM's recovery point as a read-only mount, without handing a disk to the operating system.
#[derive(Debug, Parser)]
#[command(
    name = "fr-mount",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    override_usage = "fr-mount --read-only [OPTIONS] SOURCE... MOUNTPOINT\n       fr-mount COMMAND",
    after_long_help = EXIT_CODES_HELP
)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) mount: MountArgs,

    /// Print results, and failures, as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Write a log to this file; FR_MOUNT_LOG sets what is logged (default: info)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// Whether this is the name of a command.
pub(crate) fn is_command(name: &str) -> bool {
    <Cli as clap::CommandFactory>::command().get_subcommands().any(|command| command.get_name() == name)
}

/// What to mount and where.
#[derive(Clone, Debug, Args)]
pub(crate) struct MountArgs {
    /// Mount read-only; there is no other mode
    #[arg(long)]
    pub(crate) read_only: bool,

    /// Not available: fr-mount never writes to a recovery point
    #[arg(long, hide = true, visible_aliases = ["rw", "writable"])]
    pub(crate) read_write: bool,

    /// The recovery point, then an empty directory: each volume is mounted at MOUNTPOINT/VOLUME.
    /// SOURCE is a sealed bundle, a script of Azure Backup (Linux), iscsis://HOST[:PORT]/IQN, iscsi:// without TLS (no IQN: every
    /// target), or disk image files
    #[arg(value_name = "SOURCE... MOUNTPOINT", required = true, num_args = 1..)]
    pub(crate) operands: Vec<String>,

    #[command(flatten)]
    pub(crate) options: SourceOptions,

    /// Mount only this volume, at MOUNTPOINT itself
    #[arg(long, value_name = "NAME")]
    pub(crate) volume: Option<String>,

    #[command(flatten)]
    pub(crate) shown: ShowArgs,

    /// Stay in the foreground until the volumes are unmounted
    #[arg(long)]
    pub(crate) foreground: bool,

    #[command(flatten)]
    pub(crate) ending: EndingArgs,
}

/// When a session ends by itself.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Ending")]
pub(crate) struct EndingArgs {
    /// Unmount after this time, 12h at most; a grant that ends sooner, or is revoked, ends the session sooner
    #[arg(long, value_name = "TIME", default_value = "12h", value_parser = parse_lifetime)]
    pub(crate) lifetime: Duration,

    /// Run this program 30, 10 and 1 minutes before the session ends by itself, and once it did. It is run without
    /// arguments and without a shell; FR_MOUNT_POINT, FR_MOUNT_SECONDS_LEFT and FR_MOUNT_END_REASON tell it what for
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) warn_command: Option<PathBuf>,
}

/// How long a session may live.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if lifetime.is_zero() || lifetime > session::LIFETIME_MAX {
        return Err("write a time of 12h at most, such as 90m".to_owned());
    }
    Ok(lifetime)
}

/// How files are shown.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub(crate) struct ShowArgs {
    /// Check files that carry a hash tree (fs-verity) against it when they are read; their signatures are not checked
    #[arg(long, help_heading = "Reading")]
    pub(crate) verify: bool,

    /// List the short names (PROGRA~1) of NTFS beside the long ones
    #[arg(long, help_heading = "Windows volumes")]
    pub(crate) short_names: bool,

    /// Open the streams of NTFS files as FILE:STREAM too; they are extended attributes (user.STREAM) in any case
    #[arg(long, help_heading = "Windows volumes")]
    pub(crate) streams: bool,

    /// Which Linux users and groups the users of Windows are: a UserMapping file of ntfs-3g
    #[arg(long, value_name = "FILE", help_heading = "Windows volumes")]
    pub(crate) user_mapping: Option<PathBuf>,

    /// Everything on Windows volumes belongs to this user (and group), who may read all of it
    #[arg(long, value_name = "UID[:GID]", value_parser = parse_owner, help_heading = "Windows volumes",
        conflicts_with = "user_mapping")]
    pub(crate) owner: Option<(u32, u32)>,
}

/// A user and a group by number; the group has the number of the user where it is not given.
fn parse_owner(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("'{text}' is no user or group number"));
    let (user, group) = text.split_once(':').unwrap_or((text, text));
    Ok((number(user)?, number(group)?))
}

/// How a recovery point is opened.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(crate) struct SourceOptions {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Most memory for cached disk blocks
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size, help_heading = "Reading")]
    pub(crate) cache: u64,

    /// Sector size of disk image files
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = ["512", "4096"], help_heading = "Reading")]
    pub(crate) block_size: String,

    /// Show file systems that were in use as they lie on the disk, without what their journals hold
    #[arg(long, help_heading = "Reading")]
    pub(crate) no_replay: bool,

    /// This volume holds the log or journal of a file system on another one, where its UUID does not say so. Volumes are
    /// written DISK, DISK:PARTITION or GROUP/NAME, as 'volumes' shows them
    #[arg(long, value_name = "[FS=]VOLUME", value_parser = log_device, help_heading = "Reading")]
    pub(crate) log_device: Vec<String>,

    /// This volume holds the realtime files of an XFS file system on another one, where its UUID does not say so
    #[arg(long, value_name = "[FS=]VOLUME", value_parser = realtime_device, help_heading = "Reading")]
    pub(crate) realtime_device: Vec<String>,
}

impl SourceOptions {
    /// What is said of volumes that belong to file systems on others.
    pub(crate) fn companions(&self) -> Result<Vec<Companion>, String> {
        let of = |role, given: &[String]| given.iter().map(|text| Companion::parse(role, text)).collect::<Vec<_>>();
        [of(Role::Log, &self.log_device), of(Role::Realtime, &self.realtime_device)].into_iter().flatten().collect()
    }
}

/// Checks what a job is later told in the same words.
fn log_device(text: &str) -> Result<String, String> {
    Companion::parse(Role::Log, text).map(|_| text.to_owned())
}

fn realtime_device(text: &str) -> Result<String, String> {
    Companion::parse(Role::Realtime, text).map(|_| text.to_owned())
}

/// How the target is reached, and who each side has to be.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "pin")]
    pub(crate) ca: Option<PathBuf>,

    /// Trust exactly the certificate whose public key (SubjectPublicKeyInfo) has this SHA-256
    #[arg(long, value_name = "sha256:HEX")]
    pub(crate) pin: Option<String>,

    /// Ask for, and check, this name instead of the host that is dialled
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,

    /// Show this certificate chain (PEM) to the server
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_cert: Option<PathBuf>,

    /// The private key (PEM) of the client certificate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,

    /// Go through this HTTP proxy (CONNECT), or 'none'; by default HTTPS_PROXY and NO_PROXY decide
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,

    /// The proxy's password: file:PATH, fd:N or prompt
    #[arg(long, value_name = "WHERE", requires = "proxy")]
    pub(crate) proxy_secret: Option<String>,

    /// User name for logging in to the target (CHAP)
    #[arg(long, value_name = "NAME", requires = "chap_secret")]
    pub(crate) chap_user: Option<String>,

    /// Secret for logging in to the target: file:PATH, fd:N or prompt
    #[arg(long, value_name = "WHERE", requires = "chap_user")]
    pub(crate) chap_secret: Option<String>,

    /// User name that the target has to prove (mutual CHAP)
    #[arg(long, value_name = "NAME", requires_all = ["target_secret", "chap_user"])]
    pub(crate) target_user: Option<String>,

    /// Secret that the target has to prove: file:PATH, fd:N or prompt
    #[arg(long, value_name = "WHERE", requires = "target_user")]
    pub(crate) target_secret: Option<String>,

    /// The password of a sealed bundle, or of a script of Azure Backup: file:PATH, fd:N or prompt (the default at a terminal)
    #[arg(long, value_name = "WHERE")]
    pub(crate) password: Option<String>,

    /// Insist on a sealed bundle from the recovery service with this key; 'volumes' shows which key signed a bundle
    #[arg(long, value_name = "sha256:HEX")]
    pub(crate) service_key: Option<Fingerprint>,

    /// Let Azure's target prove itself by CHAP too (InitiatorChapPassword); its certificate is checked in any case
    #[arg(long)]
    pub(crate) mutual: bool,

    /// Wait so long for a target of Azure Backup that is still being prepared
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = humantime::parse_duration)]
    pub(crate) ready_timeout: Duration,

    /// Our iSCSI name; targets may let in certain names only
    #[arg(long, value_name = "IQN")]
    pub(crate) initiator_name: Option<String>,

    /// CRC32C digests over iSCSI headers and data
    #[arg(long, value_enum, default_value_t = Digests::Auto)]
    pub(crate) digests: Digests,

    /// Allow iscsi:// (no TLS) to other machines: everything can then be read and changed on the way
    #[arg(long)]
    pub(crate) insecure_plaintext: bool,

    /// Give up when the target is not reached within this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) connect_timeout: Duration,

    /// After a lost connection try for this long; then reads fail
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) reconnect_timeout: Duration,
}

/// Whether PDUs carry CRC32C digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Digests {
    /// Used without TLS; with TLS only when the target insists
    Auto,
    /// Required
    On,
    /// Refused
    Off,
}

/// What to do instead of mounting.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is in a recovery point: disks, partitions, volumes; nothing is mounted
    Volumes(Box<VolumesArgs>),
    /// Show the sessions of this user that are mounted
    Status,
    /// Unmount a session, log out, and leave nothing behind
    Unmount(UnmountArgs),
    /// Remove what sessions left behind that were killed: mounts, directories, records; every start of a session does so too
    Cleanup,
    /// Serve, tunnel and mount a sample recovery point, all in this one process
    Demo(DemoArgs),
    /// Run a session whose description comes on standard input; started by fr-mount itself
    #[command(hide = true)]
    Daemon,
    /// Write manual pages and shell completions into a directory
    #[command(hide = true)]
    GenerateDocs {
        /// The directory
        directory: PathBuf,
    },
}

/// What is looked at.
#[derive(Debug, Args)]
pub(crate) struct VolumesArgs {
    /// A sealed bundle, a script of Azure Backup (Linux), iscsis://HOST[:PORT]/IQN, iscsi:// without TLS (no IQN: every target), or
    /// disk image files
    #[arg(value_name = "SOURCE", required = true, num_args = 1..)]
    pub(crate) sources: Vec<String>,

    /// One line for each volume instead of the tree of disks, partitions, members, groups and volumes
    #[arg(long, conflicts_with = "json")]
    pub(crate) table: bool,

    /// Also show what each file system says of itself: state, last mount, features; with --json it is always there
    #[arg(short, long)]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) options: SourceOptions,
}

/// Which session ends.
#[derive(Debug, Args)]
pub(crate) struct UnmountArgs {
    /// The mount point that was given when mounting, or the path of one of its volumes
    #[arg(required_unless_present = "all")]
    pub(crate) mountpoint: Option<PathBuf>,
    /// Every session of this user
    #[arg(long, conflicts_with = "mountpoint")]
    pub(crate) all: bool,
    /// Unmount even if files are in use: whoever reads them gets errors
    #[arg(long)]
    pub(crate) force: bool,
}

/// How the demonstration runs.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// An empty directory; by default a temporary one is made, and removed at the end
    pub(crate) mountpoint: Option<PathBuf>,
    /// Check every file against known hashes, unmount and exit
    #[arg(long)]
    pub(crate) check: bool,
}

fn parse_size(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64()).map_err(|problem| format!("{problem}; write 256MiB"))
}

const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  done                               9  the target broke the protocol
  1  internal error                    10  a disk image cannot be used
  2  wrong usage                       11  no volume that could be mounted
  3  the mount point cannot be used    12  busy: files are in use
  4  the target cannot be reached      13  no such session
  5  the server is not to be trusted   14  a check failed
  6  login refused: user or secret     15  stopped before it was ready
  7  the target's own proof is wrong   16  login refused: the user is known, the secret is wrong
  8  no such target, or no disks       17  the target was to prove itself and does not
 18  the bundle or script is damaged, or not genuine
 19  the password of the bundle or script is wrong
 20  the bundle or script is not valid any more: its time is over, or the access was withdrawn

Exit codes of a session in the foreground that did not end because it was asked to:
 21  its grant has expired             23  the access was revoked, or the target removed
 22  its own time (--lifetime) is over 24  the recovery point is gone for good

Secrets (WHERE) are never given on the command line:
  file:PATH   the first line of a file     fd:N   read from a file descriptor     prompt   asked for";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"fr-mount").chain(args))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn operands_and_options_mix() {
        let mount = parse(&["--read-only", "a.img", "--cache", "1MiB", "b.img", "/mnt"]).unwrap().mount;
        assert_eq!(mount.operands, ["a.img", "b.img", "/mnt"]);
        assert_eq!(mount.options.cache, 1 << 20);
    }

    #[test]
    fn without_a_source_nothing_is_done() {
        assert!(parse(&["--read-only"]).is_err());
        assert!(parse(&["volumes"]).is_err());
        assert!(parse(&[]).is_err());
    }

    #[test]
    fn an_option_before_the_command_makes_it_an_operand_that_is_recognised() {
        let cli = parse(&["--json", "unmount", "/mnt"]).unwrap();
        assert!(is_command(&cli.mount.operands[0]) && !is_command("disk.img"));
    }

    #[test]
    fn commands_take_json_and_log() {
        let cli = parse(&["status", "--json", "--log", "x.log"]).unwrap();
        assert!(cli.json && cli.mount.operands.is_empty());
        assert_eq!(cli.log, Some("x.log".into()));
    }

    #[test]
    fn no_lifetime_is_longer_than_twelve_hours() {
        let lifetime = |text: &str| parse(&["--read-only", "x", "/mnt", "--lifetime", text]);
        assert_eq!(lifetime("12h").unwrap().mount.ending.lifetime, session::LIFETIME_MAX);
        assert_eq!(lifetime("20s").unwrap().mount.ending.lifetime, Duration::from_secs(20));
        for wrong in ["12h 1s", "0s", "long", "-1h"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn mutual_authentication_needs_ours_as_well() {
        let alone = ["--read-only", "x", "/mnt", "--target-user", "t", "--target-secret", "file:x"];
        assert!(parse(&alone).is_err());
    }
}
