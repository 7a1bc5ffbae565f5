//! Looks for secrets where none may be: arguments and environments of processes, and every file below a directory.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::fs;
use std::path::Path;

/// What to look for: each secret by a name, in every form that a program may write it in.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Secret>);

struct Secret {
    name: &'static str,
    forms: Vec<Vec<u8>>,
}

impl Secrets {
    /// Adds a secret. One that is short is found by chance, so it has to have some length.
    pub(crate) fn add(&mut self, name: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= 12, "{name} is too short to be looked for");
        let mut forms = vec![secret.to_vec(), hex::encode(secret).into_bytes(), hex::encode_upper(secret).into_bytes()];
        // What is written in groups may be kept without the dashes, and in lower case.
        let plain: Vec<u8> = secret.iter().copied().filter(|byte| *byte != b'-').collect();
        forms.extend([plain.to_ascii_lowercase(), plain]);
        // As it is kept by whoever writes 16 bits for a letter.
        forms.push(secret.iter().flat_map(|byte| [*byte, 0]).collect());
        // In base64 it depends on where it begins; only what is the same whatever stands around it.
        for before in 0..3 {
            let padded = [vec![0; before], secret.to_vec()].concat();
            for engine in [STANDARD, URL_SAFE] {
                let text = engine.encode(&padded);
                let end = padded.len() * 8 / 6;
                forms.push(text.as_bytes()[(before * 8).div_ceil(6)..end].to_vec());
            }
        }
        forms.sort();
        forms.dedup();
        self.0.push(Secret { name, forms });
    }

    /// The names of the secrets that are in these bytes.
    fn in_bytes(&self, bytes: &[u8]) -> Vec<&'static str> {
        let has = |form: &Vec<u8>| contains(bytes, form);
        self.0.iter().filter(|secret| secret.forms.iter().any(has)).map(|secret| secret.name).collect()
    }

    /// Secrets in this text, as findings.
    pub(crate) fn in_text(&self, place: &str, text: &[u8]) -> Vec<String> {
        self.in_bytes(text).into_iter().map(|name| format!("{name} is in {place}")).collect()
    }

    /// Secrets in the arguments and the environment of a process, and in what /proc tells of its limits and maps. Panics
    /// when the process is not there: then nothing would be found.
    #[track_caller]
    pub(crate) fn in_process(&self, id: u32) -> Vec<String> {
        let mut found = Vec::new();
        for part in ["cmdline", "environ", "comm", "status", "maps"] {
            let text = fs::read(format!("/proc/{id}/{part}")).unwrap_or_else(|error| panic!("process {id}: {error}"));
            found.extend(self.in_text(&format!("{part} of process {id}"), &text));
        }
        found
    }

    /// Secrets in all files below `root` but those of these names, and in all names. Panics when there is not one file: then
    /// nothing was looked at.
    #[track_caller]
    pub(crate) fn in_files(&self, root: &Path, except: &[&str]) -> Vec<String> {
        let (mut found, mut files, mut directories) = (Vec::new(), 0, vec![root.to_owned()]);
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
                let path = entry.unwrap().path();
                found.extend(self.in_text("the name of a file", path.as_os_str().as_encoded_bytes()));
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    directories.push(path);
                } else if kind.is_file() && !except.iter().any(|name| path.ends_with(name)) {
                    files += 1;
                    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    found.extend(self.in_text(&path.display().to_string(), &bytes));
                }
            }
        }
        assert!(files > 0, "no file is below {}", root.display());
        found
    }
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    let first = form[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        rest = &rest[at..];
        if rest.starts_with(form) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[test]
fn a_secret_is_found_in_whatever_form_it_is_written() {
    let mut secrets = Secrets::default();
    secrets.add("the password", "ABCD-2345-WXYZ-6789");
    let plain = b"ABCD-2345-WXYZ-6789".as_slice();
    let base64 = |text: String| STANDARD.encode(text).into_bytes();
    for written in [
        b"password=ABCD-2345-WXYZ-6789\n".to_vec(),
        b"ABCD2345WXYZ6789".to_vec(),
        b"{\"p\":\"abcd2345wxyz6789\"}".to_vec(),
        hex::encode(plain).into_bytes(),
        plain.iter().flat_map(|byte| [*byte, 0]).collect(),
        base64(format!("a{}", "ABCD-2345-WXYZ-6789")),
        base64(format!("Bearer {}\n", "ABCD-2345-WXYZ-6789")),
        base64(format!("ab{}{{}}", "ABCD-2345-WXYZ-6789")),
    ] {
        assert_eq!(secrets.in_bytes(&written), ["the password"], "{}", written.escape_ascii());
    }
    assert_eq!(secrets.in_bytes(b"ABCD-2345-WXYZ-678"), [""; 0]);
}

#[test]
fn a_planted_secret_is_found_in_arguments_environments_and_files() {
    use super::Background;
    let mut secrets = Secrets::default();
    secrets.add("the token", "a-planted-secret-1234");
    let innocent = || {
        let mut command = std::process::Command::new("sleep");
        command.env_clear().arg("1000");
        command
    };
    let found = |command: &mut std::process::Command| {
        let process = Background::start(command);
        let arguments = || fs::read(format!("/proc/{}/cmdline", process.id())).unwrap();
        super::process::wait_until("sleep runs", || arguments().starts_with(b"sleep"));
        secrets.in_process(process.id()).iter().map(|found| found.split(" of ").next().unwrap().to_owned()).collect()
    };
    let clean: Vec<String> = found(&mut innocent());
    assert_eq!(clean, [""; 0]);
    let environment: Vec<String> = found(innocent().env("TOKEN", "a-planted-secret-1234"));
    assert_eq!(environment, ["the token is in environ"]);
    // sleep adds up what it is given; what is no number it would refuse, so the name it runs by has to do.
    use std::os::unix::process::CommandExt;
    let argument: Vec<String> = found(innocent().arg0("sleep a-planted-secret-1234"));
    assert_eq!(argument, ["the token is in cmdline"]);

    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("a/b")).unwrap();
    fs::write(directory.path().join("a/b/log"), "nothing").unwrap();
    assert_eq!(secrets.in_files(directory.path(), &[]), [""; 0]);
    fs::write(directory.path().join("a/b/other"), b"\0\0a-planted-secret-1234\0").unwrap();
    assert_eq!(secrets.in_files(directory.path(), &["log"]).len(), 1);
    assert_eq!(secrets.in_files(directory.path(), &["other"]).len(), 0);
    fs::write(directory.path().join("a-planted-secret-1234"), "").unwrap();
    assert_eq!(secrets.in_files(directory.path(), &[]).len(), 2);
}
