//! Who may see what: access derived here a second time, and organizations that do not see each other.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use memberd_jobs::kernel::{Clock as _, SystemClock};
use reqwest::StatusCode;
use serde_json::Value;

use super::{
    super::{
        facts::{Told, text},
        screen::Screen,
        world::World,
    },
    compare::some,
    mirror::town_truth,
};

/// Most questions of one run: a large world is sampled evenly.
const QUESTIONS_MAX: usize = 1_000;

/// Seconds around an end in which it is not plain whether it has come: the leeway after a trial, and the run itself.
const MARGIN: i64 = 2 * 3600;

/// A question whose answer is plain.
#[derive(Debug)]
struct Question {
    organization: usize,
    customer: String,
    product: String,
    allowed: bool,
}

/// The API says of the plain cases what the subscriptions at Stripe say.
pub(super) async fn follows(world: &World, screen: &Screen) -> anyhow::Result<String> {
    let now = SystemClock.now().seconds();
    let mut questions = Vec::new();
    for (organization, town) in world.towns.iter().enumerate() {
        let products = town_truth(world, town, "product").await?;
        let subscriptions = town_truth(world, town, "subscription").await?;
        let of_customer = by_customer(&subscriptions);
        for (customer, subscriptions) in of_customer {
            for product in &products {
                let product = text(product, "id");
                if let Some(allowed) = plain(&subscriptions, product, now) {
                    questions.push(Question {
                        organization,
                        customer: customer.to_owned(),
                        product: product.to_owned(),
                        allowed,
                    });
                }
            }
        }
    }
    if questions.is_empty() {
        bail!("the sandbox has no subscriptions");
    }
    let step = questions.len().div_ceil(QUESTIONS_MAX);
    let mut wrong = Vec::new();
    let mut asked = 0;
    for question in questions.iter().step_by(step) {
        let Question {
            organization,
            customer,
            product,
            ..
        } = question;
        let path = format!("/v1/members/ext:stripe:{customer}/access?product={product}");
        let answer = world.towns[*organization].api.get(&path).await?;
        let allowed = answer["allowed"].as_bool().with_context(|| {
            format!("GET {path} does not say whether access is allowed: {answer}")
        })?;
        if allowed != question.allowed {
            wrong.push(format!("{customer} to {product}, allowed: {allowed}"));
        }
        asked += 1;
        screen.progress(|| format!("checking access: {asked} of {}", questions.len() / step));
    }
    match some("wrong answers", wrong.iter().map(String::as_str)) {
        Some(found) => bail!("{found}"),
        None => Ok(format!("{asked} questions")),
    }
}

fn by_customer(subscriptions: &[Value]) -> BTreeMap<&str, Vec<&Value>> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for subscription in subscriptions {
        found
            .entry(text(subscription, "customer"))
            .or_default()
            .push(subscription);
    }
    found
}

/// Whether a customer with these subscriptions may use a product at `now`, a Unix second, if that is plain: one that
/// says yes is enough, and where all of them say no it is no.
fn plain(subscriptions: &[&Value], product: &str, now: i64) -> Option<bool> {
    let says: Vec<_> = subscriptions
        .iter()
        .filter(|subscription| has_product(subscription, product))
        .map(|subscription| says(subscription, now))
        .collect();
    if says.contains(&Some(true)) {
        return Some(true);
    }
    says.iter().all(|one| *one == Some(false)).then_some(false)
}

/// What one subscription says. A trial or a planned end decides by the daemon's clock, whatever the sandbox's shows: it
/// may stand still long ago. What the grace or a pause decides is not plain.
fn says(subscription: &Value, now: i64) -> Option<bool> {
    let status = text(subscription, "status");
    if ["canceled", "unpaid", "incomplete", "incomplete_expired"].contains(&status) {
        return Some(false);
    }
    if !["active", "trialing"].contains(&status) || !subscription["pause_collection"].is_null() {
        return None;
    }
    let planned = &subscription["cancel_at"];
    if planned.is_null() && subscription["cancel_at_period_end"] == Value::Bool(true) {
        return None;
    }
    let trial = Some(&subscription["trial_end"]).filter(|_| status == "trialing");
    let ends = [Some(planned), trial].into_iter().flatten();
    match ends.filter_map(Value::as_i64).min() {
        None => Some(true),
        Some(end) if now < end - MARGIN => Some(true),
        Some(end) if end + MARGIN < now => Some(false),
        Some(_) => None,
    }
}

fn has_product(subscription: &Value, product: &str) -> bool {
    let items = subscription["items"]["data"].as_array();
    items
        .into_iter()
        .flatten()
        .any(|item| item["price"]["product"] == product)
}

/// Nothing of the first organization can be seen with the key of the second.
pub(super) async fn separate(world: &World, told: &[Told; 2]) -> anyhow::Result<String> {
    let [default, other] = &world.towns;
    let lists = [
        ("members", &told[0].members),
        ("subscriptions", &told[0].subscriptions),
    ];
    for (kind, list) in lists {
        let first = list
            .first()
            .with_context(|| format!("there are no {kind}"))?;
        let path = format!("/v1/{kind}/{}", text(first, "id"));
        let own = default.api.status(&path).await?;
        if own != StatusCode::OK {
            bail!("GET {path} with the own key answers {own}");
        }
        let foreign = other.api.status(&path).await?;
        if foreign != StatusCode::NOT_FOUND {
            bail!("GET {path} with the other organization's key answers {foreign} instead of 404");
        }
    }
    Ok("the other organization's key gets 404".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscription(status: &str, more: Value) -> Value {
        let mut subscription = json!({
            "customer": "cus_1", "status": status, "pause_collection": null, "cancel_at": null,
            "cancel_at_period_end": false, "items": {"data": [{"price": {"product": "prod_1"}}]},
        });
        if let (Some(all), Value::Object(more)) = (subscription.as_object_mut(), more) {
            all.extend(more);
        }
        subscription
    }

    const NOW: i64 = 1_000_000;

    #[test]
    fn plain_cases_are_answered_and_others_are_not() {
        let paused = json!({"pause_collection": {"behavior": "void"}});
        let (soon, late, over) = (NOW + MARGIN, NOW + MARGIN + 1, NOW - MARGIN - 1);
        for (status, more, expected) in [
            ("active", json!({}), Some(true)),
            ("trialing", json!({}), Some(true)),
            ("trialing", json!({"trial_end": late}), Some(true)),
            ("trialing", json!({"trial_end": soon}), None),
            ("trialing", json!({"trial_end": over}), Some(false)),
            ("active", json!({"trial_end": over}), Some(true)),
            ("active", paused, None),
            ("active", json!({"cancel_at_period_end": true}), None),
            (
                "active",
                json!({"cancel_at": late, "cancel_at_period_end": true}),
                Some(true),
            ),
            (
                "trialing",
                json!({"cancel_at": over, "trial_end": late}),
                Some(false),
            ),
            ("past_due", json!({}), None),
            ("paused", json!({}), None),
            ("canceled", json!({}), Some(false)),
            ("unpaid", json!({}), Some(false)),
            ("incomplete", json!({}), Some(false)),
        ] {
            let one = subscription(status, more.clone());
            assert_eq!(plain(&[&one], "prod_1", NOW), expected, "{status} {more}");
        }
    }

    #[test]
    fn one_open_subscription_is_enough_and_a_foreign_one_does_not_count() {
        let (open, over) = (
            subscription("active", json!({})),
            subscription("canceled", json!({})),
        );
        assert_eq!(plain(&[&over, &open], "prod_1", NOW), Some(true));
        assert_eq!(plain(&[&open], "prod_2", NOW), Some(false));
        assert_eq!(plain(&[], "prod_1", NOW), Some(false));
        let late = subscription("past_due", json!({}));
        assert_eq!(plain(&[&over, &late], "prod_1", NOW), None);
    }
}
