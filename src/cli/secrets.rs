//! The secrets of a job: where they come from, and the passwords of bundles and scripts.

use crate::args::ConnectionArgs;
use crate::exit::{Failure, FailureKind};
use bundle::RecoveryPoint;
use bundle::azure::{AzureScript, PASSWORD_CHARACTERS, chap_prefix};
use bundle::sealed::{BundleError, SealedBundle};
use program::secret::{self, Secret};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use std::time::SystemTime;

/// How often a password is asked for.
const TRIES: u32 = 3;

/// The secrets of a job. There is no `Debug`: they must not be shown.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Secrets {
    login: Option<Login>,
    reverse: Option<Login>,
    pub(crate) proxy: Option<Secret>,
}

/// A CHAP user and its secret.
#[derive(Serialize, Deserialize)]
struct Login {
    user: String,
    secret: Secret,
}

impl Secrets {
    /// Reads the secrets from where the user said that they are, or asks for them.
    pub(crate) fn read(args: &ConnectionArgs, point: &RecoveryPoint) -> Result<Self, Failure> {
        args.refuse_unfit(point)?;
        let proxy = read(args.proxy_secret.as_ref(), "the proxy's password")?;
        let secrets = match point {
            RecoveryPoint::Iscsi(_) | RecoveryPoint::Images(_) => Self {
                login: login(args.chap_user.as_ref(), read(args.chap_secret.as_ref(), "the CHAP secret")?),
                reverse: login(
                    args.target_user.as_ref(),
                    read(args.target_secret.as_ref(), "the target's CHAP secret")?,
                ),
                proxy: None,
            },
            RecoveryPoint::Sealed { file, bundle } => sealed(args, file, bundle)?,
            RecoveryPoint::Azure { script, .. } => azure(args, script)?,
        };
        Ok(Self { proxy, ..secrets })
    }

    /// Secrets for a target that proves itself as well.
    pub(crate) fn mutual(login: (&str, &str), reverse: (&str, &str)) -> Self {
        let of = |(user, secret): (&str, &str)| Login::new(user, secret);
        Self { login: Some(of(login)), reverse: Some(of(reverse)), proxy: None }
    }

    /// Whom we log in as.
    pub(crate) fn login(&self) -> Option<iscsi::ChapCredentials> {
        self.login.as_ref().map(Login::credentials)
    }

    /// Who the target has to be.
    pub(crate) fn reverse(&self) -> Option<iscsi::ChapCredentials> {
        self.reverse.as_ref().map(Login::credentials)
    }
}

impl Login {
    fn new(user: &str, secret: &str) -> Self {
        Self { user: user.to_owned(), secret: Secret::new(secret.to_owned()) }
    }

    fn credentials(&self) -> iscsi::ChapCredentials {
        iscsi::ChapCredentials { user: self.user.clone(), secret: SecretString::from(self.secret.as_str()) }
    }
}

fn read(place: Option<&String>, what: &str) -> Result<Option<Secret>, Failure> {
    Ok(place.map(|place| secret::read(place, what)).transpose()?)
}

fn login(user: Option<&String>, secret: Option<Secret>) -> Option<Login> {
    let (user, secret) = user.cloned().zip(secret)?;
    Some(Login { user, secret })
}

/// The secrets inside a bundle. Whether it can be used at all is told before anybody is asked for a password.
fn sealed(args: &ConnectionArgs, file: &str, bundle: &SealedBundle) -> Result<Secrets, Failure> {
    let failed = |error: BundleError| Failure::from(bundle::SourceError::Bundle { file: file.to_owned(), error });
    if let Some(wanted) = args.service_key {
        bundle.check_service(wanted).map_err(failed)?;
    }
    bundle.check_time(SystemTime::now()).map_err(failed)?;
    let what = format!("the password of '{file}'");
    let opened = ask(args.password.as_deref(), &what, |password| {
        bundle.open(&SecretString::from(password.as_str())).map_err(failed)
    })?;
    Ok(Secrets::mutual(
        (&opened.user, opened.secret.expose_secret()),
        (&opened.target_user, opened.target_secret.expose_secret()),
    ))
}

/// The secrets of a script. CHAP goes one way, as Microsoft's script for Linux does it: who the portal is, its certificate
/// proves. With `--mutual` the target has to prove itself too, under whatever name: the script does not say one.
fn azure(args: &ConnectionArgs, script: &AzureScript) -> Result<Secrets, Failure> {
    let user = format!("{}{}", chap_prefix(&crate::sys::os_release()), script.user);
    let reverse = match (args.mutual, &script.target_secret) {
        (false, _) => None,
        (true, Some(secret)) => Some(Login::new("", secret.expose_secret())),
        (true, None) => {
            return Err(Failure::usage(
                "--mutual: the script does not hold the secret that the target proves itself with",
            ));
        }
    };
    let secret = match (&script.password, &args.password) {
        (Some(filled_in), None) => Secret::new(filled_in.expose_secret().to_owned()),
        (_, place) => ask(place.as_deref(), "the password that the portal showed for the script", check_azure)?,
    };
    Ok(Secrets { login: Some(Login { user, secret }), reverse, proxy: None })
}

fn check_azure(password: &Secret) -> Result<Secret, Failure> {
    let (password, characters) = (password.trim(), password.trim().chars().count());
    if characters == PASSWORD_CHARACTERS {
        return Ok(Secret::new(password.to_owned()));
    }
    let message = format!(
        "the password for a script of Azure Backup has {PASSWORD_CHARACTERS} characters, this one has {characters}: use the copy \
         button beside it in the portal"
    );
    Err(Failure::new(FailureKind::WrongPassword, message))
}

/// Reads the password and tries it; at a prompt a wrong one is asked for again.
fn ask<T>(place: Option<&str>, what: &str, try_it: impl Fn(&Secret) -> Result<T, Failure>) -> Result<T, Failure> {
    let place = match place {
        Some(place) => place,
        None if std::io::stdin().is_terminal() => secret::PROMPT,
        None => {
            return Err(Failure::usage(format!("{what} is needed: give --password file:PATH, fd:N or prompt")));
        }
    };
    let mut tries_left = if place == secret::PROMPT { TRIES } else { 1 };
    loop {
        tries_left = tries_left.saturating_sub(1);
        match try_it(&secret::read(place, what)?) {
            Err(failure) if failure.kind == FailureKind::WrongPassword && tries_left > 0 => {
                crate::output::Output { json: false }.notice(&failure.message);
            }
            result => return result,
        }
    }
}
