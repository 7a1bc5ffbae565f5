//! Paths as Windows writes them into images: UTF-16, with backslashes and drives.

/// Longest path that is read, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 64 << 10;

/// The text of UTF-16 units, up to the first that is 0. What is no text becomes a character that no path has.
pub(crate) fn text(units: impl Iterator<Item = u16>) -> String {
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The text of UTF-16 units in little-endian bytes.
pub(crate) fn text_of_bytes(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    text(units.iter().map(|unit| u16::from_le_bytes(*unit)))
}

/// Names under which the image that `path` names may be found: with slashes, without what only Windows says of paths
/// (`\\?\`); and its file name alone, as images that were copied to another machine lie side by side.
pub(crate) fn names(path: &str) -> Vec<String> {
    let path = path.strip_prefix(r"\\?\").unwrap_or(path);
    let slashes = path.replace('\\', "/");
    let Some(file_name) = slashes.rsplit('/').next().filter(|name| !name.is_empty()) else { return Vec::new() };
    let alone = file_name.to_owned();
    // A drive or a volume's GUID means nothing here.
    if slashes.contains(':') || slashes.starts_with("Volume{") {
        return vec![alone];
    }
    if slashes == alone { vec![alone] } else { vec![slashes, alone] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_windows_become_names() {
        assert_eq!(names(r".\parent.vhd"), ["./parent.vhd", "parent.vhd"]);
        assert_eq!(names(r"..\base\parent.vhd"), ["../base/parent.vhd", "parent.vhd"]);
        assert_eq!(names(r"C:\vms\parent.vhd"), ["parent.vhd"]);
        assert_eq!(names(r"\\?\d:\path2\sub3\parent.vhdx"), ["parent.vhdx"]);
        assert_eq!(names(r"\\?\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}\a\parent.vhdx"), ["parent.vhdx"]);
        assert_eq!(names("/images/parent.vhd"), ["/images/parent.vhd", "parent.vhd"]);
        assert_eq!(names("parent.vhd"), ["parent.vhd"]);
        assert!(names("").is_empty());
        assert!(names(r"C:\").is_empty());
    }

    #[test]
    fn text_ends_at_a_zero_and_half_pairs_do_not_matter() {
        assert_eq!(text_of_bytes(b"a\0b\0\0\0c\0"), "ab");
        assert_eq!(text_of_bytes(b"a\0b"), "a");
        assert_eq!(text([0x61, 0xD800].into_iter()), "a\u{FFFD}");
    }
}
