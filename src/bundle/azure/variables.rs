//! Assignments of texts to variables, one a line, as Python and the shell write them.

use super::AzureError;
use zeroize::Zeroizing;

/// The variables that are believed; everything else in a script is not looked at.
const NAMES: [&str; 9] = [
    "VMName",
    "MachineName",
    "TargetPortalAddress",
    "TargetPortalPortNumber",
    "TargetNodeAddress",
    "TargetUserName",
    "TargetPassword",
    "InitiatorChapPassword",
    "IsMultiTarget",
];
/// The longest value in bytes.
const VALUE_BYTES_MAX: usize = 512;

/// What a script assigns.
pub(super) struct Variables(Vec<(&'static str, Zeroizing<String>)>);

impl Variables {
    pub(super) fn read(text: &str) -> Result<Self, AzureError> {
        let mut found: Vec<(&'static str, Zeroizing<String>)> = Vec::new();
        for (name, value) in text.lines().filter_map(assignment) {
            match found.iter().find(|(known, _)| *known == name) {
                Some((_, known)) if known.as_str() != value => return Err(AzureError::Ambiguous(name)),
                Some(_) => {}
                None => found.push((name, Zeroizing::new(value.to_owned()))),
            }
        }
        Ok(Self(found))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn need(&self, name: &'static str) -> Result<&str, AzureError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or(AzureError::Missing(name))
    }

    /// Whether a variable says yes.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }
}

/// The variable and its value, when the line assigns a plain text, or a number or True or False, to a variable that is known.
fn assignment(line: &str) -> Option<(&'static str, &str)> {
    let line = line.trim();
    let name = NAMES.into_iter().find(|name| {
        // The longest name: VMName is not the beginning of another one that is known.
        line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match value.chars().next()? {
        quote @ ('"' | '\'') => value.strip_prefix(quote)?.split_once(quote)?,
        _ => {
            let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
            let (word, rest) = value.split_at_checked(end)?;
            let is_plain = word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false");
            (Some(word).filter(|word| is_plain || word.parse::<u16>().is_ok())?, rest)
        }
    };
    // Whatever follows makes it another text than it looks like.
    let rest = rest.trim_start().trim_start_matches(';').trim_start();
    let is_plain = !value.contains('\\') && !value.contains(char::is_control);
    ((rest.is_empty() || rest.starts_with('#')) && is_plain && value.len() <= VALUE_BYTES_MAX).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Option<&str> {
        assignment(line).map(|(_, value)| value)
    }

    #[test]
    fn plain_texts_are_read_however_they_are_written() {
        for line in ["VMName=\"a;b\"", "  \t VMName = 'a;b' ", "VMName=\"a;b\";", "VMName= \"a;b\"  # the VM"] {
            assert_eq!(assignment(line), Some(("VMName", "a;b")), "{line}");
        }
        assert_eq!(value("TargetPortalPortNumber = 3260"), Some("3260"));
        assert_eq!(value("IsMultiTarget = True"), Some("True"));
    }

    #[test]
    fn whatever_is_no_plain_text_is_not_believed() {
        for line in [
            "VMName == \"a\"",
            "if VMName = \"a\"",
            "VMNames=\"a\"",
            "xVMName=\"a\"",
            "$VMName=\"a\"",
            "#VMName=\"a\"",
            "VMName=\"a\" + \"b\"",
            "VMName=\"a\" \"b\"",
            "VMName=\"a\".upper()",
            "VMName=\"a\\\"b\"",
            "VMName=\"a",
            "VMName='a\"",
            "VMName=f\"a\"",
            "VMName=\"\"\"a\"\"\"",
            "VMName=args['VMName']",
            "VMName=input(\"a\")",
            "VMName=word",
            "IsMultiTarget = True if x else False",
            "UserName=\"a\"",
            "VMName",
            "VMName=",
        ] {
            assert_eq!(assignment(line), None, "{line}");
        }
        let long = format!("VMName=\"{}\"", "a".repeat(VALUE_BYTES_MAX + 1));
        assert_eq!(assignment(&long), None);
    }

    #[test]
    fn two_values_for_one_variable_are_refused_and_the_same_one_twice_is_not() {
        assert_eq!(Variables::read("VMName='a'\nVMName=\"a\"").ok().unwrap().get("VMName"), Some("a"));
        assert_eq!(Variables::read("VMName='a'\nVMName='b'").err(), Some(AzureError::Ambiguous("VMName")));
    }
}
