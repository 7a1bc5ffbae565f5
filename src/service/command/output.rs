//! What users and scripts get to see: tables, or JSON, on standard output; progress on standard error.

use crate::Error;
use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// The outcome of a command: JSON for scripts, or text for people.
    pub(crate) fn result(self, json: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            print(&serde_json::to_string_pretty(json).unwrap_or_default());
        } else {
            print(&text());
        }
    }

    /// A failure: the message on standard error and, with `--json`, an object on standard output.
    pub(crate) fn failure(self, error: &Error) {
        let exit_code = super::exit_code(error.kind());
        if self.json {
            let failure = serde_json::json!({"error": {"kind": error.kind().name(), "message": error.to_string(), "exit_code": exit_code}});
            print(&failure.to_string());
        }
        let _ = writeln!(std::io::stderr(), "fr-serve: {error}");
    }

    /// Something to know that is no failure.
    pub(crate) fn notice(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "fr-serve: note: {text}");
        }
    }
}

/// A closed pipe is the reader's choice and no error of ours.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A table without lines.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(head.iter().map(ToString::to_string).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What is being done: on a terminal one line that changes, elsewhere nothing.
pub(crate) fn progress(text: &str) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r\u{1b}[2K{}", session::printable(text));
        let _ = error.flush();
    }
}

/// Removes what [`progress`] left on the terminal.
pub(crate) fn progress_done() {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        let _ = write!(error, "\r\u{1b}[2K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_scripts_expect_them() {
        assert_eq!(crate::ErrorKind::NotSignedIn.name(), "not-signed-in");
        assert_eq!(crate::ErrorKind::Internal.name(), "internal");
    }

    #[test]
    fn tables_have_a_head_and_no_trailing_spaces() {
        let text = table(&["VM", "POINTS"], [vec!["web".to_owned(), "2".to_owned()]]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
