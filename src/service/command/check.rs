//! `fr-serve check-config`: everything that a service needs to start, tried.

use super::output::Output;
use crate::config::AuditLog;
use crate::{Config, Error, Service};
use serde_json::json;
use std::path::Path;

pub(crate) async fn run(path: &Path, output: Output) -> Result<(), Error> {
    let config = Config::read(path)?;
    let warnings = warnings(&config);
    let (vault, users, roles) = (config.vault.root.clone(), config.users.len(), config.roles.len());
    Service::open(config).await?;
    output.result(&json!({"config": path.display().to_string(), "warnings": warnings}), || {
        let mut lines: Vec<_> = warnings.iter().map(|warning| format!("warning: {warning}")).collect();
        lines.push(format!("{}: all well; vault '{vault}', {users} users, {roles} roles", path.display()));
        lines.join("\n")
    });
    Ok(())
}

/// What works, and should not stay so.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let secrets = [&config.key_file, &config.tls.key].into_iter().chain(config.vault.secret_files.values());
    for path in secrets.filter(|path| program::others_can_read(path)) {
        warnings.push(format!("'{}' can be read by other users of this machine; chmod 600 it", path.display()));
    }
    let is_granted = config.users.iter().any(|user| !user.roles.is_empty());
    if !is_granted && config.oidc.is_none() {
        warnings.push("nobody has a role, so nobody can restore anything".to_owned());
    }
    if config.audit == AuditLog::Stdout {
        warnings.push("the audit log goes to standard output: see to it that it is kept".to_owned());
    }
    warnings
}
