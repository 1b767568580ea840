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

fn check_meta(meta: &Meta) -> Result<(), Invalid> {
    check("meta", meta.len() <= META_KEYS_MAX, || format!("at most {META_KEYS_MAX} keys are allowed"))?;
    check("meta", meta.keys().all(|key| fits(key, META_KEY_CHARS_MAX)), || {
        format!("a key has 1 to {META_KEY_CHARS_MAX} characters")
    })?;
    check("meta", meta.values().all(is_meta), || {
        format!("a value is a text of at most {META_VALUE_CHARS_MAX} characters, a number, true or false")
    })
}

/// Whether a value may stand in a member's `meta`.
pub fn is_meta(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            text.chars().count() <= META_VALUE_CHARS_MAX && !text.contains('\0')
        }
        Value::Bool(_) | Value::Number(_) => true,
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

/// What becomes of a member's free values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MetaEdit {
    /// They stay.
    #[default]
    Keep,
    /// These take their place.
    Replace(Meta),
    /// These are added or written over; `None` takes a key away.
    Merge(BTreeMap<String, Option<Value>>),
}

/// What becomes of a member's foreign keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeysEdit {
    /// They stay.
    #[default]
    Keep,
    /// These take their place.
    Replace(BTreeSet<Key>),
    /// These come to them.
    Add(BTreeSet<Key>),
}

/// A change of a member; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// Another address. Unless `email_verified` says otherwise, she has not proved that a new one is hers.
    pub email: Option<String>,
    /// Whether she proved that the address is hers.
    pub email_verified: Option<bool>,
    /// Another name, or none.
    pub name: Option<Option<String>>,
    /// Another telephone number, or none.
    pub phone: Option<Option<String>>,
    /// Free values.
    pub meta: MetaEdit,
    /// Her tags from now on.
    pub tags: Option<BTreeSet<String>>,
    /// Foreign keys.
    pub keys: KeysEdit,
    /// Whether she is out of the way.
    pub archived: Option<bool>,
    /// The creator whose member she is from now on, by id or external id, or none.
    pub creator: Option<Option<String>>,
}

impl Edit {
    /// What it makes of `before`.
    pub fn apply(&self, before: &Details) -> Details {
        let mut after = before.clone();
        if let Some(email) = &self.email {
            after.email = Some(email.trim().to_owned());
        }
        let same = after.normalized_email() == before.normalized_email();
        after.email_verified = self.email_verified.unwrap_or(before.email_verified && same);
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(phone) = &self.phone {
            after.phone.clone_from(phone);
        }
        match &self.meta {
            MetaEdit::Keep => {}
            MetaEdit::Replace(meta) => after.meta.clone_from(meta),
            MetaEdit::Merge(changes) => merge(&mut after.meta, changes),
        }
        if let Some(tags) = &self.tags {
            after.tags.clone_from(tags);
        }
        match &self.keys {
            KeysEdit::Keep => {}
            KeysEdit::Replace(keys) => after.keys.clone_from(keys),
            KeysEdit::Add(keys) => after.keys.extend(keys.iter().cloned()),
        }
        after.archived = self.archived.unwrap_or(before.archived);
        if let Some(creator) = &self.creator {
            after.creator.clone_from(creator);
        }
        after
    }
}

/// Merges as RFC 7396 does.
fn merge(meta: &mut Meta, changes: &BTreeMap<String, Option<Value>>) {
    for (key, value) in changes {
        match value {
            Some(value) => meta.insert(key.clone(), value.clone()),
            None => meta.remove(key),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, option, prelude::*};
    use serde_json::json;

    use super::*;

    fn details() -> impl Strategy<Value = Details> {
        let keys = proptest::collection::btree_set("[a-z]{1,4}", 0..3);
        (
            option::of("[a-zA-Z]{1,8}@example\\.com"),
            any::<bool>(),
            option::of("\\PC{1,9}"),
            btree_map("[a-z]{1,3}", "[a-z]{0,3}", 0..4),
            proptest::collection::btree_set("[a-z]{1,3}", 0..3),
            keys,
            any::<bool>(),
            option::of("crt_[a-z]{1,2}"),
        )
            .prop_map(|(email, email_verified, name, meta, tags, keys, archived, creator)| Details {
                email,
                email_verified,
                phone: name.clone(),
                name,
                meta: meta.into_iter().map(|(key, value)| (key, json!(value))).collect(),
                tags,
                keys: keys
                    .into_iter()
                    .map(|external_id| Key { provider: "crm".to_owned(), external_id })
                    .collect(),
                archived,
                creator,
            })
    }

    /// An edit that writes everything of `details`.
    fn whole(details: &Details) -> Edit {
        Edit {
            email: details.email.clone(),
            email_verified: Some(details.email_verified),
            name: Some(details.name.clone()),
            phone: Some(details.phone.clone()),
            meta: MetaEdit::Replace(details.meta.clone()),
            tags: Some(details.tags.clone()),
            keys: KeysEdit::Replace(details.keys.clone()),
            archived: Some(details.archived),
            creator: Some(details.creator.clone()),
        }
    }

    proptest! {
        /// Seed row 20.
        #[test]
        fn writing_what_was_read_changes_nothing(is in details()) {
            prop_assert_eq!(&whole(&is).apply(&is), &is);
            prop_assert_eq!(&Edit::default().apply(&is), &is);
        }

        #[test]
        fn a_whole_edit_leaves_nothing_of_before(is in details(), will in details()) {
            prop_assume!(will.email.is_some());
            prop_assert_eq!(&whole(&will).apply(&is), &will);
        }

        #[test]
        fn versions_are_the_same_only_where_everything_is(is in details(), other in details()) {
            prop_assert_eq!(is.version() == other.version(), is == other);
        }

        /// Seed row 22: a merge is what RFC 7396 makes of flat objects.
        #[test]
        fn a_merge_adds_writes_over_and_takes_away(
            is in btree_map("[a-c]", "[a-z]{0,3}", 0..4),
            changes in btree_map("[a-c]", option::of("[a-z]{0,3}"), 0..4),
        ) {
            let text = |(key, value): (String, String)| (key, json!(value));
            let mut merged: Meta = is.clone().into_iter().map(text).collect();
            let edit = changes.iter().map(|(key, value)| (key.clone(), value.as_ref().map(|text| json!(text))));
            merge(&mut merged, &edit.collect());
            for key in is.keys().chain(changes.keys()) {
                let wanted = match changes.get(key) {
                    Some(change) => change.as_ref(),
                    None => is.get(key),
                };
                prop_assert_eq!(merged.get(key).and_then(Value::as_str), wanted.map(String::as_str));
            }
        }
    }

    #[test]
    fn another_address_is_not_proved() {
        let before = Details { email: Some("a@example.com".to_owned()), email_verified: true, ..Details::default() };
        let to = |email: &str, email_verified| Edit { email: Some(email.to_owned()), email_verified, ..Edit::default() };
        assert!(to(" A@Example.com ", None).apply(&before).email_verified);
        assert!(!to("b@example.com", None).apply(&before).email_verified);
        assert!(to("b@example.com", Some(true)).apply(&before).email_verified);
    }

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
            (meta("a", json!("x".repeat(META_VALUE_CHARS_MAX + 1))), "meta"),
            (key("CRM"), "foreign_keys"),
            (key("a:b"), "foreign_keys"),
        ] {
            assert_eq!(wrong.check().unwrap_err().field, field, "{wrong:?}");
        }
        let many = (0..=META_KEYS_MAX).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(Details { meta: many, ..Details::default() }.check().unwrap_err().field, "meta");
        assert_eq!(meta("a", json!(1.5)).check(), Ok(()));
    }
}
