//! One number for a whole world: equal worlds have equal digests, on both databases and on every machine.
//!
//! It is made of natural facts only, as the API tells them: Stripe's ids, statuses, tiers, what members may use and
//! until when, amounts. Ids and times of our own differ from run to run and are left out.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::facts::{Told, customer_of};

/// SHA-256 in hex over the sorted lines of all organizations.
pub(super) fn digest<'a>(told: impl IntoIterator<Item = (&'a str, &'a Told)>) -> String {
    let mut lines: Vec<String> = told
        .into_iter()
        .flat_map(|(organization, told)| {
            lines(told).map(move |line| format!("{organization} {line}"))
        })
        .collect();
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hex::encode(hash.finalize())
}

fn lines(told: &Told) -> impl Iterator<Item = String> {
    let members = told.members.iter().flat_map(|member| {
        let customer = customer_of(member).unwrap_or("-");
        let first = fields(
            &format!("member {customer}"),
            member,
            &["status", "tier_id", "joined_at"],
        );
        let entitlements = member["entitlements"].as_array().into_iter().flatten();
        let rest = entitlements.map(move |one| {
            let kind = format!("entitlement {customer}");
            fields(
                &kind,
                one,
                &["product_id", "source_id", "started_at", "ended_at"],
            )
        });
        std::iter::once(first).chain(rest).collect::<Vec<_>>()
    });
    let subscriptions = told.subscriptions.iter().flat_map(|one| {
        let names = [
            "id",
            "customer_id",
            "status",
            "current_period_end",
            "cancel_at",
            "ended_at",
        ];
        let items = one["items"].as_array().into_iter().flatten();
        let kind = format!("item {}", word(&one["id"]));
        let rest =
            items.map(|item| fields(&kind, item, &["id", "price_id", "product_id", "quantity"]));
        std::iter::once(fields("subscription", one, &names))
            .chain(rest)
            .collect::<Vec<_>>()
    });
    let invoices = told.invoices.iter().map(|one| {
        fields(
            "invoice",
            one,
            &["id", "status", "total", "amount_paid", "currency"],
        )
    });
    let tiers = told
        .tiers
        .iter()
        .map(|one| fields("tier", one, &["id", "name", "is_default"]));
    let all: Vec<String> = members
        .chain(subscriptions)
        .chain(invoices)
        .chain(tiers)
        .collect();
    all.into_iter()
}

fn fields(kind: &str, object: &Value, names: &[&str]) -> String {
    let words: Vec<String> = names.iter().map(|name| word(&object[*name])).collect();
    format!("{kind} {}", words.join(" "))
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(ours: &str, status: &str) -> Told {
        let member = |number: u32, status: &str| {
            json!({
                "id": format!("mem_{ours}{number}"), "status": status, "created_at": ours,
                "foreign_keys": [{"key": "stripe", "value": format!("cus_{number}")}],
                "entitlements": [{"id": ours, "product_id": "prod_1", "ended_at": null}],
            })
        };
        Told {
            members: vec![member(1, status), member(2, "active")],
            subscriptions: vec![json!({"id": "sub_1", "status": "active"})],
            invoices: vec![json!({"id": "in_1", "total": 500, "currency": "usd"})],
            ..Told::default()
        }
    }

    #[test]
    fn ids_times_and_order_of_ours_do_not_count() {
        let one = told("A", "active");
        let mut two = told("B", "active");
        two.members.reverse();
        assert_eq!(digest([("default", &one)]), digest([("default", &two)]));
        assert_eq!(digest([("default", &one)]).len(), 64);
    }

    #[test]
    fn every_natural_fact_counts() {
        let before = digest([("default", &told("A", "active"))]);
        assert_ne!(before, digest([("default", &told("A", "paused"))]));
        assert_ne!(before, digest([("other", &told("A", "active"))]));
        let change = |at: &str, value: Value| {
            let mut changed = told("A", "active");
            let (list, field) = at.split_once('/').unwrap();
            let list = match list {
                "subscriptions" => &mut changed.subscriptions,
                "invoices" => &mut changed.invoices,
                _ => &mut changed.members,
            };
            *list[0].pointer_mut(&format!("/{field}")).unwrap() = value;
            digest([("default", &changed)])
        };
        assert_ne!(before, change("subscriptions/status", json!("canceled")));
        assert_ne!(before, change("invoices/total", json!(501)));
        assert_ne!(
            before,
            change("members/foreign_keys/0/value", json!("cus_3"))
        );
        assert_ne!(
            before,
            change(
                "members/entitlements/0/ended_at",
                json!("2026-03-01T00:00:00Z")
            )
        );
        assert_ne!(
            before,
            change("members/entitlements/0/product_id", json!("prod_2"))
        );
    }
}
