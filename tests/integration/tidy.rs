//! Rules that the compiler and clippy do not check; docs/STYLE.md says why each of them is there.

use crate::tree::{SourceFile, files, top};
use std::fs;

/// The longest file without its tests, in lines.
const CODE_LINES_MAX: usize = 500;
/// The longest file of tests, or file together with its tests, in lines.
const LINES_MAX: usize = 800;

/// A file is one concept: without its tests it is short, and its tests are too.
fn too_long(file: &SourceFile) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    let (code, all) = (file.code().count(), file.text.lines().count());
    let mut found = Vec::new();
    if code > CODE_LINES_MAX && !file.is_test() {
        found.push(format!("{}: {code} lines without tests, more than {CODE_LINES_MAX}", file.path));
    }
    if all > LINES_MAX {
        found.push(format!("{}: {all} lines, more than {LINES_MAX}", file.path));
    }
    found
}

/// What belongs to one operating system lies in `platform` or in files named sys.rs: the rest has to run on others.
fn bound_to_an_operating_system(file: &SourceFile) -> Vec<String> {
    let in_sys = file.name() == "sys.rs" || file.path.contains("/sys/");
    if !file.is_rust() || !file.path.starts_with("src/") || file.is_test() || in_sys {
        return Vec::new();
    }
    let named = |line: &str| {
        let conditional = line.contains("cfg") && ["unix", "windows"].iter().any(|name| has_word(line, name));
        let names = ["target_os", "target_family", "std::os::", "rustix::", "libc::", "fuser::"];
        conditional || names.iter().any(|name| line.contains(name))
    };
    lines_where(file, "is specific to an operating system: move it to platform/ or a sys.rs", named)
}

/// `unsafe` is for talking to a kernel.
fn unsafe_code(file: &SourceFile) -> Vec<String> {
    if !file.is_rust() || file.path.starts_with("platform/") || file.path.starts_with("tests/") {
        return Vec::new();
    }
    lines_where(file, "has unsafe code outside platform/", |line| has_word(line, "unsafe"))
}

/// What is left to do stands in an issue, where it can be found, not in a comment.
fn postponed(file: &SourceFile) -> Vec<String> {
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let lines = file.text.lines().enumerate();
    let found = lines.filter(|(_, line)| {
        markers.iter().any(|marker| has_word(line, marker.trim_end_matches(':')) && line.contains(marker))
    });
    found.map(|(index, _)| format!("{}:{}: postpones something; write an issue", file.path, index + 1)).collect()
}

/// Nothing depends on, or tells of, the machine that somebody works on.
fn paths_of_a_machine(file: &SourceFile) -> Vec<String> {
    // The sample server has users, and so homes, of its own.
    if file.path.starts_with("packaging/sample/") {
        return Vec::new();
    }
    let places = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
    let lines = file.text.lines().enumerate();
    let found = lines.filter(|(_, line)| places.iter().any(|place| names_absolute(line, place)));
    found.map(|(index, line)| format!("{}:{}: a path of one machine: {}", file.path, index + 1, line.trim())).collect()
}

/// Whether `place` occurs as the beginning of an absolute path, and not inside a longer one. Ann, who lives in examples, may
/// have a home.
fn names_absolute(line: &str, place: &str) -> bool {
    let line = line.replace(concat!("/ho", "me/ann/"), "");
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}*~/".contains(c));
    line.match_indices(place).any(|(at, _)| begins(at))
}

/// Lines of code, comments left out, for which `bad` holds.
fn lines_where(file: &SourceFile, what: &str, bad: impl Fn(&str) -> bool) -> Vec<String> {
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    let found = file.code().filter(|(_, line)| is_code(line) && bad(line));
    found.map(|(number, line)| format!("{}:{number}: {what}: {}", file.path, line.trim())).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

type Rule = fn(&SourceFile) -> Vec<String>;

const RULES: &[Rule] = &[too_long, bound_to_an_operating_system, unsafe_code, postponed, paths_of_a_machine];

#[test]
fn every_file_keeps_the_rules() {
    let files = files();
    assert!(files.iter().any(|file| file.path == "src/block/disk.rs"), "the walk over the repository finds too little");
    let found: Vec<_> = files.iter().flat_map(|file| RULES.iter().flat_map(move |rule| rule(file))).collect();
    assert!(found.is_empty(), "see docs/STYLE.md:\n{}", found.join("\n"));
}

#[test]
fn the_top_directory_holds_only_known_directories() {
    let known =
        [".ci", ".git", ".github", "benches", "docs", "fuzz", "packaging", "platform", "src", "target", "tests"];
    for entry in fs::read_dir(top()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(!entry.file_type().unwrap().is_dir() || known.contains(&name.as_str()), "{name}/ has no place here");
    }
}

#[test]
fn every_fuzz_target_is_built_and_run() {
    let manifest = fs::read_to_string(top().join("fuzz/Cargo.toml")).unwrap();
    let runner = fs::read_to_string(top().join("fuzz/run-short")).unwrap();
    let entries: Vec<_> = fs::read_dir(top().join("fuzz/targets")).unwrap().collect();
    assert!(!entries.is_empty());
    for entry in entries {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(manifest.contains(&format!("\"{name}\"")), "fuzz/Cargo.toml does not name {name}");
        assert!(runner.contains("targets/*.rs") || has_word(&runner, name), "fuzz/run-short does not run {name}");
    }
}

#[test]
fn every_fixture_comes_with_its_recipe() {
    let Ok(entries) = fs::read_dir(top().join("tests/fixtures")) else { return };
    for entry in entries {
        let directory = entry.unwrap().path();
        if !directory.is_dir() {
            continue;
        }
        let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let recipe = { names }.any(|name| name.starts_with("make") || name == "README.md");
        assert!(
            recipe,
            "{} has no recipe: a make script, or a README.md that says how it was made",
            directory.display()
        );
    }
}

#[test]
fn every_document_can_be_found_from_another() {
    let files = files();
    let documents = files.iter().filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md"));
    for document in documents {
        let linked = files.iter().any(|file| {
            file.path.ends_with(".md") && file.path != document.path && file.text.contains(document.name())
        });
        assert!(linked, "{} is linked from no other document", document.path);
    }
}

/// The rules that `text` at `path` breaks, by how many lines.
fn broken(path: &str, text: &str) -> usize {
    let file = SourceFile::new(path, text);
    RULES.iter().map(|rule| rule(&file).len()).sum()
}

#[test]
fn a_long_file_is_found_and_its_tests_do_not_count() {
    let long = "let a = 1;\n".repeat(CODE_LINES_MAX + 1);
    assert_eq!(broken("src/x/long.rs", &long), 1);
    let code = "let a = 1;\n".repeat(CODE_LINES_MAX);
    assert_eq!(broken("src/x/fine.rs", &format!("{code}#[cfg(test)]\nmod tests {{}}\n")), 0);
    assert_eq!(broken("tests/integration/fine.rs", &long), 0);
    assert_eq!(broken("src/x/tests.rs", &"assert!(true);\n".repeat(LINES_MAX + 1)), 1);
}

#[test]
fn code_for_one_operating_system_is_found_outside_its_places() {
    for line in [
        "#[cfg(unix)]",
        "#[cfg(not(windows))]",
        "#[cfg(target_os = \"linux\")]",
        "use std::os::unix::fs::MetadataExt;",
        "if cfg!(windows) {}",
        "let pid = rustix::process::getpid();",
    ] {
        assert_eq!(broken("src/cli/mount.rs", line), 1, "{line}");
        assert_eq!(broken("src/cli/sys.rs", line) + broken("src/cli/sys/linux.rs", line), 0, "{line}");
        assert_eq!(broken("platform/fuse/lib.rs", line), 0, "{line}");
    }
    assert_eq!(broken("src/cli/mount.rs", "// cfg(unix) is for sys.rs\nlet unix_time = 0;"), 0);
}

#[test]
fn unsafe_code_is_found_outside_platform() {
    let code = "let value = unsafe { *pointer };";
    assert_eq!(broken("src/ext4/inode.rs", code), 1);
    assert_eq!(broken("platform/fuse/mount.rs", code), 0);
    assert_eq!(broken("src/ext4/inode.rs", "#![forbid(unsafe_code)]"), 0);
}

#[test]
fn what_is_postponed_in_a_comment_is_found() {
    for marker in ["TO", "FIX"].iter().zip(["DO", "ME"]).map(|(a, b)| format!("{a}{b}")) {
        assert_eq!(broken("src/ext4/inode.rs", &format!("// {marker}: later")), 1);
        assert_eq!(broken("docs/notes.md", &format!("{marker} later")), 1);
    }
    assert_eq!(broken("src/ext4/inode.rs", "// a methodical comment"), 0);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let place = |rest: &str| format!("see {}{rest}", concat!("/ho", "me/"));
    assert_eq!(broken("docs/notes.md", &place("somebody/notes")), 1);
    assert_eq!(broken("packaging/sample/make", &place("anna/notes.txt")), 0);
    assert_eq!(broken("README.md", &place("ann/restore")), 0);
    assert_eq!(broken("docs/notes.md", &format!("the volume's srv{}", concat!("/ho", "me/anna"))), 0);
}
