//! What people write about a member. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::model::normalize_email;

/// Characters of a display name.
pub const NAME_CHARS_MAX: usize = 255;
/// Characters of a telephone number.
pub const PHONE_CHARS_MAX: usize = 40;
/// Keys of a member's free values; Stripe's own limit for metadata, like the next two.
pub const META_KEYS_MAX: usize = 50;
/// Characters of such a key.
pub const META_KEY_CHARS_MAX: usize = 40;
/// Characters of a free value that is a text.
pub const META_VALUE_CHARS_MAX: usize = 500;
/// How far from zero a free value that is a number may be: as far as a whole number of 64 bits.
pub const META_NUMBER_MAX: f64 = 9.223_372_036_854_776e18;
/// Tags of a member.
pub const TAGS_MAX: usize = 50;
/// Characters of a tag.
pub const TAG_CHARS_MAX: usize = 50;
/// Foreign keys of a member.
pub const KEYS_MAX: usize = 20;
/// Characters of the name of another system: lower case letters, digits, `_` and `-`.
pub const PROVIDER_CHARS_MAX: usize = 40;
/// Characters of an id in another system.
pub const EXTERNAL_ID_CHARS_MAX: usize = 255;

/// Hexadecimal digits of a version.
const VERSION_DIGITS: usize = 32;

/// Free keys and values.
pub type Meta = BTreeMap<String, Value>;

/// How another system calls a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// The other system, such as `stripe`.
    pub provider: String,
    /// Her id there.
    pub external_id: String,
}

/// Everything about a member that people may write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// Address as given, trimmed.
    pub email: Option<String>,
    /// Whether she proved that it is hers.
    pub email_verified: bool,
    /// Display name.
    pub name: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Free keys and values.
    pub meta: Meta,
    /// Words by which people find her.
    pub tags: BTreeSet<String>,
    /// How other systems call her.
    pub keys: BTreeSet<Key>,
    /// Whether she is out of the way: still a member, but not to be written to.
    pub archived: bool,
    /// The creator whose member she is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<String>,
}

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Invalid {
    /// The field's name.
    pub field: &'static str,
    /// What is wrong and how to mend it.
    pub why: String,
}

impl Details {
    /// A text that is another one whenever anything of this is another.
    pub fn version(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut digits = hex::encode(Sha256::digest(text));
        digits.truncate(VERSION_DIGITS);
        digits
    }

    /// The address in the form in which two of them are the same.
    pub fn normalized_email(&self) -> Option<String> {
        self.email.as_deref().and_then(normalize_email)
    }

    /// Checks every bound, whoever wrote it.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub fn check(&self) -> Result<(), Invalid> {
        self.check_after(&Self::default())
    }

    /// The first field that does not fit, of those that differ from `before`: Stripe, which has given her the others, has
    /// bounds of its own, and she can be changed all the same.
    pub fn check_after(&self, before: &Self) -> Result<(), Invalid> {
        let texts = [
            ("name", &self.name, &before.name, NAME_CHARS_MAX),
            ("phone", &self.phone, &before.phone, PHONE_CHARS_MAX),
        ];
        for (field, text, old, max) in texts {
            check(field, text == old || text.as_deref().is_none_or(|text| fits(text, max)), || {
                format!("a text of 1 to {max} characters is expected")
            })?;
        }
        let creator = self.creator.as_deref();
        let named = creator.is_none_or(|word| fits(word, EXTERNAL_ID_CHARS_MAX));
        check("creator_id", named, || {
            format!("the id or the external id of a creator is expected, of 1 to {EXTERNAL_ID_CHARS_MAX} characters")
        })?;
        let has_address = self.email.is_none() || self.normalized_email().is_some();
        check("email", self.email == before.email || has_address, || "this is no address".to_owned())?;
        check("email", self.email.is_some() || before.email.is_none(), || {
            "her address can be changed, not taken away".to_owned()
        })?;
        check_meta(&self.meta)?;
        check("tags", self.tags.len() <= TAGS_MAX, || format!("at most {TAGS_MAX} tags are allowed"))?;
        check("tags", self.tags.iter().all(|tag| fits(tag, TAG_CHARS_MAX)), || {
            format!("each is a text of 1 to {TAG_CHARS_MAX} characters")
        })?;
        let mut added = self.keys.difference(&before.keys).peekable();
        check("foreign_keys", added.peek().is_none() || self.keys.len() <= KEYS_MAX, || {
            format!("at most {KEYS_MAX} are allowed")
        })?;
        check("foreign_keys", added.all(Key::fits), || {
            format!(
                "each has a key of 1 to {PROVIDER_CHARS_MAX} lower case letters, digits, `_` or `-`, and a value of 1 \
                 to {EXTERNAL_ID_CHARS_MAX} characters; that of `stripe` is a customer's id"
            )
        })
    }
}

fn check(field: &'static str, fits: bool, why: impl Fn() -> String) -> Result<(), Invalid> {
    if fits { Ok(()) } else { Err(Invalid { field, why: why() }) }
}

/// Checks the bounds of free keys and values.
///
/// # Errors
/// What does not fit.
pub fn check_meta(meta: &Meta) -> Result<(), Invalid> {
    check("meta", meta.len() <= META_KEYS_MAX, || format!("at most {META_KEYS_MAX} keys are allowed"))?;
    check("meta", meta.keys().all(|key| fits(key, META_KEY_CHARS_MAX)), || {
        format!("a key has 1 to {META_KEY_CHARS_MAX} characters")
    })?;
    check("meta", meta.values().all(is_meta), || {
        format!(
            "a value is a text of at most {META_VALUE_CHARS_MAX} characters, a number of at most 64 bits, true or false"
        )
    })
}

/// Whether a value may stand in a member's `meta`.
fn is_meta(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            text.chars().count() <= META_VALUE_CHARS_MAX && !text.contains('\0')
        }
        Value::Bool(_) => true,
        Value::Number(number) => number.as_f64().is_some_and(|float| float.abs() <= META_NUMBER_MAX),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn fits(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().count()) && !text.contains('\0')
}

impl Key {
    /// Whether it is within its bounds.
    pub fn fits(&self) -> bool {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte)
        };
        fits(&self.provider, PROVIDER_CHARS_MAX)
            && self.provider.bytes().all(plain)
            && fits(&self.external_id, EXTERNAL_ID_CHARS_MAX)
            && (!self.is_stripes() || self.external_id.bytes().all(|byte| byte.is_ascii_graphic()))
    }

    /// Whether it is the id of a customer at Stripe.
    pub fn is_stripes(&self) -> bool {
        self.provider == "stripe"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_told_with_its_field() {
        let meta = |key: &str, value: Value| Details { meta: Meta::from([(key.to_owned(), value)]), ..Details::default() };
        let key = |provider: &str| {
            let key = Key { provider: provider.to_owned(), external_id: "1".to_owned() };
            Details { keys: BTreeSet::from([key]), ..Details::default() }
        };
        let text = |max: usize| Some("x".repeat(max + 1));
        for (wrong, field) in [
            (Details { name: text(NAME_CHARS_MAX), ..Details::default() }, "name"),
            (Details { phone: Some(String::new()), ..Details::default() }, "phone"),
            (Details { email: text(9), ..Details::default() }, "email"),
            (Details { tags: BTreeSet::from([String::new()]), ..Details::default() }, "tags"),
            (meta("a", json!(null)), "meta"),
            (meta("a", json!([1])), "meta"),
            (meta("", json!(1)), "meta"),
            (meta("a", json!(1e19)), "meta"),
            (meta("a", json!("x".repeat(META_VALUE_CHARS_MAX + 1))), "meta"),
            (key("CRM"), "foreign_keys"),
            (key("a:b"), "foreign_keys"),
        ] {
            assert_eq!(wrong.check().unwrap_err().field, field, "{wrong:?}");
        }
        let many = (0..=META_KEYS_MAX).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(Details { meta: many, ..Details::default() }.check().unwrap_err().field, "meta");
        for number in [json!(1.5), json!(i64::MIN), json!(i64::MAX)] {
            assert_eq!(meta("a", number).check(), Ok(()));
        }
    }
}
