//! Reading what other systems write about a member: their names of fields, their envelopes, their times. Pure.
//!
//! Fields that are not known are left out and told by their names, which is also how tokens and passwords are never stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, value::RawValue};

use crate::{
    kernel::Timestamp,
    members::{Edit, Invalid, Key, KeysEdit, MetaEdit, details::Meta},
};

/// The fields of a member as a file has them.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// A member as a file tells of her.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// What is said about her.
    pub edit: Edit,
    /// When she joined.
    pub joined_at: Option<Timestamp>,
    /// The names of the fields that were left out.
    pub left_out: BTreeSet<String>,
}

/// The members in one JSON value: one bare, one in an envelope (`{"data":{…}}`, with `error`, `status` or `ok` beside
/// it), or a page of them (`{"data":[…]}`, `[…]`).
///
/// # Errors
/// When it is none of these, or an envelope that tells of a failure.
pub fn open(text: &str) -> Result<Vec<Fields>, Invalid> {
    let value: Box<RawValue> = serde_json::from_str(text).map_err(|_| wrong("line", "not JSON: one value on each line is expected"))?;
    let Some(mut fields) = object(&value) else {
        return many(&value).ok_or_else(|| wrong("line", "no member: an object is expected"));
    };
    let failed = |field: &str, failure: &str| fields.get(field).is_some_and(|raw| raw.get() == failure);
    if failed("error", "true") || failed("ok", "false") {
        return Err(wrong("line", "the envelope tells of a failure"));
    }
    match fields.remove("data") {
        None => Ok(vec![fields]),
        Some(data) => match object(&data) {
            Some(member) => Ok(vec![member]),
            None => many(&data).ok_or_else(|| wrong("data", "a member or a list of them is expected")),
        },
    }
}

fn object(raw: &RawValue) -> Option<Fields> {
    serde_json::from_str(raw.get()).ok()
}

fn many(raw: &RawValue) -> Option<Vec<Fields>> {
    serde_json::from_str(raw.get()).ok()
}

fn wrong(field: &'static str, why: impl Into<String>) -> Invalid {
    Invalid { field, why: why.into() }
}

/// Reads a member. `provider` is the other system whose ids the field `id` has.
///
/// # Errors
/// The first field that cannot be read. What is wrong is told without the value itself.
pub fn read(mut fields: Fields, provider: Option<&str>) -> Result<Record, Invalid> {
    fields.retain(|_, raw| !matches!(raw.get(), "null" | "\"\""));
    let mut rest = Rest(fields);
    if rest.take(&["deleted_at"]).is_some() {
        return Err(wrong("deleted_at", "she is deleted there: leave her out"));
    }
    let email = rest.text("email", &["email"])?;
    let email = email.ok_or_else(|| wrong("email", "this field is required"))?;
    let name = match rest.text("name", &["name", "full_name", "display_name"])? {
        Some(name) => Some(name),
        None => rest.names()?,
    };
    let archived_at = rest.take(&["archived_at"]).map(|_| true);
    let edit = Edit {
        email: Some(Some(email)),
        email_verified: rest.flag("email_verified", &["email_verified", "email_confirm"])?,
        name: name.map(Some),
        phone: rest.text("phone", &["phone", "mobile"])?.map(Some),
        meta: rest.meta()?,
        tags: rest.tags()?,
        keys: rest.keys(provider)?,
        archived: rest.flag("archived", &["archived"])?.or(archived_at),
        creator: rest.word("creator_id", &["creator_id"])?.map(Some),
    };
    let joined_at = rest.time("joined_at", &["joined_at", "created_at", "created"])?;
    Ok(Record { edit, joined_at, left_out: rest.0.into_keys().collect() })
}

/// What is left of the fields.
struct Rest(Fields);

impl Rest {
    /// The first of several fields that is there; the others are taken away with it.
    fn take(&mut self, names: &[&str]) -> Option<Box<RawValue>> {
        let found: Vec<_> = names.iter().filter_map(|name| self.0.remove(*name)).collect();
        found.into_iter().next()
    }

    fn text(&mut self, field: &'static str, names: &[&str]) -> Result<Option<String>, Invalid> {
        self.take(names).map(|raw| text(field, &raw)).transpose()
    }

    fn word(&mut self, field: &'static str, names: &[&str]) -> Result<Option<String>, Invalid> {
        self.take(names).map(|raw| word(field, &raw)).transpose()
    }

    fn flag(&mut self, field: &'static str, names: &[&str]) -> Result<Option<bool>, Invalid> {
        let read = |raw: Box<RawValue>| match raw.get().trim_matches('"').to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" => Ok(false),
            _ => Err(expected(field, "true or false", &raw)),
        };
        self.take(names).map(read).transpose()
    }

    /// RFC 3339, a date (its first moment in UTC), or Unix seconds.
    fn time(&mut self, field: &'static str, names: &[&str]) -> Result<Option<Timestamp>, Invalid> {
        let read = |raw: Box<RawValue>| {
            let text = raw.get().trim_matches('"');
            let seconds = text.parse().ok().map(Timestamp::from_seconds);
            Timestamp::parse(text)
                .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
                .or(seconds)
                .filter(|at| at.is_plausible())
                .ok_or_else(|| expected(field, "an RFC 3339 time, a date or Unix seconds", &raw))
        };
        self.take(names).map(read).transpose()
    }

    /// First and last name, where they are apart.
    fn names(&mut self) -> Result<Option<String>, Invalid> {
        let first = self.text("name", &["firstname", "first_name"])?;
        let last = self.text("name", &["lastname", "last_name"])?;
        let both: Vec<String> = first.into_iter().chain(last).collect();
        Ok((!both.is_empty()).then(|| both.join(" ")))
    }

    /// `meta` or `metadata`, and columns such as `meta.plan`.
    fn meta(&mut self) -> Result<MetaEdit, Invalid> {
        let mut meta = Meta::new();
        if let Some(raw) = self.take(&["meta", "metadata"]) {
            let fields = object(&raw).ok_or_else(|| expected("meta", "an object", &raw))?;
            for (key, raw) in fields {
                meta.extend(value(&raw).map(|value| (key, value)));
            }
        }
        for (key, raw) in self.below("meta.") {
            meta.extend(value(&raw).map(|value| (key, value)));
        }
        if meta.is_empty() {
            return Ok(MetaEdit::Keep);
        }
        Ok(MetaEdit::Merge(meta.into_iter().map(|(key, value)| (key, Some(value))).collect()))
    }

    /// A list of texts, or one text with semicolons.
    fn tags(&mut self) -> Result<Option<BTreeSet<String>>, Invalid> {
        let read = |raw: Box<RawValue>| {
            if let Ok(tags) = serde_json::from_str::<Vec<String>>(raw.get()) {
                return Ok(tags.into_iter().collect());
            }
            let text = text("tags", &raw).map_err(|_| expected("tags", "a list of texts", &raw))?;
            let tags = text.split(';').map(str::trim).filter(|tag| !tag.is_empty());
            Ok(tags.map(str::to_owned).collect())
        };
        self.take(&["tags"]).map(read).transpose()
    }

    /// `foreign_keys` as a list or an object, columns such as `foreign_keys.crm`, and `id` if it is known whose.
    fn keys(&mut self, provider: Option<&str>) -> Result<KeysEdit, Invalid> {
        let mut keys = BTreeSet::new();
        let mut add = |provider: String, raw: &RawValue| -> Result<(), Invalid> {
            let external_id = word("foreign_keys", raw)?;
            keys.insert(Key { provider, external_id });
            Ok(())
        };
        if let Some(raw) = self.take(&["foreign_keys"]) {
            let list: Option<Vec<BTreeMap<String, Box<RawValue>>>> = serde_json::from_str(raw.get()).ok();
            let pairs: Option<Vec<_>> = match list {
                Some(list) => list.into_iter().map(pair).collect(),
                None => object(&raw).map(|object| object.into_iter().collect()),
            };
            let wrong = || expected("foreign_keys", "a list of key and value", &raw);
            for (provider, id) in pairs.ok_or_else(wrong)? {
                add(provider, &id)?;
            }
        }
        for (provider, id) in self.below("foreign_keys.") {
            add(provider, &id)?;
        }
        if let Some(provider) = provider
            && let Some(id) = self.take(&["id", "external_id"])
        {
            add(provider.to_owned(), &id)?;
        }
        Ok(if keys.is_empty() { KeysEdit::Keep } else { KeysEdit::Add(keys) })
    }

    /// The fields whose names begin so, by what follows.
    fn below(&mut self, prefix: &str) -> Fields {
        let (mine, rest): (Fields, Fields) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = rest;
        mine.into_iter().map(|(name, raw)| (name[prefix.len()..].to_owned(), raw)).collect()
    }
}

fn pair(mut key: BTreeMap<String, Box<RawValue>>) -> Option<(String, Box<RawValue>)> {
    let provider = key.remove("key").or_else(|| key.remove("provider"))?;
    let id = key.remove("value").or_else(|| key.remove("external_id"))?;
    Some((serde_json::from_str(provider.get()).ok()?, id))
}

fn text(field: &'static str, raw: &RawValue) -> Result<String, Invalid> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| expected(field, "a text", raw))?;
    Ok(text.trim().to_owned())
}

/// A text, or a number as it is written.
fn word(field: &'static str, raw: &RawValue) -> Result<String, Invalid> {
    match class(raw) {
        "a number" => Ok(raw.get().to_owned()),
        _ => text(field, raw),
    }
}

/// A free value. A number with a fraction or an exponent stays the text that it is, because a float would be another one.
fn value(raw: &RawValue) -> Option<Value> {
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    match value {
        Value::Null => None,
        Value::Number(number) if !number.is_i64() => Some(Value::String(raw.get().to_owned())),
        value => Some(value),
    }
}

fn expected(field: &'static str, what: &str, raw: &RawValue) -> Invalid {
    wrong(field, format!("{what} is expected, this is {}", class(raw)))
}

/// What sort of value it is: this may be told, the value may not.
fn class(raw: &RawValue) -> &'static str {
    match raw.get().bytes().next() {
        Some(b'"') => "another text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "true or false",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Result<Record, Invalid> {
        read(open(text).unwrap().pop().unwrap(), Some("old"))
    }

    /// Seed rows 157, 158, 165; conflict C8.
    #[test]
    fn members_are_found_in_every_envelope() {
        let jane = r#"{"email":"jane@example.com"}"#;
        for (text, members) in [
            (jane.to_owned(), 1),
            (format!("{{\"data\":{jane}}}"), 1),
            (format!("{{\"error\":false,\"data\":{jane}}}"), 1),
            (format!("{{\"data\":{jane},\"status\":200}}"), 1),
            (format!("{{\"data\":[{jane},{jane}],\"next_cursor\":null}}"), 2),
            (format!("[{jane}]"), 1),
        ] {
            assert_eq!(open(&text).unwrap().len(), members, "{text}");
        }
        for wrong in ["", "1", "{\"error\":true,\"data\":{}}", "{\"ok\":false}", "{\"data\":1}", "[1]"] {
            assert!(open(wrong).is_err(), "{wrong}");
        }
    }

    /// Seed rows 158, 159, 161; trap T12.
    #[test]
    fn the_fields_of_other_systems_are_read_and_secrets_left_out() {
        let record = one(
            r#"{"id":"cust_123","type":"customer","firstname":"Jane","lastname":"Smith","email":" jane@example.com ",
                "mobile":"07700900123","archived":true,"auth_token":"s3cret","password":"s3cret","avatar_url":null,
                "metadata":{"plan":"gold","price":9.990,"seats":3,"gone":null},"tags":"vip; press","created":1750000000}"#,
        );
        let record = record.unwrap();
        let edit = &record.edit;
        assert_eq!(edit.email, Some(Some("jane@example.com".to_owned())));
        assert_eq!(edit.name, Some(Some("Jane Smith".to_owned())));
        assert_eq!(edit.phone, Some(Some("07700900123".to_owned())));
        assert_eq!((edit.archived, edit.email_verified), (Some(true), None));
        let meta = [("plan", json!("gold")), ("price", json!("9.990")), ("seats", json!(3))];
        assert_eq!(edit.meta, MetaEdit::Merge(meta.map(|(key, value)| (key.to_owned(), Some(value))).into()));
        assert_eq!(edit.tags, Some(["press", "vip"].map(str::to_owned).into()));
        let key = Key { provider: "old".to_owned(), external_id: "cust_123".to_owned() };
        assert_eq!(edit.keys, KeysEdit::Add(BTreeSet::from([key])));
        assert_eq!(record.joined_at, Some(Timestamp::from_seconds(1_750_000_000)));
        assert_eq!(record.left_out, ["auth_token", "password", "type"].map(str::to_owned).into());
        assert!(!format!("{record:?}").contains("s3cret"));
    }

    #[test]
    fn columns_of_a_table_are_read_like_fields() {
        let record = one(
            r#"{"email":"a@example.com","full_name":"A","meta.plan":"gold","foreign_keys.crm":"7","archived":"no",
                "creator_id":7,"email_verified":"1","joined_at":"2025-06-15","tags":""}"#,
        );
        let record = record.unwrap();
        assert_eq!((record.edit.archived, record.edit.email_verified), (Some(false), Some(true)));
        assert_eq!(record.joined_at, Timestamp::parse("2025-06-15T00:00:00Z"));
        assert_eq!(record.edit.creator, Some(Some("7".to_owned())));
        assert_eq!(record.edit.tags, None);
        let crm = Key { provider: "crm".to_owned(), external_id: "7".to_owned() };
        assert_eq!(record.edit.keys, KeysEdit::Add(BTreeSet::from([crm])));
        assert_eq!(record.edit.meta, MetaEdit::Merge([("plan".to_owned(), Some(json!("gold")))].into()));
        assert!(record.left_out.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told_without_its_value() {
        for (text, field) in [
            (r#"{"name":"Jane"}"#, "email"),
            (r#"{"email":["jane@example.com"]}"#, "email"),
            (r#"{"email":"a@example.com","name":7}"#, "name"),
            (r#"{"email":"a@example.com","archived":"jane"}"#, "archived"),
            (r#"{"email":"a@example.com","meta":"jane"}"#, "meta"),
            (r#"{"email":"a@example.com","tags":{"jane":1}}"#, "tags"),
            (r#"{"email":"a@example.com","foreign_keys":[{"key":"crm"}]}"#, "foreign_keys"),
            (r#"{"email":"a@example.com","created_at":"jane"}"#, "joined_at"),
            (r#"{"email":"a@example.com","deleted_at":"2025-01-01T00:00:00Z"}"#, "deleted_at"),
        ] {
            let wrong = one(text).unwrap_err();
            assert_eq!(wrong.field, field, "{text}");
            assert!(!wrong.to_string().contains("jane"), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,60}", json in "[\\[\\]{}\":,a-z0-9. ]{0,60}") {
            for text in [text, json] {
                for fields in open(&text).into_iter().flatten() {
                    let _read = read(fields, None);
                }
            }
        }
    }
}
