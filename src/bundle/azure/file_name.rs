//! What the name of a script says: `[largedisk_0_]MACHINE[_1]_GEO_CONTAINER_SEQUENCE_GUIDSECRET.EXT`.

use super::TARGET_SECRET_DIGITS;
use zeroize::Zeroizing;

const GUID_DIGITS: usize = 32;
const SEQUENCE_DIGITS: usize = 12;

/// The target's secret at the end of the name, if it is such a name; browsers may have put `(1)` behind it.
pub(super) fn target_secret(file_name: &str) -> Option<Zeroizing<String>> {
    let stem = file_name.split('.').next()?;
    let stem = stem.split([' ', '(']).next()?;
    let mut parts = stem.rsplit('_');
    let (last, sequence, container) = (parts.next()?, parts.next()?, parts.next()?);
    let are_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if sequence.len() != SEQUENCE_DIGITS || !are_digits(sequence) || !are_digits(container) {
        return None;
    }
    let (guid, secret) = last.split_at_checked(GUID_DIGITS)?;
    let are_hexadecimal = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    let fits = secret.len() == TARGET_SECRET_DIGITS && are_hexadecimal(guid) && are_hexadecimal(secret);
    fits.then(|| Zeroizing::new(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn the_secret_stands_at_the_end_of_the_name() {
        for name in [
            format!("web_1_weu_1234567890123456789_123456789012_{GUID}0123456789abcd.py"),
            format!("largedisk_0_my_web_weu_1234567890123456789_123456789012_{GUID}0123456789abcd(1).py"),
            format!("web_weu_1_123456789012_{GUID}0123456789abcd (2).py"),
        ] {
            assert_eq!(target_secret(&name).unwrap().as_str(), "0123456789abcd", "{name}");
        }
    }

    #[test]
    fn other_names_hold_none() {
        for name in
            ["", "script.py", "web_weu_1_123456789012_00.py", "a_b_c_d.py", &format!("w_1_12_{GUID}0123456789abcd.py")]
        {
            assert!(target_secret(name).is_none(), "{name}");
        }
    }
}
