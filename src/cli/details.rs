//! What file systems say of themselves, for `fr-mount volumes --verbose`.

use session::{FileSystemReport, Report, VolumeReport, printable};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// A paragraph for each volume whose file system says something.
pub(crate) fn text(report: &Report) -> String {
    let paragraph = |volume: &VolumeReport| volume.file_system.as_ref().map(|details| paragraph(volume, details));
    report.volumes.iter().filter_map(paragraph).collect()
}

fn paragraph(volume: &VolumeReport, details: &FileSystemReport) -> String {
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), printable);
    let state = details.state.join(", ").replace('-', " ");
    let identity = [
        ("label", or_none(&volume.label)),
        ("UUID", or_none(&volume.uuid)),
        ("state", if details.state.is_empty() { "not known".to_owned() } else { state }),
    ];
    let history = [
        ("last mounted at", or_none(&details.last_mount_path)),
        ("last mount", time(details.last_mount_at)),
        ("last write", time(details.last_write_at)),
    ];
    let form = [
        ("block size", format!("{} bytes", details.block_size)),
        ("inode size", format!("{} bytes", details.inode_size)),
        ("features", details.features.join(" ")),
    ];
    // What a format does not record did not "never" happen.
    let history = history.iter().filter(|_| details.has_history);
    let lines = identity.iter().chain(history).chain(&form).map(|(name, value)| format!("\n  {name:<17}{value}"));
    format!("\n\n{}:{}", volume.name, lines.collect::<String>())
}

fn time(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return "never".to_owned() };
    let since = u64::try_from(seconds).ok().map(Duration::from_secs);
    let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let mut text = String::new();
    match time.map(|time| write!(text, "{}", humantime::format_rfc3339_seconds(time))) {
        Some(Ok(())) => text,
        // Years of five digits have no such form.
        _ => format!("{seconds} seconds after 1970"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_and_impossible_ones_are_numbers() {
        assert_eq!(time(None), "never");
        assert_eq!(time(Some(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(time(Some(253_402_300_800)), "253402300800 seconds after 1970");
        assert_eq!(time(Some(i64::MIN)), format!("{} seconds after 1970", i64::MIN));
    }
}
