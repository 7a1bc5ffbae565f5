//! What documents name has to exist: paths, tests, commands and options.

use crate::tree::{SourceFile, files, top};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Documents whose test names are promises: requirement or dependency -> test.
const DOCUMENTS_THAT_NAME_TESTS: &[&str] = &["docs/RFC7143.md", "docs/DEPENDENCIES.md"];

/// What stands between backticks on one line, fenced blocks left out.
fn quoted(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// Whether this is meant as the path of a file or directory of the repository.
fn is_path(word: &str) -> bool {
    let tops = ["src/", "platform/", "tests/", "docs/", "fuzz/", "benches/", "packaging/", ".ci/", ".github/"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    tops.iter().any(|top| word.starts_with(top)) && word.chars().all(plain)
}

/// Whether this is meant as the name of a test: those are sentences.
fn is_test_name(word: &str) -> bool {
    let word = word.rsplit("::").next().unwrap_or(word);
    word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The paths that a document names and `exists` does not know.
fn missing_paths(document: &SourceFile, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let paths = quoted(&document.text).into_iter().filter(|word| is_path(word) && !exists(word));
    paths.map(|path| format!("{} names {path}, which is not there", document.path)).collect()
}

/// The tests that a document names and that are no function of any file.
fn missing_tests(document: &SourceFile, functions: &BTreeSet<&str>) -> Vec<String> {
    let name = |word: &str| word.rsplit("::").next().unwrap_or(word).to_owned();
    let tests = quoted(&document.text).into_iter().filter(|word| is_test_name(word)).map(name);
    let missing = tests.filter(|test| !functions.contains(test.as_str()));
    missing.map(|test| format!("{} names the test {test}, which is not there", document.path)).collect()
}

/// The names of all functions.
fn functions(files: &[SourceFile]) -> BTreeSet<&str> {
    let lines = files.iter().filter(|file| file.is_rust()).flat_map(|file| file.text.lines());
    let after_fn = lines.filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
    after_fn.filter_map(|rest| rest.split(['(', '<']).next()).collect()
}

/// A program of this repository, and its commands whose help is asked for.
struct Program {
    name: &'static str,
    path: &'static str,
    commands: &'static [&'static str],
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "fr-mount",
        path: env!("CARGO_BIN_EXE_fr-mount"),
        commands: &["volumes", "status", "unmount", "cleanup", "demo"],
    },
    Program {
        name: "fr-serve",
        path: env!("CARGO_BIN_EXE_fr-serve"),
        commands: &[
            "serve",
            "init",
            "check-config",
            "token",
            "import",
            "list",
            "verify",
            "prune",
            "points",
            "grant",
            "grants",
            "revoke",
        ],
    },
];

/// Command lines of a program in indented or fenced blocks: one line each, continued lines joined.
fn command_lines(text: &str, name: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let begins = |line: &str| {
        let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
        let program = line.split_whitespace().next()?;
        (program.rsplit('/').next() == Some(name)).then(|| line.to_owned())
    };
    joined.lines().filter_map(|line| begins(line.trim())).collect()
}

/// The long options of a command line.
fn options(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split_whitespace().map(|word| word.trim_matches(['[', ']', '(', ')', '|', ',']));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(|word| word.split('=').next().unwrap_or(word))
}

/// Everything that `--help` of a program, and the help of each of its commands, say.
fn help(program: &Program) -> String {
    let run = |args: &[&str]| {
        let output = Command::new(program.path).args(args).output().unwrap();
        assert!(output.status.success(), "{} {args:?} failed", program.name);
        String::from_utf8(output.stdout).unwrap()
    };
    let mut all = run(&["--help"]);
    for command in program.commands {
        all.push_str(&run(&[command, "--help"]));
    }
    all
}

/// The options that a document's command lines use and the help does not explain.
fn missing_options(document: &SourceFile, name: &str, help: &str) -> Vec<String> {
    let known: BTreeSet<_> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
    let lines = command_lines(&document.text, name);
    let unknown = lines.iter().flat_map(|line| options(line)).filter(|option| !known.contains(option));
    unknown.map(|option| format!("{} uses {option}, which --help does not explain", document.path)).collect()
}

fn documents(files: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    files.iter().filter(|file| file.path.ends_with(".md"))
}

#[test]
fn paths_in_documents_exist() {
    let files = files();
    let found: Vec<_> =
        documents(&files).flat_map(|file| missing_paths(file, |path| top().join(path).exists())).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn tests_that_documents_name_exist() {
    let files = files();
    let functions = functions(&files);
    for path in DOCUMENTS_THAT_NAME_TESTS {
        let document = files.iter().find(|file| file.path == *path).unwrap_or_else(|| panic!("{path} is missing"));
        assert!(quoted(&document.text).into_iter().any(is_test_name), "{path} names no test");
        let found = missing_tests(document, &functions);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn options_in_documents_are_explained_by_help() {
    let files = files();
    for program in &PROGRAMS {
        let help = help(program);
        let found: Vec<_> = documents(&files).flat_map(|file| missing_options(file, program.name, &help)).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// The files below a directory, by their path in it.
fn generated(directory: &Path) -> BTreeMap<String, String> {
    let below = ["man", "completions"].into_iter().flat_map(|name| {
        let entries = std::fs::read_dir(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        entries.map(move |entry| (name, entry.unwrap().path()))
    });
    let read = |(name, path): (&str, PathBuf)| {
        let file = path.file_name().unwrap().to_str().unwrap();
        (format!("{name}/{file}"), std::fs::read_to_string(&path).unwrap())
    };
    below.map(read).collect()
}

#[test]
fn manual_pages_and_completions_are_those_of_these_programs() {
    let directory = tempfile::tempdir().unwrap();
    for program in &PROGRAMS {
        let made = Command::new(program.path).arg("generate-docs").arg(directory.path()).status();
        assert!(made.unwrap().success());
    }
    let (now, committed) = (generated(directory.path()), generated(&top().join("packaging")));
    assert!(
        now == committed,
        "they are out of date: fr-mount generate-docs packaging; fr-serve generate-docs packaging"
    );
}

#[test]
fn every_dependency_is_explained() {
    let files = files();
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str()).unwrap();
    let (_, table) = text("Cargo.toml").split_once("[workspace.dependencies]").unwrap();
    let table = table.split_once("\n[").unwrap().0;
    let names = table.lines().filter_map(|line| line.split_once(" =")).map(|(name, _)| name.trim());
    let explained: BTreeSet<_> = quoted(text("docs/DEPENDENCIES.md")).into_iter().collect();
    let missing: Vec<_> =
        names.filter(|name| !name.starts_with("fr-") && !name.starts_with('#') && !explained.contains(name)).collect();
    assert!(missing.is_empty(), "docs/DEPENDENCIES.md does not say why these are here: {missing:?}");
}

#[test]
fn a_path_that_is_gone_is_found() {
    let document =
        SourceFile::new("docs/x.md", "`src/gone.rs` and `src/here.rs`, not `SRC/x`\n```\n`src/fenced.rs`\n```\n");
    assert_eq!(
        missing_paths(&document, |path| path == "src/here.rs"),
        ["docs/x.md names src/gone.rs, which is not there"]
    );
}

#[test]
fn a_test_that_is_gone_is_found() {
    let code = SourceFile::new("src/x.rs", "#[test]\nfn the_one_that_is_there() {}\n");
    let document = SourceFile::new("docs/x.md", "| `x::the_one_that_is_there` | `the_one_that_is_gone` | `read_at` |");
    let found = missing_tests(&document, &functions(std::slice::from_ref(&code)));
    assert_eq!(found, ["docs/x.md names the test the_one_that_is_gone, which is not there"]);
}

#[test]
fn an_option_that_is_gone_is_found() {
    let document = SourceFile::new(
        "x.md",
        "    sudo fr-mount --read-only --gone \\\n        --alsogone=1 x y\n    cargo test --locked\n",
    );
    assert_eq!(missing_options(&document, "fr-mount", "--read-only FILE").len(), 2);
    assert_eq!(missing_options(&document, "fr-mount", "--read-only, --gone, --alsogone <N>"), [""; 0]);
    assert_eq!(missing_options(&document, "fr-serve", ""), [""; 0]);
}
