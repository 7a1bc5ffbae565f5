//! The files of this repository, as `tidy` and `docs` look at them.

use std::fs;
use std::path::{Path, PathBuf};

/// The top directory of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text file, with its path as the repository spells it: relative, with `/`.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is a test.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.name() == "tests.rs" || self.path.contains("/tests/")
    }

    /// The lines before the file's own tests, each with its number, from 1.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.take_while(|(_, line)| line.trim_end() != "#[cfg(test)]")
    }
}

/// Every text file of the repository; what builds and fuzzers leave behind is not part of it.
pub(crate) fn files() -> Vec<SourceFile> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(top().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let name = path.to_str().expect("paths in the repository are UTF-8").replace('\\', "/");
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && !is_left_out(&name) {
                directories.push(path);
            } else if kind.is_file() {
                found.extend(text(&entry.path()).map(|text| SourceFile::new(name, text)));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn is_left_out(directory: &str) -> bool {
    [".git", "target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"].contains(&directory)
}

/// The file's text; `None` for images and other data.
fn text(path: &Path) -> Option<String> {
    let data = fs::read(path).unwrap();
    if data.contains(&0) { None } else { String::from_utf8(data).ok() }
}
