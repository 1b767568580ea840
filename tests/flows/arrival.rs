//! A signed webhook becomes state that people can read.

use memberd_jobs::{args, kernel::db::Sql};
use serde_json::json;

use crate::support::{World, on_both, until};

/// How long after a webhook was stored its effect was committed. Events of one second that came in another order wait
/// until that second is over.
const SLOWEST: Sql = Sql::both(
    "SELECT coalesce(max(applied_at - received_at), -1) FROM stripe_events
     WHERE state = 'applied' AND asked_at IS NULL",
);
/// What we promise.
const EFFECT_WITHIN_MS: i64 = 1_000;

on_both! {
    async fn a_webhook_becomes_a_member_with_access(world: World) {
        let daemon = world.daemon().await;
        let ada = world.subscriber("ada@example.test").await;
        world.settled().await;

        let path = format!("/v1/members?foreign_key[key]=stripe&foreign_key[value]={}", ada.customer);
        let members = daemon.get(&path).await;
        assert_eq!(members["data"].as_array().map(Vec::len), Some(1), "{members}");
        let member = &members["data"][0];
        assert_eq!(member["email"], "ada@example.test", "{member}");
        assert_eq!(member["status"], "active", "{member}");

        let subscription = daemon.get(&format!("/v1/subscriptions/{}", ada.subscription)).await;
        assert_eq!(subscription["status"], "active", "{subscription}");

        let access = |product: &str| format!("/v1/members/ext:stripe:{}/access?product={product}", ada.customer);
        let access = [daemon.get(&access(&ada.product)).await, daemon.get(&access("prod_unknown")).await];
        assert_eq!(access[0]["allowed"], true, "{}", access[0]);
        assert_eq!(access[1]["allowed"], false, "{}", access[1]);

        world.assert_mirror_equals_truth().await;
        let (slowest,): (i64,) = world.db.rows(SLOWEST, args![]).await[0];
        assert!((0..=EFFECT_WITHIN_MS).contains(&slowest), "an effect took {slowest} ms");
    }

    async fn a_cancellation_ends_the_access(world: World) {
        let daemon = world.daemon().await;
        let ada = world.subscriber("ada@example.test").await;
        let path = format!("/v1/subscriptions/{}", ada.subscription);
        world.stripe("DELETE", &path, "").await;
        until("the end of the access", async || {
            let path = format!("/v1/members/ext:stripe:{}/access?product={}", ada.customer, ada.product);
            let answer = daemon.api(reqwest::Method::GET, &path).await;
            (answer.json["allowed"] == json!(false)).then_some(())
        }).await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;
    }

    async fn a_deleted_customer_leaves_a_tombstone(world: World) {
        let _daemon = world.daemon().await;
        let ada = world.subscriber("ada@example.test").await;
        world.settled().await;
        world.stripe("DELETE", &format!("/v1/customers/{}", ada.customer), "").await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.db.count("customers WHERE deleted").await, 1);
    }
}
