//! What users and scripts get to see: tables, or JSON, on standard output; progress on standard error.

use crate::exit::Failure;
use comfy_table::{Table, presets};
use session::{GroupReport, Report, VolumeReport, VolumeState, printable};
use std::io::{IsTerminal, Write};

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// A line for people on standard output; nothing with `--json`.
    pub(crate) fn line(self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// The outcome of a command: JSON for scripts, or text for people.
    pub(crate) fn result(self, json: &impl serde::Serialize, text: impl FnOnce() -> String) {
        if self.json {
            print(&serde_json::to_string_pretty(json).unwrap_or_default());
        } else {
            print(&text());
        }
    }

    /// A failure: the message on standard error and, with `--json`, an object on standard output.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let error = serde_json::json!({"error": {
                "kind": failure.kind,
                "message": failure.message,
                "exit_code": failure.kind.exit_code(),
            }});
            print(&error.to_string());
        }
        let _ = writeln!(std::io::stderr(), "fr-mount: {}", failure.message);
    }

    /// Something to know that is no failure.
    pub(crate) fn notice(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "fr-mount: note: {text}");
        }
    }
}

/// A closed pipe is the reader's choice and no error of ours.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line that shows what is being done, on a terminal only.
pub(crate) struct ProgressLine(Option<indicatif::ProgressBar>);

impl ProgressLine {
    pub(crate) fn new() -> Self {
        let spinner = || {
            let spinner = indicatif::ProgressBar::new_spinner();
            spinner.enable_steady_tick(std::time::Duration::from_millis(120));
            spinner
        };
        Self(std::io::stderr().is_terminal().then(spinner))
    }

    pub(crate) fn show(&self, text: &str) {
        if let Some(spinner) = &self.0 {
            spinner.set_message(text.to_owned());
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(spinner) = &self.0 {
            spinner.finish_and_clear();
        }
    }
}

/// The table of disk, partition, volume and mount path, and what the user should know.
pub(crate) fn report_text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Only a Windows has drive letters.
    let has_letters = report.volumes.iter().any(|volume| !volume.drive_letters.is_empty());
    let header = ["DISK", "PARTITION", "VOLUME", "DRIVE", "SIZE", "CONTENT", "FILES"].map(str::to_owned);
    table.set_header(chosen(header, has_letters));
    for disk in &report.disks {
        let on_disk = |volume: &&VolumeReport| volume.disk == Some(disk.disk) && !is_logical(volume);
        let volumes: Vec<_> = report.volumes.iter().filter(on_disk).collect();
        let name = format!("{} ({}, {})", disk.disk, size(disk.bytes), disk.table);
        if volumes.is_empty() && !is_member(report, disk.disk) {
            let empty = [name.as_str(), "-", "-", "", "", "", "no partition was found"].map(str::to_owned);
            table.add_row(chosen(empty, has_letters));
        }
        for volume in volumes {
            table.add_row(chosen(row(&name, volume), has_letters));
        }
    }
    for volume in report.volumes.iter().filter(|volume| is_logical(volume)) {
        table.add_row(chosen(row(&volume.position, volume), has_letters));
    }
    format!("{}{}", table.trim_fmt(), notices(report))
}

/// What the user should know, a line each.
pub(crate) fn notices(report: &Report) -> String {
    let of_volumes = report
        .volumes
        .iter()
        .flat_map(|volume| volume.notices.iter().map(move |notice| format!("{}: {notice}", volume.name)));
    report.notices.iter().cloned().chain(of_volumes).map(|notice| format!("\nnote: {}", printable(&notice))).collect()
}

/// Whether it is no part of one disk: an array, a logical volume, or a partition of these.
fn is_logical(volume: &VolumeReport) -> bool {
    volume.position.contains('/')
}

/// Whether something of a disk belongs to an array or a volume group.
fn is_member(report: &Report, disk: usize) -> bool {
    let (disk, partitions) = (disk.to_string(), format!("{disk}:"));
    let positions =
        report.groups.iter().flat_map(|group| &group.members).filter_map(|member| member.position.as_deref());
    let tables = positions.filter(|position| *position != disk).any(|position| position.starts_with(&partitions));
    tables || report.groups.iter().any(|group| !is_table(&group.kind) && has_member(group, &disk))
}

/// Whether a group is a partition table.
pub(crate) fn is_table(kind: &str) -> bool {
    matches!(kind, "GPT" | "MBR")
}

fn has_member(group: &GroupReport, position: &str) -> bool {
    group.members.iter().any(|member| member.position.as_deref() == Some(position))
}

/// The columns that are shown: without that of drive letters where there are none.
fn chosen(columns: [String; 7], has_letters: bool) -> Vec<String> {
    const LETTERS: usize = 3;
    columns
        .into_iter()
        .enumerate()
        .filter(|(column, _)| has_letters || *column != LETTERS)
        .map(|(_, text)| printable(&text))
        .collect()
}

fn row(disk: &str, volume: &VolumeReport) -> [String; 7] {
    let kind = &volume.partition.kind;
    let partition = match volume.partition.number {
        Some(number) => format!("{number} ({kind})"),
        None if is_logical(volume) => kind.clone(),
        None => format!("whole disk ({kind})"),
    };
    let health = if volume.health == "whole" { String::new() } else { format!(" [{}]", volume.health) };
    let content = volume.format.clone().unwrap_or_else(|| "?".to_owned());
    [
        disk.to_owned(),
        format!("{partition}{health}"),
        volume.name.clone(),
        volume.drive_letters.join(" "),
        size(volume.bytes),
        content,
        files(volume),
    ]
}

/// What can be done with a volume: where it is mounted, whether it is readable, why not.
pub(crate) fn files(volume: &VolumeReport) -> String {
    match (&volume.state, &volume.mount_path) {
        (VolumeState::Mounted, Some(path)) => path.clone(),
        (VolumeState::Mounted | VolumeState::Readable, _) => "readable".to_owned(),
        (VolumeState::NoFileSystem(reason), _) => format!("none: {reason}"),
        (VolumeState::Unreadable(reason), _) => format!("not readable: {reason}"),
    }
}

/// A size for people: 3 digits and a binary unit.
pub(crate) fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::{DiskReport, PartitionReport};

    fn report() -> Report {
        let volume = |name: &str, number: Option<u32>, state, mount_path: Option<&str>| VolumeReport {
            name: name.into(),
            position: number.map_or_else(|| "0".to_owned(), |number| format!("0:{number}")),
            disk: Some(0),
            health: "whole".into(),
            partition: PartitionReport { number, kind: "Linux".into(), name: None, start: 1 << 20 },
            bytes: 3 << 30,
            format: Some("ext4".into()),
            label: None,
            drive_letters: Vec::new(),
            uuid: None,
            file_system: None,
            state,
            mount_path: mount_path.map(Into::into),
            notices: vec!["look twice".into()],
        };
        let disk = |disk| DiskReport {
            disk,
            location: "x".into(),
            model: None,
            serial: None,
            bytes: 8 << 40,
            block_size: 512,
            table: "GPT".into(),
        };
        Report {
            notices: vec!["a LUN was left out".into()],
            source: "iscsis://h/".into(),
            disks: vec![disk(0), disk(1)],
            volumes: vec![
                volume("data", Some(1), VolumeState::Mounted, Some("/mnt/data")),
                volume("disk0-part2", Some(2), VolumeState::Unreadable("it is XFS".into()), None),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn the_table_tells_disk_partition_volume_and_path() {
        let text = report_text(&report());
        assert!(text.contains("0 (8.0 TiB, GPT)") && text.contains("/mnt/data"), "{text}");
        assert!(text.contains("not readable: it is XFS"), "{text}");
        assert!(text.contains("no partition was found"), "{text}");
        assert!(text.contains("note: a LUN was left out") && text.contains("note: data: look twice"), "{text}");
    }

    #[test]
    fn drive_letters_have_a_column_where_there_are_any() {
        let mut report = report();
        assert!(!report_text(&report).contains("DRIVE"));
        report.volumes[0].drive_letters = vec!["C:".into(), "D:".into()];
        let text = report_text(&report);
        assert!(text.contains("VOLUME") && text.contains("DRIVE") && text.contains("C: D:"), "{text}");
    }

    #[test]
    fn the_json_is_the_report_and_comes_back_whole() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["volumes"][0]["state"], "mounted");
        assert_eq!(json["volumes"][1]["state"], "unreadable");
        assert_eq!(json["volumes"][1]["reason"], "it is XFS");
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report());
    }
}
