//! Changes that people make to a member. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::details::{Details, Key, Meta};

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
    /// Another address, or none, which only who has none may be given. Unless `email_verified` says otherwise, she has not
    /// proved that a new one is hers.
    pub email: Option<Option<String>>,
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
            after.email = email.as_ref().map(|email| email.trim().to_owned());
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
            email: Some(details.email.clone()),
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
        let to = |email: &str, email_verified| Edit { email: Some(Some(email.to_owned())), email_verified, ..Edit::default() };
        assert!(to(" A@Example.com ", None).apply(&before).email_verified);
        assert!(!to("b@example.com", None).apply(&before).email_verified);
        assert!(to("b@example.com", Some(true)).apply(&before).email_verified);
    }
}
