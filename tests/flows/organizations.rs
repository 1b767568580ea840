//! A second organization lives beside the first and neither sees the other.

use serde_json::json;

use super::missed;
use crate::support::{CONNECTED_ACCOUNT, Node, World, ids, on_both, webhook};

on_both! {
    async fn a_second_organization_is_separate(world: World) {
        let daemon = world.daemon().await;
        let ada = world.subscriber("ada@example.test").await;
        let form = "email=ada@example.test&name=Ada+of+the+others";
        let other = world.stripe_as("sk_test_other", "POST", "/v1/customers", form).await;
        let other = other["id"].as_str().unwrap();
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        let rows = [
            "stripe_events WHERE organization_id = 'other'",
            "customers WHERE organization_id = 'other'",
            "members WHERE organization_id = 'other'",
        ];
        for table in rows {
            assert_eq!(world.db.count(table).await, 1, "{table}");
        }

        let ours = daemon.get_as(&world.key, "/v1/members").await.ok();
        let theirs = daemon.get_as(&world.other_key, "/v1/members").await.ok();
        assert_eq!((ids(&ours).len(), ids(&theirs).len()), (1, 1), "{ours} {theirs}");
        assert_ne!(ids(&ours), ids(&theirs));
        let subscriptions = daemon.get_as(&world.other_key, "/v1/subscriptions").await.ok();
        assert_eq!(ids(&subscriptions), Vec::<String>::new());

        let strangers = [
            (&world.other_key, format!("/v1/members/{}", ids(&ours)[0])),
            (&world.other_key, format!("/v1/members/ext:stripe:{}", ada.customer)),
            (&world.other_key, format!("/v1/subscriptions/{}", ada.subscription)),
            (&world.key, format!("/v1/members/{}", ids(&theirs)[0])),
            (&world.key, format!("/v1/members/ext:stripe:{other}")),
        ];
        for (key, path) in strangers {
            let answer = daemon.get_as(key, &path).await;
            assert_eq!(answer.problem().0, 404, "{path}: {}", answer.json);
        }
    }

    async fn a_connected_account_has_an_organization_of_its_own(world: World) {
        let creator = format!("[organizations.creator.stripe]\naccount = \"{CONNECTED_ACCOUNT}\"\nconnected = true\n");
        let daemon = world.daemon_with(Node::default().toml(&creator)).await;
        let heard = json!({
            "account": CONNECTED_ACCOUNT, "connect": true, "url": daemon.url("/webhooks/stripe"),
            "secret": webhook::SECRET,
        });
        world.inspect("/stripe/webhook_endpoints", &heard).await;
        world.subscriber("ada@example.test").await;
        let theirs = world.stripe_connected("POST", "/v1/customers", "email=bob@example.test").await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        assert_eq!(world.differences("creator", CONNECTED_ACCOUNT).await, Vec::<String>::new());
        let told = "stripe_events WHERE organization_id = 'creator' AND source = 'webhook' AND state = 'applied'";
        assert_eq!(world.db.count(told).await, 1);

        // Without a webhook: what is asked for is asked for of the connected account.
        let chaos = json!({"drop": 1.0});
        world.inspect("/stripe/chaos", &chaos).await;
        let path = format!("/v1/customers/{}", theirs["id"].as_str().unwrap());
        world.stripe_connected("POST", &path, "name=Bob").await;
        world.stripe_connected("POST", "/v1/customers", "email=cyd@example.test").await;
        world.inspect("/stripe/chaos", &json!({})).await;
        missed::run(&daemon, "sync.reconcile_objects").await;
        world.idle().await;
        assert_eq!(world.differences("creator", CONNECTED_ACCOUNT).await, Vec::<String>::new());
        world.assert_mirror_equals_truth().await;
    }

    async fn the_same_event_id_in_two_organizations_is_two_events(world: World) {
        let daemon = world.daemon().await;
        let event = webhook::customer_event("evt_shared", "cus_of_nobody").to_string();
        let sent = [("/webhooks/stripe", webhook::SECRET), ("/webhooks/stripe/other", webhook::OTHER_SECRET)];
        for (path, secret) in sent {
            let now = webhook::seconds_now();
            let signature = memberd_sandbox::signature::header(secret, now, event.as_bytes());
            webhook::send(&daemon, path, &signature, event.clone()).await.ok();
        }
        world.idle().await;
        assert_eq!(world.db.count("stripe_events WHERE id = 'evt_shared'").await, 2);
        assert_eq!(world.db.count("stripe_events WHERE state = 'applied'").await, 2);
    }
}
