//! Text in login and text PDUs: `key=value` pairs, each ended by a zero byte (RFC 7143 section 6.1).

use bytes::{BufMut, Bytes, BytesMut};

/// Key names are no longer than this.
pub const KEY_BYTES_MAX: usize = 63;
/// No value is longer than this. The RFC allows 255 bytes for most; the binary ones of CHAP, 1024 bytes in hexadecimal,
/// are the longest.
pub const VALUE_BYTES_MAX: usize = 2048 + 2;

/// The value that stands for no method, digest or the like.
pub const NONE: &str = "None";
/// The answer to an offer that cannot be met (RFC 7143 section 6.2).
pub const REJECT: &str = "Reject";
/// The answer to a key that nothing depends on here.
pub const IRRELEVANT: &str = "Irrelevant";
/// The answer to a key that is not known.
pub const NOT_UNDERSTOOD: &str = "NotUnderstood";

/// Why bytes are not such text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A pair without its zero byte at the end.
    #[error("a key=value pair is cut short")]
    Unterminated,
    /// A pair without `=`, or with a key that cannot be one.
    #[error("a pair has no valid key")]
    BadKey,
    /// A value that is too long or not UTF-8.
    #[error("a value is too long or is not text")]
    BadValue,
    /// More text than was agreed to be taken.
    #[error("there is too much text")]
    TooLong,
}

/// Pairs in the order in which they came. A key may be there more than once: who takes them decides whether it may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Takes complete text apart.
    ///
    /// # Errors
    /// [`TextError`], for the first pair that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, TextError> {
        let Some(pairs) = text.strip_suffix(&[0]) else {
            return if text.is_empty() { Ok(Self::default()) } else { Err(TextError::Unterminated) };
        };
        // Some implementations pad with zero bytes; an empty pair says nothing.
        let pairs = pairs.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
        pairs.map(parse_pair).collect::<Result<_, _>>().map(Self)
    }

    /// Appends a pair.
    pub fn push(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// The pairs in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The first value of this key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether there is no pair.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text for a data segment.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut text = BytesMut::new();
        for (key, value) in self.iter() {
            text.put_slice(key.as_bytes());
            text.put_u8(b'=');
            text.put_slice(value.as_bytes());
            text.put_u8(0);
        }
        text.freeze()
    }
}

fn parse_pair(pair: &[u8]) -> Result<(String, String), TextError> {
    let equals = pair.iter().position(|byte| *byte == b'=').ok_or(TextError::BadKey)?;
    let (key, value) = pair.split_at_checked(equals).ok_or(TextError::BadKey)?;
    let value = value.get(1..).unwrap_or_default();
    let key_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+@_/#".contains(byte);
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.iter().all(key_byte) {
        return Err(TextError::BadKey);
    }
    let value = Some(value).filter(|value| value.len() <= VALUE_BYTES_MAX);
    let value = value.and_then(|value| std::str::from_utf8(value).ok()).ok_or(TextError::BadValue)?;
    Ok((String::from_utf8_lossy(key).into_owned(), value.to_owned()))
}

/// Text that comes in parts, one with every PDU, until one has no C bit (RFC 7143 section 6.2).
#[derive(Debug)]
pub struct Parts {
    text: BytesMut,
    bytes_max: usize,
}

impl Parts {
    /// Takes at most `bytes_max` bytes in all.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { text: BytesMut::new(), bytes_max }
    }

    /// Appends a part; gives the pairs when it was the last one.
    ///
    /// # Errors
    /// [`TextError`] if there is too much of it, or it is no text.
    pub fn push(&mut self, part: &[u8], continues: bool) -> Result<Option<Pairs>, TextError> {
        if self.text.len().saturating_add(part.len()) > self.bytes_max {
            return Err(TextError::TooLong);
        }
        self.text.extend_from_slice(part);
        if continues {
            return Ok(None);
        }
        let text = self.text.split();
        Pairs::parse(&text).map(Some)
    }
}

/// Cuts text into parts of at most `bytes_max` bytes; there is always at least one, which may be empty.
pub fn split(mut text: Bytes, bytes_max: usize) -> impl Iterator<Item = Bytes> {
    let mut first = true;
    std::iter::from_fn(move || {
        if text.is_empty() && !first {
            return None;
        }
        first = false;
        let length = text.len().min(bytes_max.max(1));
        Some(text.split_to(length))
    })
}

/// A number in a value: decimal, or hexadecimal with `0x` (RFC 7143 section 6.1, numerical-value).
#[must_use]
pub fn parse_number(value: &str) -> Option<u64> {
    let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((value, 10), |digits| (digits, 16));
    // The standard parser takes a sign too.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_survive_the_wire_in_their_order() {
        let mut pairs = Pairs::default();
        pairs.push("TargetName", "iqn.2001-04.com.example:x");
        pairs.push("TargetAddress", "[::1]:3260,1");
        pairs.push("Empty", "");
        pairs.push("TargetAddress", "a=b");
        let text = pairs.encode();
        assert_eq!(Pairs::parse(&text), Ok(pairs.clone()));
        assert_eq!(pairs.value("TargetAddress"), Some("[::1]:3260,1"));
        assert_eq!(pairs.value("targetaddress"), None, "keys are case-sensitive");
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let long_key = format!("{}=1\0", "k".repeat(64));
        let long_value = format!("k={}\0", "v".repeat(VALUE_BYTES_MAX + 1));
        for (text, error) in [
            (&b"a=b"[..], TextError::Unterminated),
            (b"ab\0", TextError::BadKey),
            (b"=b\0", TextError::BadKey),
            (b"a b=c\0", TextError::BadKey),
            (long_key.as_bytes(), TextError::BadKey),
            (b"a=\xff\0", TextError::BadValue),
            (long_value.as_bytes(), TextError::BadValue),
        ] {
            assert_eq!(Pairs::parse(text), Err(error));
        }
        assert_eq!(Pairs::parse(b""), Ok(Pairs::default()));
        assert_eq!(Pairs::parse(b"a=b\0\0\0").unwrap().iter().count(), 1, "padding");
    }

    #[test]
    fn a_pair_may_be_cut_anywhere_between_parts() {
        let text = Bytes::from_static(b"InitiatorName=iqn.x\0SessionType=Normal\0");
        for size in 1..=text.len() {
            let mut parts = Parts::new(1024);
            let mut done = None;
            let cut: Vec<Bytes> = split(text.clone(), size).collect();
            for (index, part) in cut.iter().enumerate() {
                assert!(done.is_none());
                done = parts.push(part, index + 1 < cut.len()).unwrap();
            }
            assert_eq!(done.unwrap().value("SessionType"), Some("Normal"));
        }
        assert_eq!(split(Bytes::new(), 8).count(), 1);
    }

    #[test]
    fn endless_text_is_refused() {
        let mut parts = Parts::new(10);
        assert_eq!(parts.push(b"a=12345", true), Ok(None));
        assert_eq!(parts.push(b"6789\0", false), Err(TextError::TooLong));
    }

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_nothing_else() {
        assert_eq!(parse_number("262144"), Some(262_144));
        assert_eq!(parse_number("0x40"), Some(64));
        for wrong in ["", "+1", "-1", "1 ", "0x", "0x+1", "f", "99999999999999999999999"] {
            assert_eq!(parse_number(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_text_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(pairs) = Pairs::parse(&bytes) {
                prop_assert_eq!(Pairs::parse(&pairs.encode()), Ok(pairs));
            }
        }
    }
}
