//! `fr-serve points`, `grant`, `grants`, `revoke`: what the page does, from a shell; on the vault itself, or through a service that
//! runs.

use super::api::{Api, GrantLine, Made};
use super::args::{GrantArgs, GrantsArgs, PointsArgs, RevokeArgs, size};
use super::output::{Output, table};
use super::secret::Sink;
use super::vault::{newest, points_table, vms_table};
use crate::config::AuditLog;
use crate::{Config, Error, GrantRequest, GrantState, GrantStatus, PointSummary, Service, User, VmName, sys};
use secrecy::ExposeSecret;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where somebody at this machine is, in the audit log.
const HERE: &str = "local shell";

/// Whoever may read the service's key.
struct Local {
    service: Arc<Service>,
    user: User,
}

impl Local {
    async fn open(config: &Path) -> Result<Self, Error> {
        let mut config = Config::read(config)?;
        if config.audit == AuditLog::Stdout {
            // Standard output is for the result.
            config.audit = AuditLog::Stderr;
        }
        let service = Service::open(config).await?;
        Ok(Self { service, user: User::administrator(format!("local:{}", sys::user_number())) })
    }
}

pub(crate) async fn points(config: &Path, args: &PointsArgs, output: Output) -> Result<(), Error> {
    let api = Api::of(&args.service)?;
    match &args.vm {
        None => {
            let vms = match &api {
                Some(api) => api.vms().await?,
                None => {
                    let local = Local::open(config).await?;
                    local.service.vms(&local.user).await?
                }
            };
            output.result(&vms, || vms_table(vms.iter().map(|vm| (vm.vm.to_string(), vm.points))));
        }
        Some(vm) => {
            let points = match &api {
                Some(api) => api.points(vm).await?,
                None => local_points(&Local::open(config).await?, vm).await?,
            };
            output.result(&points, || points_table(&points));
        }
    }
    Ok(())
}

async fn local_points(local: &Local, vm: &VmName) -> Result<Vec<PointSummary>, Error> {
    local.service.points(&local.user, vm).await
}

pub(crate) async fn grant(config: &Path, args: &GrantArgs, output: Output) -> Result<(), Error> {
    // Where it is to be written comes first: a grant that nobody can use is not made.
    let sink = args.password_to.as_deref().map(Sink::open).transpose()?;
    if let Some(path) = &args.output
        && path.exists()
    {
        return Err(Error::invalid(format!("'{}' is there already", path.display())));
    }
    let made = match Api::of(&args.service)? {
        Some(api) => {
            let point = match &args.point {
                Some(point) => point.clone(),
                None => newest(&api.points(&args.vm).await?, &args.vm)?,
            };
            api.grant(&args.vm, &point, args.lifetime).await?
        }
        None => local_grant(config, args).await?,
    };
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(plain_file_name(&made.file_name)));
    write(&path, &made.bundle)?;
    let password = sink.is_none().then_some(made.password.as_str());
    if let Some(sink) = sink {
        sink.write(&made.password.as_str().into())?;
    }
    let grant = &made.grant;
    let shown = json!({"grant": grant, "file": path.display().to_string(), "password": password});
    output.result(&shown, || {
        let mut text =
            format!("{}: {} {} until {}, grant {}", path.display(), grant.vm, grant.point, grant.expires_at, grant.id);
        if let Some(password) = password {
            text.push_str(&format!("\npassword, shown this once: {password}"));
        }
        text
    });
    Ok(())
}

async fn local_grant(config: &Path, args: &GrantArgs) -> Result<Made, Error> {
    let local = Local::open(config).await?;
    let point = match &args.point {
        Some(point) => point.clone(),
        None => newest(&local_points(&local, &args.vm).await?, &args.vm)?,
    };
    let request = GrantRequest { vm: args.vm.clone(), point, lifetime: args.lifetime };
    let granted = local.service.grant(&local.user, HERE, request).await?;
    let password = granted.password.expose_secret().to_owned();
    Ok(Made { grant: granted.grant, file_name: granted.file_name, bundle: granted.bundle, password })
}

/// The name of a file and nothing else, whatever a service says.
fn plain_file_name(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().filter(|c| legal(*c)).collect();
    if name.is_empty() || name.starts_with('.') { "recovery.fr-bundle".to_owned() } else { name }
}

fn write(path: &Path, bundle: &str) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        Error::invalid(format!("the bundle cannot be written to '{}': {}", path.display(), block::io_reason(&error)))
    };
    let mut file = sys::create_private_file(path).map_err(failed)?;
    file.write_all(bundle.as_bytes()).map_err(failed)
}

pub(crate) async fn grants(config: &Path, args: &GrantsArgs, output: Output) -> Result<(), Error> {
    let grants = match Api::of(&args.service)? {
        Some(api) => api.grants().await?,
        None => {
            let local = Local::open(config).await?;
            local.service.grants(&local.user).await?.into_iter().map(GrantLine::from).collect()
        }
    };
    output.result(&grants, || {
        let head = ["GRANT", "VM", "POINT", "USER", "STATE", "LEFT", "SESSIONS", "READ"];
        table(&head, grants.iter().map(row))
    });
    Ok(())
}

fn row(line: &GrantLine) -> Vec<String> {
    let grant = &line.grant;
    let left = humantime::format_duration(Duration::from_secs(line.seconds_left)).to_string();
    vec![
        grant.id.to_string(),
        grant.vm.to_string(),
        grant.point.to_string(),
        session::printable(&grant.user),
        session::printable(&line.state),
        left,
        line.sessions.len().to_string(),
        size(line.bytes_read),
    ]
}

impl From<GrantStatus> for GrantLine {
    fn from(status: GrantStatus) -> Self {
        let (state, revoked_by, revoked_at) = match status.state {
            GrantState::Active => ("active", None, None),
            GrantState::Expired => ("expired", None, None),
            GrantState::Revoked { by, at } => ("revoked", Some(by), Some(at)),
        };
        let GrantStatus { grant, sessions, bytes_read, seconds_left, .. } = status;
        Self { grant, state: state.to_owned(), revoked_by, revoked_at, sessions, bytes_read, seconds_left }
    }
}

pub(crate) async fn revoke(config: &Path, args: &RevokeArgs, output: Output) -> Result<(), Error> {
    match Api::of(&args.service)? {
        Some(api) => api.revoke(&args.grant).await?,
        None => {
            let local = Local::open(config).await?;
            local.service.revoke(&local.user, HERE, &args.grant).await?;
        }
    }
    output.result(&json!({"revoked": args.grant}), || format!("grant {} has ended", args.grant));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_that_a_service_gives_leads_nowhere_else() {
        assert_eq!(plain_file_name("web_p1.fr-bundle"), "web_p1.fr-bundle");
        assert_eq!(plain_file_name("../../etc/x"), "recovery.fr-bundle");
        assert_eq!(plain_file_name("a/b\n"), "ab");
        assert_eq!(plain_file_name("/"), "recovery.fr-bundle");
    }
}
