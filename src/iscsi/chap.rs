//! CHAP as iSCSI uses it (RFC 1994, RFC 7143 section 12.1.3): algorithms, responses, binary values in text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::Digest;
use subtle::ConstantTimeEq;

/// A challenge or response that is longer than this in bytes is not taken.
pub const BINARY_BYTES_MAX: usize = 1024;
/// Secrets that are shorter than this in bytes can be found out by trying (RFC 7143 section 9.2.1).
pub const SECRET_BYTES_MIN: usize = 12;
/// How long the challenges are that we make, in bytes: as long as the longest response.
const CHALLENGE_BYTES: usize = 32;

/// A user and its secret, for one direction of CHAP.
#[derive(Clone, Debug)]
pub struct ChapCredentials {
    /// CHAP_N.
    pub user: String,
    /// The secret that both sides know; never shown.
    pub secret: SecretString,
}

/// How a response is made (IANA "iSCSI CHAP algorithms"; the codes are those of CHAP_A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChapAlgorithm {
    /// SHA3-256, code 8 (RFC 7143 does not have it; registered with IANA).
    Sha3_256,
    /// SHA-256, code 7.
    Sha256,
    /// SHA-1, code 6.
    Sha1,
    /// MD5, code 5: what everybody has to support.
    Md5,
}

impl ChapAlgorithm {
    /// All of them, the strongest first: the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Sha3_256, Self::Sha256, Self::Sha1, Self::Md5];

    /// What is left to offer to targets that understand something else by SHA-256's number: tgt takes 7 for SHA-1.
    pub const WITHOUT_SHA256: [Self; 3] = [Self::Sha3_256, Self::Sha1, Self::Md5];

    /// The number of CHAP_A.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Md5 => 5,
            Self::Sha1 => 6,
            Self::Sha256 => 7,
            Self::Sha3_256 => 8,
        }
    }

    /// The algorithm with this number.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| u64::from(algorithm.code()) == code)
    }

    /// Length of a response in bytes.
    #[must_use]
    pub const fn response_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3_256 => 32,
        }
    }

    /// The response to a challenge: the digest of identifier, secret and challenge (RFC 1994 section 4.1).
    #[must_use]
    pub fn response(self, identifier: u8, secret: &SecretString, challenge: &[u8]) -> Vec<u8> {
        fn digest<D: Digest>(identifier: u8, secret: &SecretString, challenge: &[u8]) -> Vec<u8> {
            let digest = D::new().chain_update([identifier]).chain_update(secret.expose_secret());
            digest.chain_update(challenge).finalize().to_vec()
        }
        match self {
            Self::Md5 => digest::<md5::Md5>(identifier, secret, challenge),
            Self::Sha1 => digest::<sha1::Sha1>(identifier, secret, challenge),
            Self::Sha256 => digest::<sha2::Sha256>(identifier, secret, challenge),
            Self::Sha3_256 => digest::<sha3::Sha3_256>(identifier, secret, challenge),
        }
    }
}

/// A challenge that one side sends to the other (CHAP_I and CHAP_C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// CHAP_I.
    pub identifier: u8,
    /// CHAP_C.
    pub bytes: Vec<u8>,
}

impl Challenge {
    /// A fresh one from the operating system's random numbers.
    ///
    /// # Errors
    /// When there are none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; CHALLENGE_BYTES];
        let mut identifier = [0];
        getrandom::fill(&mut bytes)?;
        getrandom::fill(&mut identifier)?;
        let [identifier] = identifier;
        Ok(Self { identifier, bytes })
    }

    /// The challenge in CHAP_I and CHAP_C; `None` when these values are none.
    #[must_use]
    pub fn parse(identifier: &str, challenge: &str) -> Option<Self> {
        let identifier = u8::try_from(crate::text::parse_number(identifier)?).ok()?;
        Some(Self { identifier, bytes: parse_binary(challenge)? })
    }

    /// What it has to be answered with.
    #[must_use]
    pub fn answer(&self, algorithm: ChapAlgorithm, secret: &SecretString) -> Vec<u8> {
        algorithm.response(self.identifier, secret, &self.bytes)
    }

    /// Whether this is the right answer; takes the same time wherever the answer is wrong.
    #[must_use]
    pub fn is_answered_by(&self, response: &[u8], algorithm: ChapAlgorithm, secret: &SecretString) -> bool {
        self.answer(algorithm, secret).ct_eq(response).into()
    }
}

/// Whether two secrets are the same.
#[must_use]
pub fn same_secret(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
}

/// A binary value: `0x` and hexadecimal digits, or `0b` and base64 (RFC 7143 section 6.1). Not empty and at most
/// [`BINARY_BYTES_MAX`] bytes.
#[must_use]
pub fn parse_binary(value: &str) -> Option<Vec<u8>> {
    let (prefix, digits) = value.split_at_checked(2)?;
    let bytes = match prefix {
        // An odd number of digits stands for a leading zero.
        "0x" | "0X" if digits.len() & 1 == 1 => hex::decode(format!("0{digits}")).ok()?,
        "0x" | "0X" => hex::decode(digits).ok()?,
        "0b" | "0B" => STANDARD.decode(digits).ok()?,
        _ => return None,
    };
    Some(bytes).filter(|bytes| !bytes.is_empty() && bytes.len() <= BINARY_BYTES_MAX)
}

/// A binary value in hexadecimal digits.
#[must_use]
pub fn format_binary(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// The expected values were computed with Python's hashlib over bytes([7]) + b"a secret of 16 b" + b"challenge".
    #[test]
    fn responses_are_digests_of_identifier_secret_and_challenge() {
        for (algorithm, expected) in [
            (ChapAlgorithm::Md5, "0e579ee5c081d8fd243f27b1e84cc1f0"),
            (ChapAlgorithm::Sha1, "c32faf351f1b83390ebf2f6b08722042a6826a2d"),
            (ChapAlgorithm::Sha256, "b5e8ca3c063e9241a811e5af4f5b388847791a309813c898563a7e8704870e92"),
            (ChapAlgorithm::Sha3_256, "ef18fa2877765acfbddfb8e2301b914c02c0e2536e27357c5c760cdfc7715fd9"),
        ] {
            let response = algorithm.response(7, &secret("a secret of 16 b"), b"challenge");
            assert_eq!(hex::encode(&response), expected, "{algorithm:?}");
            assert_eq!(response.len(), algorithm.response_bytes());
        }
    }

    #[test]
    fn codes_are_those_of_iana() {
        assert_eq!(ChapAlgorithm::ALL.map(ChapAlgorithm::code), [8, 7, 6, 5]);
        for algorithm in ChapAlgorithm::ALL {
            assert_eq!(ChapAlgorithm::from_code(u64::from(algorithm.code())), Some(algorithm));
        }
        assert_eq!(ChapAlgorithm::from_code(4), None);
        assert_eq!(ChapAlgorithm::from_code(256 + 5), None);
    }

    #[test]
    fn an_answer_is_right_only_with_the_same_secret_identifier_and_challenge() {
        let challenge = Challenge::random().unwrap();
        let good = secret("right secret");
        for algorithm in ChapAlgorithm::ALL {
            let answer = challenge.answer(algorithm, &good);
            assert!(challenge.is_answered_by(&answer, algorithm, &good));
            assert!(!challenge.is_answered_by(&answer, algorithm, &secret("wrong secret")));
            assert!(!challenge.is_answered_by(&answer[1..], algorithm, &good));
            assert!(!Challenge::random().unwrap().is_answered_by(&answer, algorithm, &good));
        }
    }

    #[test]
    fn binary_values_are_hexadecimal_or_base64() {
        assert_eq!(parse_binary("0x0aFF"), Some(vec![10, 255]));
        assert_eq!(parse_binary("0xaff"), Some(vec![10, 255]));
        assert_eq!(parse_binary("0bCv8="), Some(vec![10, 255]));
        assert_eq!(parse_binary(&format_binary(&[0, 1, 254])), Some(vec![0, 1, 254]));
        let long = format!("0x{}", "00".repeat(BINARY_BYTES_MAX + 1));
        for wrong in ["", "0", "0x", "0b", "0xzz", "0b=", "ff", "\u{e9}\u{e9}", &long] {
            assert_eq!(parse_binary(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_challenge_in_text_needs_an_identifier_of_one_byte() {
        assert_eq!(Challenge::parse("255", "0x01"), Some(Challenge { identifier: 255, bytes: vec![1] }));
        assert_eq!(Challenge::parse("256", "0x01"), None);
        assert_eq!(Challenge::parse("1", "01"), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let credentials = ChapCredentials { user: "reader".into(), secret: secret("hunter2hunter2") };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
