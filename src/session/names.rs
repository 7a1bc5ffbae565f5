//! Names of volumes: what a user can type, unique, and the same each time the recovery point is opened.

use std::collections::HashSet;

/// The longest name in bytes: a mount point is made with it.
const NAME_BYTES_MAX: usize = 120;

/// What a volume could be called by.
pub(crate) struct Candidate<'a> {
    pub(crate) label: Option<&'a str>,
    /// The drive letter that the recovered system gave it.
    pub(crate) letter: Option<char>,
    /// Where it is: `0`, `0:2`, `vg0/home`, `md/data:1`.
    pub(crate) position: &'a str,
}

/// A name for each volume, in their order: its label where that is usable, else its drive letter, else where it is: `disk0`,
/// `disk0-part1`, `vg0-home`. What several volumes would be called gets the position added for each of them, so that the name of one does not
/// depend on the others' order.
pub(crate) fn assign(volumes: &[Candidate<'_>]) -> Vec<String> {
    let own = |volume: &Candidate<'_>| volume.label.and_then(usable).or_else(|| volume.letter.map(String::from));
    let own: Vec<_> = volumes.iter().map(own).collect();
    let mut taken = HashSet::new();
    let mut names = Vec::new();
    for (volume, own_name) in volumes.iter().zip(&own) {
        let position = position(volume.position);
        let shared = own.iter().filter(|other| *other == own_name).count() > 1;
        let wanted = match own_name {
            Some(name) if shared => format!("{name}-{position}"),
            Some(name) => name.clone(),
            None => position.clone(),
        };
        // A label may look like another volume's position: then the position decides.
        let mut name = wanted.clone();
        while !taken.insert(name.clone()) {
            name = format!("{name}-{position}");
        }
        names.push(name);
    }
    names
}

fn position(at: &str) -> String {
    let disk = if at.starts_with(|c: char| c.is_ascii_digit()) && !at.contains('/') { "disk" } else { "" };
    let name = format!("{disk}{}", at.replace('/', "-").replace(':', "-part"));
    usable(&name).unwrap_or_else(|| "volume".to_owned())
}

/// A label as the name of a directory: no `/`, no control or formatting characters, not `.` or `..` or hidden, not too long.
fn usable(label: &str) -> Option<String> {
    let hidden = |c: char| matches!(c, '/' | '\\' | char::REPLACEMENT_CHARACTER);
    let clean: String = volume::printable(label.trim()).chars().map(|c| if hidden(c) { '_' } else { c }).collect();
    let clean = clean.trim_start_matches('.');
    let end =
        clean.char_indices().map(|(at, c)| at.saturating_add(c.len_utf8())).take_while(|end| *end <= NAME_BYTES_MAX);
    let clean = clean.get(..end.last()?)?;
    (!clean.is_empty()).then(|| clean.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(volumes: &[(Option<&str>, &str)]) -> Vec<String> {
        let volume = |&(label, position)| Candidate { label, letter: None, position };
        assign(&volumes.iter().map(volume).collect::<Vec<_>>())
    }

    #[test]
    fn labels_name_volumes_and_positions_name_the_rest() {
        let volumes = [(Some("data"), "0:1"), (None, "0:2"), (None, "1"), (None, "vg0/home"), (None, "md/root:2")];
        assert_eq!(names(&volumes), ["data", "disk0-part2", "disk1", "vg0-home", "md-root-part2"]);
    }

    #[test]
    fn a_label_that_two_volumes_have_gets_their_positions() {
        let volumes = [(Some("data"), "0:1"), (Some("data"), "1:1")];
        assert_eq!(names(&volumes), ["data-disk0-part1", "data-disk1-part1"]);
    }

    #[test]
    fn drive_letters_name_volumes_without_label() {
        let volume = |label, letter, position| Candidate { label, letter, position };
        let volumes =
            [volume(None, Some('C'), "0:1"), volume(Some("data"), Some('D'), "0:2"), volume(None, Some('E'), "0:3")];
        assert_eq!(assign(&volumes), ["C", "data", "E"]);
        let volumes = [volume(None, Some('C'), "0:1"), volume(Some("C"), None, "0:2")];
        assert_eq!(assign(&volumes), ["C-disk0-part1", "C-disk0-part2"]);
    }

    #[test]
    fn a_hostile_label_stays_below_the_mount_point() {
        let volumes = [(Some("../../etc"), "0:1"), (Some(".."), "0:2"), (Some("a/b\u{202E}\u{1b}\n"), "0:3")];
        assert_eq!(names(&volumes), ["_.._etc", "disk0-part2", "a_b__"]);
        let long = "é".repeat(200);
        assert!(names(&[(Some(&long), "0")]).iter().all(|name| name.len() <= NAME_BYTES_MAX));
    }

    #[test]
    fn names_are_unique_even_when_a_label_looks_like_a_position() {
        let volumes = [(Some("disk0-part2"), "0:1"), (None, "0:2"), (None, "0:2")];
        let names: HashSet<_> = names(&volumes).into_iter().collect();
        assert_eq!(names.len(), 3);
    }
}
