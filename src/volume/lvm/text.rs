//! The text in which LVM2 writes what is in a volume group: sections of named values (`libdm/libdm-config.c`).

use std::borrow::Cow;
use std::fmt;

/// How deep sections may lie in one another; LVM2 itself goes down to six.
const DEPTH_MAX: usize = 16;
/// How many names and values a text may have in all.
const ITEMS_MAX: usize = 4 << 20;

/// Where in a text something is, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    line: u64,
    column: u64,
}

/// Why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub(super) struct SyntaxError {
    at: Position,
    what: String,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number.
    Integer(i64),
    /// A number with a point; nothing that is read here has one.
    Float(f64),
    /// Characters; what is no UTF-8 is replaced.
    Text(Cow<'a, str>),
    /// Any of these, one after another.
    List(Vec<Value<'a>>),
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Value(Value<'a>),
    Section(Section<'a>),
}

/// Named values, in the order in which they were written; no name is there twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section<'a> {
    entries: Vec<(Cow<'a, str>, Item<'a>)>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl<'a> Section<'a> {
    /// Reads a whole text. It ends with the bytes or with the first that is 0.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut parser = Parser { text, at: 0, items: 0 };
        parser.section(0)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Item<'a>> {
        self.entries.iter().find(|(key, _)| key == name).map(|(_, item)| item)
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Option<&Self> {
        match self.get(name) {
            Some(Item::Section(section)) => Some(section),
            _ => None,
        }
    }

    /// All sections, in their order.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.entries.iter().filter_map(|(key, item)| match item {
            Item::Section(section) => Some((key.as_ref(), section)),
            Item::Value(_) => None,
        })
    }

    /// The value of this name.
    pub(super) fn value(&self, name: &str) -> Option<&Value<'a>> {
        match self.get(name) {
            Some(Item::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// The text of this name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// What a text is made of.
#[derive(Clone, Debug, PartialEq)]
enum Token<'a> {
    Open,
    Close,
    ListOpen,
    ListClose,
    Comma,
    Equals,
    Quoted(Cow<'a, str>),
    Bare(&'a [u8]),
    End,
}

impl Token<'_> {
    fn what(&self) -> String {
        match self {
            Self::Open => "\"{\"".to_owned(),
            Self::Close => "\"}\"".to_owned(),
            Self::ListOpen => "\"[\"".to_owned(),
            Self::ListClose => "\"]\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::Equals => "\"=\"".to_owned(),
            Self::Quoted(text) => format!("the text \"{}\"", shortened(text)),
            Self::Bare(word) => format!("\"{}\"", shortened(&String::from_utf8_lossy(word))),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// At most so much of a text as a message can hold.
fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 40;
    text.chars().take(CHARACTERS_MAX).filter(|character| !character.is_control()).collect()
}

struct Parser<'a> {
    text: &'a [u8],
    /// The next byte.
    at: usize,
    /// Names and values until now.
    items: usize,
}

impl<'a> Parser<'a> {
    /// The entries up to the end of the section, or of the text for the outermost.
    fn section(&mut self, depth: usize) -> Result<Section<'a>, SyntaxError> {
        let mut entries = Vec::new();
        let mut starts = Vec::new();
        loop {
            let (start, token) = self.token(false)?;
            let name = match token {
                Token::Close if depth > 0 => break,
                Token::End if depth == 0 => break,
                Token::Quoted(name) if !name.is_empty() => name,
                Token::Bare(name) => String::from_utf8_lossy(name),
                other => return Err(self.error(start, &format!("a name is expected, not {}", other.what()))),
            };
            self.count(start)?;
            let (at, token) = self.token(false)?;
            let item = match token {
                Token::Open if depth >= DEPTH_MAX => {
                    return Err(self.error(at, &format!("more than {DEPTH_MAX} sections in one another")));
                }
                Token::Open => Item::Section(self.section(depth.saturating_add(1))?),
                Token::Equals => Item::Value(self.value()?),
                other => {
                    return Err(self.error(at, &format!("\"=\" or \"{{\" is expected, not {}", other.what())));
                }
            };
            entries.push((name, item));
            starts.push(start);
        }
        self.all_different(&entries, &starts)?;
        Ok(Section { entries })
    }

    /// Which of two would be meant nobody knows.
    fn all_different(&self, entries: &[(Cow<'a, str>, Item<'a>)], starts: &[usize]) -> Result<(), SyntaxError> {
        let mut names: Vec<_> = entries.iter().zip(starts).map(|((name, _), start)| (name.as_ref(), *start)).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            if let [(first, _), (second, start)] = pair
                && first == second
            {
                return Err(self.error(*start, &format!("\"{}\" is there twice", shortened(second))));
            }
        }
        Ok(())
    }

    fn value(&mut self) -> Result<Value<'a>, SyntaxError> {
        let (start, token) = self.token(true)?;
        if token != Token::ListOpen {
            return self.single(start, token);
        }
        let mut values = Vec::new();
        loop {
            let (start, token) = self.token(true)?;
            match token {
                Token::ListClose => return Ok(Value::List(values)),
                // LVM2 does not insist on commas either.
                Token::Comma => {}
                token => values.push(self.single(start, token)?),
            }
        }
    }

    /// A value that is no list.
    fn single(&mut self, start: usize, token: Token<'a>) -> Result<Value<'a>, SyntaxError> {
        self.count(start)?;
        match token {
            Token::Quoted(text) => Ok(Value::Text(text)),
            Token::Bare(word) => self.bare(start, word),
            other => Err(self.error(start, &format!("a value is expected, not {}", other.what()))),
        }
    }

    /// A value without quotes: a number when it begins like one.
    fn bare(&self, start: usize, word: &'a [u8]) -> Result<Value<'a>, SyntaxError> {
        let text = String::from_utf8_lossy(word);
        if !word.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')) {
            return Ok(Value::Text(text));
        }
        let wrong = || self.error(start, &format!("\"{}\" is no number", shortened(&text)));
        if word.contains(&b'.') {
            return text.parse().map(Value::Float).map_err(|_| wrong());
        }
        integer(&text).map(Value::Integer).ok_or_else(wrong)
    }

    fn count(&mut self, start: usize) -> Result<(), SyntaxError> {
        self.items = self.items.saturating_add(1);
        if self.items > ITEMS_MAX {
            return Err(self.error(start, &format!("more than {ITEMS_MAX} names and values")));
        }
        Ok(())
    }

    /// The next token, and where it begins. A comma or bracket ends a value, not a name.
    fn token(&mut self, is_value: bool) -> Result<(usize, Token<'a>), SyntaxError> {
        self.skip_space();
        let start = self.at;
        let single = match self.byte(start) {
            None => return Ok((start, Token::End)),
            Some(b'{') => Token::Open,
            Some(b'}') => Token::Close,
            Some(b'[') => Token::ListOpen,
            Some(b']') => Token::ListClose,
            Some(b',') => Token::Comma,
            Some(b'=') => Token::Equals,
            Some(quote @ (b'"' | b'\'')) => return Ok((start, self.quoted(quote)?)),
            Some(_) => {
                let ends =
                    |byte: u8| is_space(byte) || b"#={}\0".contains(&byte) || is_value && b",[]\"'".contains(&byte);
                let rest = self.text.get(start..).unwrap_or_default();
                let length = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
                self.at = start.saturating_add(length);
                return Ok((start, Token::Bare(rest.get(..length).unwrap_or_default())));
            }
        };
        self.at = start.saturating_add(1);
        Ok((start, single))
    }

    /// Characters between quotes; between double ones, a backslash stands before what is meant as itself.
    fn quoted(&mut self, quote: u8) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        let inside = start.saturating_add(1);
        let mut at = inside;
        let mut escaped = false;
        loop {
            match self.byte(at) {
                None => return Err(self.error(start, "a text that does not end")),
                Some(byte) if byte == quote => break,
                Some(b'\\') if quote == b'"' => {
                    escaped = true;
                    at = at.saturating_add(2);
                }
                Some(_) => at = at.saturating_add(1),
            }
        }
        self.at = at.saturating_add(1);
        let raw = self.text.get(inside..at).unwrap_or_default();
        if !escaped {
            return Ok(Token::Quoted(String::from_utf8_lossy(raw)));
        }
        Ok(Token::Quoted(Cow::Owned(String::from_utf8_lossy(&unescaped(raw)).into_owned())))
    }

    /// Spaces, ends of lines, and comments.
    fn skip_space(&mut self) {
        let mut in_comment = false;
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'\n' => in_comment = false,
                b'#' => in_comment = true,
                byte if in_comment || is_space(byte) => {}
                _ => return,
            }
            self.at = self.at.saturating_add(1);
        }
    }

    /// The byte there; none at the end, which a byte of 0 is as well.
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied().filter(|byte| *byte != 0)
    }

    fn error(&self, at: usize, what: &str) -> SyntaxError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        let from_1 = |count: usize| u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
        SyntaxError { at: Position { line: from_1(lines), column: from_1(column) }, what: what.to_owned() }
    }
}

/// As C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

/// Without the backslashes that stand before a quote or a backslash.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(next @ (b'"' | b'\\'))) => {
                bytes.push(*next);
                rest.next();
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// A whole number as `strtoll` reads it: octal when it begins with 0.
fn integer(text: &str) -> Option<i64> {
    let digits = text.trim_start_matches(['+', '-']);
    if text.len().saturating_sub(digits.len()) > 1 || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let radix = if digits.len() > 1 && digits.starts_with('0') { 8 } else { 10 };
    i64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests;
