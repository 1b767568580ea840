//! The text of a key: `mbd_<live|test>_<id>_<secret>_<checksum>`.
//!
//! The prefix lets secret scanners find leaked keys, the checksum tells a typing error from a revoked key without a
//! look at the database.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::kernel::Chance;

/// What all keys begin with.
const BRAND: &str = "mbd";
/// Digits of base 62, in the order of their bytes.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of the id.
const ID_CHARS: usize = 8;
/// Bytes of randomness of the id; more than its characters hold, so that every character is equally likely.
const ID_BYTES: usize = 16;
/// Bytes of randomness of the secret.
const SECRET_BYTES: usize = 32;
/// Characters of the secret: the least that hold its bytes.
const SECRET_CHARS: usize = 43;
/// Characters of the checksum: the least that hold a CRC-32.
const CHECKSUM_CHARS: usize = 6;

/// What a key's id begins with in tables and API.
pub const KEY_ID_PREFIX: &str = "key_";

/// Characters of a key's name, which is for people.
pub const NAME_CHARS_MAX: usize = 100;

/// What the ids of callers with tokens (JWT) begin with.
pub const TOKEN_CALLER_PREFIX: &str = "jwt:";
/// Hexadecimal digits of such an id.
pub const TOKEN_CALLER_DIGITS: usize = 32;

/// Whether a text has the form of the id of a caller with tokens.
pub fn is_token_caller(text: &str) -> bool {
    text.strip_prefix(TOKEN_CALLER_PREFIX).is_some_and(|digits| {
        digits.len() == TOKEN_CALLER_DIGITS
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Seconds for which a key that was rotated may work on.
pub const OVERLAP_SECONDS_MAX: i64 = 30 * 24 * 60 * 60;

/// A key with its secret. It exists when it is made and while a request is checked, and is never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    live: bool,
    id: String,
    secret: String,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It does not look like one.
    #[error("a key looks like mbd_live_…")]
    Form,
    /// It looks like one but was changed on its way.
    #[error("the key's checksum does not fit: it was cut or mistyped")]
    Checksum,
}

impl Key {
    /// A new key; `live` marks the keys of an organization that works on Stripe's live mode.
    pub fn draw(chance: &Chance, live: bool) -> Self {
        let (mut id, mut secret) = ([0; ID_BYTES], [0; SECRET_BYTES]);
        chance.fill(&mut id);
        chance.fill(&mut secret);
        Self {
            live,
            id: base62(&id, ID_CHARS),
            secret: base62(&secret, SECRET_CHARS),
        }
    }

    /// Reads a key and checks its checksum.
    ///
    /// # Errors
    /// When it is no key, or one that was mistyped.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let parts: Vec<&str> = text.split('_').collect();
        let [BRAND, mode, id, secret, checksum] = parts[..] else {
            return Err(KeyError::Form);
        };
        let live = match mode {
            "live" => true,
            "test" => false,
            _ => return Err(KeyError::Form),
        };
        let fits =
            |text: &str, chars| text.len() == chars && text.bytes().all(|b| DIGITS.contains(&b));
        if !fits(id, ID_CHARS) || !fits(secret, SECRET_CHARS) || !fits(checksum, CHECKSUM_CHARS) {
            return Err(KeyError::Form);
        }
        let key = Self {
            live,
            id: id.to_owned(),
            secret: secret.to_owned(),
        };
        if key.checksum() != checksum {
            return Err(KeyError::Checksum);
        }
        Ok(key)
    }

    /// The id under which it is stored: `key_` and eight characters.
    pub fn id(&self) -> String {
        format!("{KEY_ID_PREFIX}{}", self.id)
    }

    /// The whole key, secret included: for the one answer that shows it.
    pub fn reveal(&self) -> String {
        format!("{}_{}", self.body(), self.checksum())
    }

    /// The last four characters of the secret, by which people recognise a key.
    pub fn last4(&self) -> &str {
        &self.secret[SECRET_CHARS - 4..]
    }

    /// SHA-256 of the secret in hex: what is stored.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.secret.as_bytes()))
    }

    /// Whether the stored hash is this secret's. The time it takes tells nothing about either.
    pub fn matches(&self, stored_hash: &str) -> bool {
        self.hash().as_bytes().ct_eq(stored_hash.as_bytes()).into()
    }

    fn body(&self) -> String {
        let mode = if self.live { "live" } else { "test" };
        format!("{BRAND}_{mode}_{}_{}", self.id, self.secret)
    }

    fn checksum(&self) -> String {
        let crc = crc32fast::hash(self.body().as_bytes());
        base62(&crc.to_be_bytes(), CHECKSUM_CHARS)
    }
}

/// Shows the id, never the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// The last `chars` digits of a big-endian number in base 62.
fn base62(bytes: &[u8], chars: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; chars];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS[usize::try_from(rest).unwrap_or(0)];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_the_documented_form() {
        let key = Key::draw(&Chance::seeded(1), false);
        let text = key.reveal();
        let lengths: Vec<_> = text.split('_').map(str::len).collect();
        assert_eq!(lengths, [3, 4, ID_CHARS, SECRET_CHARS, CHECKSUM_CHARS]);
        assert!(text.starts_with("mbd_test_"), "{text}");
        assert_eq!(key.id(), format!("key_{}", &text[9..17]));
        assert!(key.matches(&key.hash()));
        assert!(!key.matches(&Key::draw(&Chance::seeded(2), false).hash()));
        assert!(!format!("{key:?}").contains(&key.secret));
    }

    #[test]
    fn base_62_is_positional() {
        assert_eq!(base62(&[0], 3), "000");
        assert_eq!(base62(&[61], 2), "0z");
        assert_eq!(base62(&[1, 0], 2), "48");
        assert_eq!(base62(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        assert_eq!(base62(&[0xff; 32], SECRET_CHARS).len(), SECRET_CHARS);
    }

    #[test]
    fn what_is_no_key_is_told_from_a_mistyped_one() {
        for text in ["", "mbd", "sk_live_1", "mbd_prod_a_b_c", "mbd_live_a_b_c_d"] {
            assert_eq!(Key::parse(text), Err(KeyError::Form), "{text}");
        }
        let text = Key::draw(&Chance::seeded(1), true).reveal();
        let as_test = text.replacen("live", "test", 1);
        assert_eq!(Key::parse(&as_test), Err(KeyError::Checksum));
    }

    proptest! {
        #[test]
        fn keys_read_back_and_no_single_wrong_character_passes(seed: u64, at in 9_usize..68, by in 1_usize..62) {
            let key = Key::draw(&Chance::seeded(seed), true);
            let text = key.reveal();
            prop_assert_eq!(Key::parse(&text), Ok(key));
            let mut bytes = text.into_bytes();
            if let Some(digit) = DIGITS.iter().position(|d| *d == bytes[at]) {
                bytes[at] = DIGITS[(digit + by) % DIGITS.len()];
                prop_assert!(Key::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
            }
        }
    }
}
