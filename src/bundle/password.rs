//! Passwords that people read on one screen and type on another.

use crate::sealed::BundleError;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Crockford's base32: digits and letters without I, L, O and U, five bits each.
const ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'M', 'N', 'P',
    'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
];
/// 20 characters are 100 bits: more than anybody can try, whatever a try costs.
const CHARACTERS: usize = 20;
/// Between two dashes.
const GROUP: usize = 4;

/// A new password, `XXXX-XXXX-XXXX-XXXX-XXXX`.
///
/// # Errors
/// [`BundleError::Internal`] when the operating system gives no random numbers.
pub fn generate() -> Result<SecretString, BundleError> {
    let mut bytes = Zeroizing::new([0_u8; CHARACTERS]);
    let no_random = |_| BundleError::Internal("the operating system gives no random numbers".to_owned());
    SystemRandom::new().fill(bytes.as_mut_slice()).map_err(no_random)?;
    // 256 is a multiple of 32: every character is as likely as another.
    let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied());
    Ok(SecretString::from(grouped(characters).as_str()))
}

/// The one form that a password of ours has however it was typed: capitals, dashes, and O, I and L read as the digits that they
/// look like. Any other password stays as it is.
pub(crate) fn canonical(password: &SecretString) -> SecretString {
    let typed = password.expose_secret().chars().filter(|c| *c != '-' && !c.is_whitespace());
    let read = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let mut ours = Zeroizing::new(String::with_capacity(CHARACTERS.saturating_mul(4)));
    for character in typed.map(read) {
        if ours.len() >= CHARACTERS || !ALPHABET.contains(&character) {
            return password.clone();
        }
        ours.push(character);
    }
    if ours.len() < CHARACTERS {
        return password.clone();
    }
    SecretString::from(grouped(ours.chars()).as_str())
}

fn grouped(characters: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(CHARACTERS.saturating_mul(2)));
    for (index, character) in characters.enumerate() {
        if index > 0 && index.is_multiple_of(GROUP) {
            text.push('-');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_text(text: &str) -> String {
        canonical(&SecretString::from(text)).expose_secret().to_owned()
    }

    #[test]
    fn a_new_password_has_its_form_and_is_another_one_each_time() {
        let password = generate().unwrap().expose_secret().to_owned();
        assert_eq!(password.split('-').map(str::len).collect::<Vec<_>>(), [4; 5]);
        assert!(password.chars().all(|c| c == '-' || ALPHABET.contains(&c)), "{password}");
        assert_ne!(password, generate().unwrap().expose_secret());
        assert_eq!(canonical_text(&password), password);
    }

    #[test]
    fn case_dashes_blanks_and_look_alikes_do_not_matter() {
        for typed in
            ["0123-4567-89ab-cdef-ghjk", "O1234567 89ABCDEFGHJK ", "0l23-4567-89AB-CDEF-GHJK", "0i23456789abcdefghjk"]
        {
            assert_eq!(canonical_text(typed), "0123-4567-89AB-CDEF-GHJK", "{typed}");
        }
    }

    #[test]
    fn a_password_of_somebody_else_stays_as_it_is() {
        for other in
            ["", "Correct-Horse", "0123-4567-89ab-cdef-ghj", "0123-4567-89ab-cdef-ghjk-m", "0123-4567-89ab-cdef-ghjü"]
        {
            assert_eq!(canonical_text(other), other);
        }
    }
}
