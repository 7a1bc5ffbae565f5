//! The command line, as `--help` and the manual pages show it.

use crate::{Consistency, GrantId, PointId, UnixTime, VmName};
use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES_HELP: &str = "\
Exit codes:
  0  done
  1  something that should not happen, or what is in the vault is damaged
  2  wrong arguments, or a configuration, an image or a name that cannot be used
  3  nobody is known by the token
  4  not allowed
  5  no such VM, recovery point or grant
  6  the vault or the service does not answer, or the audit log cannot be written
  7  verify: a recovery point is damaged";

/// The recovery service: keeps recovery points of VMs in a vault, and lets people who may restore a VM read one of its points for
/// at most twelve hours.
#[derive(Debug, Parser)]
#[command(name = "fr-serve", version, after_long_help = EXIT_CODES_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The configuration; 'fr-serve init' makes one
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/fr-serve/fr-serve.toml")]
    pub(crate) config: PathBuf,

    /// Print results, and failures, as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the vault: iSCSI for those who have a grant, the page and the API for those who make one
    Serve,
    /// Make a new service: key, certificate, a first user, and a configuration to go on from
    Init(InitArgs),
    /// Check the configuration and all that it names
    CheckConfig,
    /// Make a token for a user, and tell what the configuration has to say of it
    Token,
    /// Bring a recovery point into the vault: disk images with all that they build on
    Import(ImportArgs),
    /// List VMs, or the recovery points of one
    List(ListArgs),
    /// Read everything, compare it with the hashes of its import, and open every disk
    Verify(VerifyArgs),
    /// Remove old recovery points, and what is left over; never a point that somebody has a grant for
    Prune(PruneArgs),
    /// List the VMs that may be restored, or the recovery points of one, newest first
    Points(PointsArgs),
    /// Make a grant: a sealed bundle, and the password that opens it
    Grant(GrantArgs),
    /// List grants, and who uses them
    Grants(GrantsArgs),
    /// End a grant, and every mount that uses it
    Revoke(RevokeArgs),
    /// Write manual pages and shell completions
    #[command(hide = true)]
    GenerateDocs {
        /// Where to
        directory: PathBuf,
    },
}

/// Where to make a service.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// A directory for the configuration and the keys; made if there is none
    pub(crate) directory: PathBuf,
    /// The name or address under which clients find the service
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub(crate) host: String,
    /// The vault: a directory, or s3://BUCKET/PREFIX, az://CONTAINER/PREFIX, gs://BUCKET/PREFIX [default: DIRECTORY/vault]
    #[arg(long, value_name = "ROOT")]
    pub(crate) vault: Option<String>,
    /// The first user, who may restore every VM
    #[arg(long, value_name = "NAME", default_value = "admin")]
    pub(crate) user: String,
    /// The port for iSCSI
    #[arg(long, value_name = "PORT", default_value_t = 3260)]
    pub(crate) iscsi_port: u16,
    /// The port for the page and the API
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    pub(crate) https_port: u16,
}

/// Which vault is meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct VaultArgs {
    /// The vault, instead of the one that the configuration names: a directory, or s3://, az://, gs://. Credentials come from the
    /// environment, as each cloud's own tools read it
    #[arg(long, value_name = "ROOT")]
    pub(crate) vault: Option<String>,
    /// An option of the object store, with --vault: region, endpoint, allow_http, ...; never a secret
    #[arg(long, value_name = "NAME=VALUE", requires = "vault", value_parser = name_value)]
    pub(crate) vault_option: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// The VM that the disks are of
    #[arg(long, value_name = "VM")]
    pub(crate) vm: VmName,
    /// The point's name; by default the time at which it was taken
    #[arg(long, value_name = "POINT")]
    pub(crate) point: Option<PointId>,
    /// The VM's operating system, in words
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    pub(crate) os: Option<String>,
    /// When the disks were in this state, in UTC (2026-11-28T10:00:00Z); by default when the newest image was changed last
    #[arg(long, value_name = "TIME")]
    pub(crate) taken_at: Option<UnixTime>,
    /// What is certain about that state
    #[arg(long, value_enum, default_value_t = Consistency::Crash)]
    pub(crate) consistency: Consistency,
    /// Sector size of disks whose images do not tell it
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = ["512", "4096"])]
    pub(crate) block_size: String,
    /// Another directory in which images may be that these build on; without it they have to lie beside or below them
    #[arg(long, value_name = "DIR")]
    pub(crate) files_in: Vec<PathBuf>,
    /// The disk images, in the order of the disks
    #[arg(required = true, value_name = "DISK")]
    pub(crate) disks: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// The VM whose points are listed
    pub(crate) vm: Option<VmName>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Only points of this VM
    pub(crate) vm: Option<VmName>,
    /// Only this point
    pub(crate) point: Option<PointId>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
    /// Keep so many of each VM's newest points
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<usize>,
    /// Remove only points that were taken before this time, or longer ago than this (30d, 12h)
    #[arg(long, value_name = "TIME", value_parser = past)]
    pub(crate) older_than: Option<UnixTime>,
    /// Remove nothing, and tell what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Whom to ask: the vault itself, or a service that runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Ask the service that runs at this address (https://HOST:PORT) instead of the vault itself
    #[arg(long, value_name = "URL", requires = "token")]
    pub(crate) url: Option<url::Url>,
    /// The token to sign in with there: file:PATH, fd:N or prompt
    #[arg(long, value_name = "WHERE", requires = "url")]
    pub(crate) token: Option<String>,
    /// The authority that its certificate is of, in PEM; otherwise those that this system trusts
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PointsArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The VM whose points are listed
    pub(crate) vm: Option<VmName>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The VM
    pub(crate) vm: VmName,
    /// The recovery point; the newest without it
    pub(crate) point: Option<PointId>,
    /// Where the bundle is written; the file must not be there yet. By default VM_POINT.fr-bundle, here
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How long the grant lives (20min, 8h); by default as long as it may
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) lifetime: Option<Duration>,
    /// Where the password is written instead of standard output: file:PATH (which must not be there yet) or fd:N
    #[arg(long, value_name = "WHERE")]
    pub(crate) password_to: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GrantsArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// The grant, as 'fr-serve grants' shows it
    pub(crate) grant: GrantId,
}

fn name_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if crate::vault::is_secret_option(name) {
        return Err(format!("{name} is a secret: set the environment variable that the cloud's own tools read"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn short_text(text: &str) -> Result<String, String> {
    let is_plain = text.len() <= 200 && !text.chars().any(char::is_control);
    if is_plain { Ok(text.to_owned()) } else { Err("write at most 200 characters on one line".to_owned()) }
}

/// A time, or how long ago it was.
fn past(text: &str) -> Result<UnixTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(UnixTime::from_seconds(UnixTime::now().seconds().saturating_sub(ago.as_secs())));
    }
    let example = "write a time like 2026-11-28T10:00:00Z, or how long ago it was, like 30d";
    text.parse().map_err(|_| example.to_owned())
}

/// A size in words.
pub(crate) fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["fr-serve"].iter().chain(args))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_can_stand_before_and_behind_the_command() {
        for args in [["--config", "x.toml", "serve"], ["serve", "--config", "x.toml"]] {
            assert_eq!(parse(&args).unwrap().config, PathBuf::from("x.toml"));
        }
    }

    #[test]
    fn a_secret_of_a_store_is_not_taken_from_the_command_line() {
        let error = parse(&["list", "--vault", "s3://b", "--vault-option", "secret_access_key=hush-hush"]).unwrap_err();
        assert!(error.to_string().contains("environment"), "{error}");
        assert!(parse(&["list", "--vault", "s3://b", "--vault-option", "region=eu-north-1"]).is_ok());
    }

    #[test]
    fn names_and_times_are_checked() {
        assert!(parse(&["import", "--vm", "../x", "d.img"]).is_err());
        assert!(parse(&["import", "--vm", "web", "--taken-at", "yesterday", "d.img"]).is_err());
        assert!(parse(&["import", "--vm", "web"]).is_err());
        assert!(parse(&["prune", "--older-than", "30d"]).is_ok());
        assert!(parse(&["prune", "--older-than", "2026-01-01T00:00:00Z"]).is_ok());
        assert!(parse(&["revoke", "abc"]).is_err());
        assert!(parse(&["points", "--url", "https://x"]).is_err());
    }
}
