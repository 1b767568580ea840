//! `previous_attributes`: what the changed fields of an object were before.

use serde_json::{Map, Value};

/// Groups that Stripe shows as a whole once anything in them changed.
const WHOLE: [&str; 2] = ["items", "lines"];

/// The old values of all fields that differ, or `None` when nothing differs. Inside groups only
/// the changed fields are listed; a field that was absent is `null`.
pub(crate) fn previous_attributes(old: &Value, new: &Value) -> Option<Value> {
    let (old, new) = (old.as_object()?, new.as_object()?);
    let mut changed = Map::new();
    for key in old
        .keys()
        .chain(new.keys().filter(|key| !old.contains_key(*key)))
    {
        let before = old.get(key).unwrap_or(&Value::Null);
        let after = new.get(key).unwrap_or(&Value::Null);
        if before == after {
            continue;
        }
        let inner = if before.is_object() && after.is_object() && !WHOLE.contains(&key.as_str()) {
            previous_attributes(before, after)
        } else {
            None
        };
        changed.insert(key.clone(), inner.unwrap_or_else(|| before.clone()));
    }
    (!changed.is_empty()).then_some(Value::Object(changed))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_changed_fields_are_listed_with_their_old_values() {
        let old = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": null, "items": {"data": [1], "n": 1}});
        let new =
            json!({"a": 1, "b": {"x": 5, "y": 2, "z": 3}, "c": 4, "items": {"data": [2], "n": 1}});
        assert_eq!(
            previous_attributes(&old, &new),
            Some(json!({"b": {"x": 1, "z": null}, "c": null, "items": {"data": [1], "n": 1}}))
        );
        assert_eq!(previous_attributes(&old, &old), None);
    }
}
