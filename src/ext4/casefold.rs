//! Names in directories that ignore case (the feature `casefold`, Linux `fs/unicode`): two names are the same when they are
//! folded to the same bytes.
//!
//! Folding is the kernel's "NFDICF" of Unicode 12.1: full case folding, canonical decomposition and ordering, and what is
//! ignored by default is left out. The table is our own, as crates follow newer versions of Unicode, in which hundreds of
//! code points are folded that the kernel leaves alone; `casefold/make.py` makes it.

use std::sync::LazyLock;

/// The number in `s_encoding` of the one encoding that there is (Linux `EXT4_ENC_UTF8_12_1`).
pub(crate) const UTF8_12_1: u16 = 1;

/// What a piece of a name becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// A character and its canonical combining class.
    Character(char, u8),
    /// A character that is left out, but across which others do not change places.
    Ignored,
    /// A continuation byte that belongs to no character: the kernel takes it along.
    Byte(u8),
}

impl Piece {
    /// Whether those before and behind it do not change places.
    const fn is_starter(self) -> bool {
        matches!(self, Self::Character(_, 0) | Self::Ignored)
    }

    fn push_to(self, folded: &mut Vec<u8>) {
        match self {
            Self::Character(character, _) => folded.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            Self::Ignored => {}
            Self::Byte(byte) => folded.push(byte),
        }
    }
}

/// The bytes that every name that is the same as `name` is folded to; `None` when it is not UTF-8, so that only the same
/// bytes are the same name.
pub(crate) fn fold(name: &[u8]) -> Option<Vec<u8>> {
    let pieces = pieces(name)?;
    let mut folded = Vec::with_capacity(name.len());
    let mut rest = &pieces[..];
    while let Some((piece, behind)) = rest.split_first() {
        if !matches!(piece, Piece::Character(_, 1..)) {
            piece.push_to(&mut folded);
            rest = behind;
            continue;
        }
        let end = rest.iter().position(|piece| piece.is_starter()).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        push_ordered(run, &mut folded);
        rest = behind;
    }
    Some(folded)
}

/// Pushes a run that begins with a combining character, in the order of classes. The kernel goes through the run once to
/// find the lowest class and once for each class, and takes lone bytes along each time (Linux `utf8byte`).
fn push_ordered(run: &[Piece], folded: &mut Vec<u8>) {
    let class = |piece: &Piece| if let Piece::Character(_, class) = piece { Some(*class) } else { None };
    let mut classes: Vec<_> = run.iter().filter_map(class).collect();
    classes.sort_unstable();
    classes.dedup();
    for pass in std::iter::once(None).chain(classes.into_iter().map(Some)) {
        for piece in run {
            if matches!(piece, Piece::Byte(_)) || pass.is_some() && class(piece) == pass {
                piece.push_to(folded);
            }
        }
    }
}

fn pieces(name: &[u8]) -> Option<Vec<Piece>> {
    const CONTINUATION: std::ops::RangeInclusive<u8> = 0x80..=0xBF;
    if name.first().is_some_and(|byte| CONTINUATION.contains(byte)) {
        return None;
    }
    let mut pieces = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        chunk.valid().chars().for_each(|character| push_replaced(character, &mut pieces));
        match chunk.invalid() {
            [] => {}
            [byte] if CONTINUATION.contains(byte) => pieces.push(Piece::Byte(*byte)),
            _ => return None,
        }
    }
    Some(pieces)
}

fn push_replaced(character: char, pieces: &mut Vec<Piece>) {
    if character.is_ascii() {
        pieces.push(Piece::Character(character.to_ascii_lowercase(), 0));
        return;
    }
    if push_syllable(character, pieces) {
        return;
    }
    match rule(character) {
        Some(Rule::Replacement(characters)) if characters.is_empty() => pieces.push(Piece::Ignored),
        Some(Rule::Replacement(characters)) => {
            pieces.extend(characters.iter().map(|character| Piece::Character(*character, class(*character))));
        }
        _ => pieces.push(Piece::Character(character, class(character))),
    }
}

/// Pushes the parts of a Hangul syllable, if it is one (The Unicode Standard, section 3.12).
fn push_syllable(character: char, pieces: &mut Vec<Piece>) -> bool {
    const SYLLABLES: std::ops::RangeInclusive<u32> = 0xAC00..=0xD7A3;
    const VOWELS: u32 = 21;
    const TRAILERS: u32 = 28;
    let code = u32::from(character);
    if !SYLLABLES.contains(&code) {
        return false;
    }
    let syllable = code.saturating_sub(*SYLLABLES.start());
    let (block, trailer) = (syllable.div_euclid(TRAILERS), syllable.rem_euclid(TRAILERS));
    let (leader, vowel) = (block.div_euclid(VOWELS), block.rem_euclid(VOWELS));
    let parts = [(0x1100_u32, Some(leader)), (0x1161, Some(vowel)), (0x11A7, Some(trailer).filter(|part| *part != 0))];
    let parts = parts.into_iter().filter_map(|(base, part)| char::from_u32(base.saturating_add(part?)));
    pieces.extend(parts.map(|part| Piece::Character(part, 0)));
    true
}

/// What the table says of a range of code points.
enum Rule {
    /// They are replaced by this, and nothing of it is replaced again.
    Replacement(Vec<char>),
    /// They stay, and are of this canonical combining class.
    Class(u8),
}

/// First and last code point of each range, in ascending order.
static RULES: LazyLock<Vec<(u32, u32, Rule)>> = LazyLock::new(|| {
    let lines = include_str!("casefold/unicode-12.1.txt").lines().filter(|line| !line.starts_with('#'));
    // Every line can be parsed: a test folds all code points.
    lines.filter_map(parse).collect()
});

fn parse(line: &str) -> Option<(u32, u32, Rule)> {
    let code = |text: &str| u32::from_str_radix(text, 16).ok();
    let (range, rule) = line.split_once(' ').unwrap_or((line, ""));
    let (first, last) = range.split_once("..").unwrap_or((range, range));
    let rule = match rule.strip_prefix('@') {
        Some(class) => Rule::Class(class.parse().ok()?),
        None => Rule::Replacement(rule.split_whitespace().filter_map(code).filter_map(char::from_u32).collect()),
    };
    Some((code(first)?, code(last)?, rule))
}

fn rule(character: char) -> Option<&'static Rule> {
    let code = u32::from(character);
    let behind = RULES.partition_point(|(first, _, _)| *first <= code);
    let (_, last, rule) = RULES.get(behind.checked_sub(1)?)?;
    (code <= *last).then_some(rule)
}

fn class(character: char) -> u8 {
    match rule(character) {
        Some(Rule::Class(class)) => *class,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};
    use std::collections::{BTreeMap, HashMap};

    fn folded(name: &str) -> String {
        String::from_utf8(fold(name.as_bytes()).unwrap()).unwrap()
    }

    fn hex(digest: impl AsRef<[u8]>) -> String {
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn code_points() -> impl Iterator<Item = char> {
        ('\u{1}'..=char::MAX).filter(|character| !matches!(character, '\0'))
    }

    #[test]
    fn case_is_folded_in_full() {
        for (name, expected) in [
            ("Straße", "strasse"),
            ("GROẞ", "gross"),
            ("ΣΊΓΜΑς", "σι\u{301}γμασ"),
            ("İstanbul", "i\u{307}stanbul"),
            ("ısparta", "ısparta"),
            ("ﬃ", "ffi"),
            ("Ꭰꭰ", "ᎠᎠ"),
            ("\u{212A}elvin", "kelvin"),
            ("𐐀", "𐐨"),
        ] {
            assert_eq!(folded(name), expected);
        }
    }

    #[test]
    fn characters_are_decomposed_and_marks_ordered() {
        assert_eq!(folded("Ǟ"), "a\u{308}\u{304}");
        assert_eq!(folded("q\u{307}\u{323}"), "q\u{323}\u{307}");
        assert_eq!(folded("한각가"), "\u{1112}\u{1161}\u{11AB}\u{1100}\u{1161}\u{11A8}\u{1100}\u{1161}");
        // The kernel folds this mark to a letter before marks are ordered.
        assert_eq!(folded("α\u{345}\u{301}"), "αι\u{301}");
    }

    #[test]
    fn what_is_ignored_is_left_out_but_marks_stay_on_their_side_of_it() {
        assert_eq!(folded("\u{FEFF}so\u{AD}ft\u{200D}\u{E0001}\u{2065}"), "soft");
        assert_eq!(folded("\u{200B}\u{FE0F}"), "");
        assert_eq!(folded("x\u{301}\u{34F}\u{323}"), "x\u{301}\u{323}");
    }

    #[test]
    fn what_unicode_12_1_did_not_have_stays_as_it_is() {
        // A letter of 13.0 with a small one, a decomposition and a mark of 13.0, an ignored one of 14.0.
        for name in
            ["\u{A7C7}", "\u{11938}", "x\u{1ABF}\u{323}", "\u{301}\u{1ABF}", "\u{180F}", "\u{378}", "\u{10FFFF}"]
        {
            assert_eq!(folded(name), name);
        }
    }

    #[test]
    fn names_that_are_not_utf_8_are_not_folded() {
        for name in
            [&b"A\xFF"[..], b"\x80", b"\x80A", b"A\xC3", b"\xED\xA0\x80", b"\xC0\xAF", b"\xF4\x90\x80\x80", b"\xE0\x80"]
        {
            assert_eq!(fold(name), None, "{name:x?}");
        }
        assert_eq!(fold(b"").unwrap(), b"");
    }

    #[test]
    fn lone_continuation_bytes_are_taken_along_as_the_kernel_does() {
        assert_eq!(fold(b"A\x80\xBFB").unwrap(), b"a\x80\xBFb");
        assert_eq!(fold("Ä\u{AD}".as_bytes()).unwrap(), "a\u{308}".as_bytes());
        assert_eq!(fold(b"\xC3\x84\xC2\xAD\x84").unwrap(), b"a\xCC\x88\x84");
        // Once while the lowest class is looked for, and once for each of two classes.
        assert_eq!(fold(b"x\xCC\x81\x80\xCC\xA3").unwrap(), b"x\x80\x80\xCC\xA3\xCC\x81\x80");
    }

    #[test]
    fn the_longest_names_stay_bounded() {
        assert_eq!(fold("\u{390}".repeat(127).as_bytes()).unwrap().len(), 127 * 6);
        let all_classes: Vec<_> = RULES.iter().filter_map(|(first, _, rule)| Some((rule.class()?, *first))).collect();
        let all_classes: BTreeMap<_, _> = all_classes.into_iter().collect();
        let mut name: Vec<u8> =
            all_classes.values().take(40).filter_map(|code| char::from_u32(*code)).collect::<String>().into();
        name.resize(255, 0x80);
        assert!(fold(&name).unwrap().len() < 255 * 42);
    }

    #[test]
    fn any_bytes_are_folded_within_bounds() {
        const PARTS: [&[u8]; 12] = [
            b"A",
            b"\x80",
            b"\xFF",
            b"\xC3",
            b"\xCC\x81",
            b"\xCC\xA3",
            b"\xE2\x80\x8D",
            b"\xED\x95\x9C",
            b"\xC3\x9F",
            b"\xCC\xA3\x80",
            b"\xF0\x9D\x85\x9E",
            b"\xCE\x90",
        ];
        let (mut number, mut are_folded) = (1_u64, 0);
        for _ in 0..20_000 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let parts = (0..8).map(|at| PARTS[(number >> (24 + 4 * at)) as usize % PARTS.len()]);
            let name = parts.collect::<Vec<_>>().concat();
            if let Some(folded) = fold(&name) {
                assert!(folded.len() <= name.len() * 4);
                are_folded += 1;
            }
        }
        assert!(are_folded > 1000, "{are_folded}");
    }

    impl Rule {
        fn class(&self) -> Option<u8> {
            if let Self::Class(class) = self { Some(*class) } else { None }
        }
    }

    #[test]
    fn every_line_of_the_table_is_understood_and_in_order() {
        let lines = include_str!("casefold/unicode-12.1.txt").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((RULES.len(), lines), (3228, 3228));
        assert!(RULES.iter().all(|(first, last, _)| first <= last));
        assert!(RULES.is_sorted_by(|(_, last, _), (first, _, _)| last < first));
        // Nothing is replaced twice.
        for (_, _, rule) in &*RULES {
            if let Rule::Replacement(characters) = rule {
                assert!(characters.iter().all(|part| !matches!(super::rule(*part), Some(Rule::Replacement(_)))));
            }
        }
    }

    /// The digests are what `casefold/make.py oracle` computes with the tables of Python 3.8.
    #[test]
    fn every_code_point_is_folded_as_python_3_8_folds_it() {
        let (mut alone, mut ordered) = (Sha256::new(), Sha256::new());
        for character in code_points() {
            alone.update(folded(&character.to_string()));
            alone.update([0xFF]);
            for (before, after) in [("x\u{301}", ""), ("x", "\u{323}\u{301}"), ("\u{5B0}\u{345}", "\u{334}\u{3099}")] {
                ordered.update(folded(&format!("{before}{character}{after}")));
                ordered.update([0xFF]);
            }
        }
        assert_eq!(hex(alone.finalize()), "69869e073102bad5130f80daa6e093e905dacd1da4e38655be0ad37d3709cb24");
        assert_eq!(hex(ordered.finalize()), "71e92ba781c9ff413e30358dee0a61e1c2acfef9000f11cf13ba86f6670643b5");
    }

    /// The digest is what `tests/fixtures/ext4/make-casefold.py code-points` found in a directory of Linux 6.1.
    #[test]
    fn the_same_code_points_are_one_name_as_for_the_kernel() {
        let (mut digest, mut first) = (Sha256::new(), HashMap::new());
        for character in code_points().filter(|character| !matches!(character, '.' | '/')) {
            let first = *first.entry(folded(&character.to_string())).or_insert(character);
            digest.update(u32::from(first).to_le_bytes());
        }
        assert_eq!(
            (first.len(), hex(digest.finalize()).as_str()),
            (1_105_453, "1fc791b2dfae11f8a6285c7347ad49be88cdc416f38cf90f0c3f3d64af81f2ef")
        );
    }

    /// The digest is what `tests/fixtures/ext4/make-casefold.py orders` found in a directory of Linux 6.1.
    #[test]
    fn the_same_marks_change_places_as_for_the_kernel() {
        let (mut marks, mut of_class) = (BTreeMap::new(), BTreeMap::new());
        for (first, last, rule) in &*RULES {
            let Some(class) = rule.class() else { continue };
            marks.extend((first & !15..=last | 15).filter(|code| *code >= 0x300).map(|code| (code, ())));
            of_class.entry(class).or_insert(char::from_u32(*first).unwrap());
        }
        let (mut digest, mut same) = (Sha256::new(), 0);
        for mark in marks.into_keys().filter_map(char::from_u32) {
            for other in of_class.values() {
                let is_same = folded(&format!("x{mark}{other}")) == folded(&format!("x{other}{mark}"));
                digest.update([u8::from(is_same)]);
                same += u32::from(is_same);
            }
        }
        assert_eq!(
            (same, hex(digest.finalize()).as_str()),
            (45_514, "e40adc50f0270b944e2bcca21dcb19c4ee35373a1dac85989edb761619f59d3f")
        );
    }
}
