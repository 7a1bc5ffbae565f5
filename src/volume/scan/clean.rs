//! Texts from disks without what could steer a terminal or turn the direction of writing.

use crate::{Group, Purpose, Volume, VolumeKind};

/// A text with a replacement character for every control and formatting character, as such a text from a disk must not reach a
/// terminal.
#[must_use]
pub fn text(text: &str) -> String {
    text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Control characters, and those that change the direction of writing or are not seen (Unicode, general categories Cc and Cf as far
/// as they matter here; Unicode Technical Report 36).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

fn each(texts: &mut [String]) {
    for each in texts {
        *each = text(each);
    }
}

/// A group as it can be shown.
pub(super) fn group(mut group: Group) -> Group {
    group.kind = text(&group.kind);
    group.name = group.name.as_deref().map(text);
    group.uuid = group.uuid.as_deref().map(text);
    for member in &mut group.members {
        member.uuid = member.uuid.as_deref().map(text);
        member.role = text(&member.role);
    }
    each(&mut group.notices);
    group
}

/// A volume as it can be shown.
pub(super) fn volume(mut volume: Volume) -> Volume {
    volume.name = text(&volume.name);
    volume.label = volume.label.as_deref().map(text);
    volume.uuid = volume.uuid.as_deref().map(text);
    if let VolumeKind::Layout(words) = &mut volume.kind {
        *words = text(words);
    }
    if let Purpose::Internal(words) | Purpose::Refused(words) = &mut volume.purpose {
        *words = text(words);
    }
    each(&mut volume.notices);
    volume
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_is_left() {
        assert_eq!(text("a\u{1b}[2J\u{202E}b\u{200B}\u{9B}ü✓"), "a\u{FFFD}[2J\u{FFFD}b\u{FFFD}\u{FFFD}ü✓");
    }
}
