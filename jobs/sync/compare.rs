//! In what our copy of an object and Stripe's differ. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

/// Fields whose texts are words of Stripe or ids, so that they can be shown.
const PLAIN: [&str; 22] = [
    "billing_reason", "collection_method", "currency", "customer", "default_price", "duration", "id",
    "latest_invoice", "object", "payment_intent", "payment_status", "plan", "price", "product", "reason",
    "schedule", "status", "subscription", "tax_behavior", "tax_exempt", "type", "unit_amount_decimal",
];

/// One object that is not equal on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Stripe's `object` word.
    pub object_type: &'static str,
    /// Stripe's id.
    pub id: String,
    /// `missing` (Stripe has it, we do not), `extra` (we have it, Stripe does not) or `differs`.
    pub how: &'static str,
    /// The top-level fields that differ. Never their values: they can be personal.
    pub fields: Vec<String>,
}

/// A top-level field that differs, with what can be shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name; `object` when one side has no such object.
    pub field: String,
    /// What we hold; `None`: nothing.
    pub ours: Option<String>,
    /// What Stripe says; `None`: nothing.
    pub stripes: Option<String>,
}

/// The names of the top-level fields in which two objects differ.
pub(super) fn fields(ours: &Value, stripes: &Value) -> Vec<String> {
    let (Some(a), Some(b)) = (ours.as_object(), stripes.as_object()) else {
        return if ours == stripes { Vec::new() } else { vec!["object".to_owned()] };
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

/// The differences between two objects, of which one may not be there.
pub(super) fn differences(ours: Option<&Value>, stripes: Option<&Value>) -> Vec<Difference> {
    let (Some(a), Some(b)) = (ours, stripes) else {
        let here = |value: Option<&Value>| value.map(|_| "there".to_owned());
        let field = "object".to_owned();
        return vec![Difference { field, ours: here(ours), stripes: here(stripes) }];
    };
    let show = |value: &Value, field: &str| value.get(field).map(|found| shown(field, found));
    fields(a, b)
        .into_iter()
        .map(|field| Difference { ours: show(a, &field), stripes: show(b, &field), field })
        .collect()
}

/// A number, a truth value or a word of Stripe; of anything else how much of it there is.
fn shown(field: &str, value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if PLAIN.contains(&field) => text.clone(),
        Value::String(text) => format!("a text of {} characters", text.chars().count()),
        Value::Array(entries) => format!("a list of {}", entries.len()),
        Value::Object(fields) => format!("an object of {} fields", fields.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_never_shows_what_could_be_personal() {
        let ours = json!({ "id": "cus_1", "email": "ada@example.test", "status": "active", "balance": 5,
                           "metadata": { "note": "Ada" }, "gone": ["Ada"] });
        let stripes = json!({ "id": "cus_1", "email": "eve.long@example.test", "status": "canceled", "balance": 7,
                              "metadata": {} });
        let found = differences(Some(&ours), Some(&stripes));
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.field.as_str(), one.ours.as_deref().unwrap_or("-"), one.stripes.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(told, [
            ("balance", "5", "7"),
            ("email", "a text of 16 characters", "a text of 21 characters"),
            ("gone", "a list of 1", "-"),
            ("metadata", "an object of 1 fields", "an object of 0 fields"),
            ("status", "active", "canceled"),
        ]);
        let missing = differences(None, Some(&stripes));
        assert_eq!((missing[0].field.as_str(), missing[0].stripes.as_deref()), ("object", Some("there")));
        assert_eq!(differences(Some(&ours), Some(&ours)), []);
    }
}
