//! Paths of Windows, as reparse points hold them: what they begin at, and their parts.

use uuid::Uuid;

/// What a path begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// `C:\`: a drive, by its letter in upper case.
    Drive(char),
    /// `Volume{GUID}\`.
    Volume(Uuid),
    /// `\\server\share`.
    Share,
    /// `\`: the root of the volume that the link is on.
    Root,
    /// The directory that the link is in.
    Here,
    /// An object of Windows' kernel that is none of these, such as `\Device\HarddiskVolume2`.
    Object,
}

/// A path in its parts, without those that are empty or `.`; `..` is taken back as Windows does it, by the text alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) start: Start,
    /// How many directories it goes up before it goes down; 0 unless it begins at [`Start::Here`].
    pub(crate) ups: usize,
    pub(crate) parts: Vec<Vec<u16>>,
}

const BACKSLASH: u16 = 0x5C;
const COLON: u16 = 0x3A;

impl Path {
    /// The path in `text`. Links of any origin are read, so its form decides and not the flag that says whether it is
    /// relative, but for `\x`: that is in the link's own volume for a relative link, and in the kernel's objects otherwise.
    pub(crate) fn parse(text: &[u16], is_relative: bool) -> Self {
        let (start, rest) = split(text, is_relative);
        let (mut ups, mut parts) = (0_usize, Vec::new());
        for part in rest.split(|unit| *unit == BACKSLASH) {
            match part {
                // A path goes no higher than what it begins at.
                [0x2E, 0x2E] if parts.pop().is_none() && start == Start::Here => ups = ups.saturating_add(1),
                [] | [0x2E] | [0x2E, 0x2E] => {}
                _ => parts.push(part.to_vec()),
            }
        }
        Self { start, ups, parts }
    }
}

/// What the path begins at, and what follows that.
fn split(text: &[u16], is_relative: bool) -> (Start, &[u16]) {
    const OF_OBJECTS: [&str; 5] = [r"\??\", r"\\?\", r"\\.\", r"\DosDevices\", r"\GLOBAL??\"];
    if let Some(rest) = OF_OBJECTS.iter().find_map(|prefix| without(text, prefix)) {
        return object(rest);
    }
    if let Some(rest) = without(text, r"\\") {
        return (Start::Share, rest);
    }
    match text {
        [BACKSLASH, rest @ ..] if is_relative => (Start::Root, rest),
        [BACKSLASH, rest @ ..] => (Start::Object, rest),
        [_, COLON, ..] => object(text),
        _ => (Start::Here, text),
    }
}

/// What follows `\??\`.
fn object(text: &[u16]) -> (Start, &[u16]) {
    if let [letter, COLON, rest @ ..] = text
        && let Some(letter) = drive(*letter)
        && matches!(rest, [] | [BACKSLASH, ..])
    {
        return (Start::Drive(letter), rest);
    }
    if let Some(rest) = without(text, r"UNC\") {
        return (Start::Share, rest);
    }
    volume(text).map_or((Start::Object, text), |(guid, rest)| (Start::Volume(guid), rest))
}

fn drive(unit: u16) -> Option<char> {
    let letter = char::from(u8::try_from(unit).ok()?);
    letter.is_ascii_alphabetic().then(|| letter.to_ascii_uppercase())
}

/// The GUID of `Volume{GUID}`, and what follows it.
fn volume(text: &[u16]) -> Option<(Uuid, &[u16])> {
    const GUID_UNITS: usize = 36;
    let (guid, rest) = without(text, "Volume{")?.split_at_checked(GUID_UNITS)?;
    let guid: Option<String> = guid.iter().map(|unit| u8::try_from(*unit).ok().map(char::from)).collect();
    let rest = without(rest, "}").filter(|rest| matches!(rest, [] | [BACKSLASH, ..]))?;
    Some((Uuid::try_parse(&guid?).ok()?, rest))
}

/// What follows `prefix`, in which the case of letters does not matter.
fn without<'a>(text: &'a [u16], prefix: &str) -> Option<&'a [u16]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    let is_same = |(unit, byte): (&u16, u8)| u8::try_from(*unit).is_ok_and(|unit| unit.eq_ignore_ascii_case(&byte));
    start.iter().zip(prefix.bytes()).all(is_same).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, is_relative: bool) -> (Start, usize, String) {
        let path = Path::parse(&text.encode_utf16().collect::<Vec<_>>(), is_relative);
        let parts: Vec<_> = path.parts.iter().map(|part| String::from_utf16_lossy(part)).collect();
        (path.start, path.ups, parts.join("|"))
    }

    #[test]
    fn each_form_of_a_path_is_known() {
        let guid = uuid::uuid!("0a1b2c3d-0000-1111-2222-333344445555");
        for (text, is_relative, start, ups, parts) in [
            (r"\??\C:\Users\All Users", false, Start::Drive('C'), 0, "Users|All Users"),
            (r"\??\d:", false, Start::Drive('D'), 0, ""),
            (r"\\?\D:\x", false, Start::Drive('D'), 0, "x"),
            (r"\DosDevices\E:\x\", false, Start::Drive('E'), 0, "x"),
            (r"f:\x", true, Start::Drive('F'), 0, "x"),
            (r"\??\Volume{0A1B2C3D-0000-1111-2222-333344445555}\", false, Start::Volume(guid), 0, ""),
            (r"\??\volume{0a1b2c3d-0000-1111-2222-333344445555}\a", false, Start::Volume(guid), 0, "a"),
            (r"\??\UNC\server\share\x", false, Start::Share, 0, "server|share|x"),
            (r"\\server\share", false, Start::Share, 0, "server|share"),
            (r"\Windows", true, Start::Root, 0, "Windows"),
            (r"\Device\HarddiskVolume2\x", false, Start::Object, 0, "Device|HarddiskVolume2|x"),
            (r"a\.\b\\c", true, Start::Here, 0, "a|b|c"),
            (r"..\..\x", true, Start::Here, 2, "x"),
        ] {
            assert_eq!(parsed(text, is_relative), (start, ups, parts.to_owned()), "{text}");
        }
    }

    #[test]
    fn dots_are_taken_back_by_the_text_and_no_higher_than_the_start() {
        assert_eq!(parsed(r"a\..\..\b", true), (Start::Here, 1, "b".into()));
        assert_eq!(parsed(r"\??\C:\a\..\..\..\b", false), (Start::Drive('C'), 0, "b".into()));
    }

    #[test]
    fn what_only_looks_like_a_drive_or_a_volume_is_an_object() {
        for text in
            [r"\??\C:x", r"\??\1:\x", r"\??\Volume{0a1b2c3d}\", r"\??\Volume{0a1b2c3d-0000-1111-2222-333344445555}x"]
        {
            assert_eq!(parsed(text, false).0, Start::Object, "{text}");
        }
    }
}
