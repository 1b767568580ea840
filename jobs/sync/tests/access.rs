//! What the mirror means for access.

use std::time::Duration;

use serde_json::json;

use super::{customer, event, invoice, members, receive, registry, subscription};
use crate::{
    both,
    entitlements::store::policy,
    kernel::policy::Rule,
    sync::derive_if_policy_changed,
    testing::TestDb,
};

async fn announce(db: &TestDb, id: &str, object: &serde_json::Value) {
    db.stripe.put(object);
    let mut event = event(id, "any.change", object);
    event["created"] = json!(db.now().seconds());
    receive(db, &event).await;
    db.drain(&registry()).await;
    db.advance(Duration::from_secs(1));
}

async fn end(db: &TestDb) -> Option<i64> {
    members(db).await[0].4.map(|end| end / 1000)
}

both! {
    async fn another_policy_derives_all_members_anew(db: TestDb) {
        for number in 0..3 {
            let id = format!("cus_{number}");
            announce(&db, &format!("evt_{number}"), &customer(&id)).await;
            let sub = subscription(&format!("sub_{number}"), &id, "prod_a", "incomplete");
            announce(&db, &format!("evt_s{number}"), &sub).await;
        }
        derive_if_policy_changed(&db).await.unwrap();
        assert_eq!(db.drain(&registry()).await.completed, 1);
        assert_eq!(db.count("members WHERE status = 'active'").await, 0);
        derive_if_policy_changed(&db).await.unwrap();
        assert_eq!(db.drain(&registry()).await.completed, 0);
        let db = db.with_settings(|settings| settings.access.incomplete = Rule::Full);
        derive_if_policy_changed(&db).await.unwrap();
        derive_if_policy_changed(&db).await.unwrap();
        assert_eq!(db.drain(&registry()).await.completed, 1);
        assert_eq!(db.count("members WHERE status = 'active'").await, 3);
        assert!(policy(&db.db, "default").await.unwrap().unwrap().contains("incomplete: Full"));
    }

    async fn the_grace_begins_when_the_first_payment_failed_in_whatever_order_it_is_told(db: TestDb) {
        announce(&db, "evt_1", &customer("cus_1")).await;
        let mut sub = subscription("sub_1", "cus_1", "prod_a", "past_due");
        sub["items"]["data"][0]["current_period_start"] = json!(1_762_600_000);
        announce(&db, "evt_2", &sub).await;
        let grace = 7 * 24 * 3600;
        assert_eq!(end(&db).await, Some(1_762_600_000 + grace));
        let mut older = invoice("in_1", "cus_1", "sub_1", "open");
        (older["created"], older["amount_remaining"]) = (json!(1_760_000_100), json!(999));
        announce(&db, "evt_3", &older).await;
        assert_eq!(end(&db).await, Some(1_760_000_100 + grace));
        older["due_date"] = json!(1_760_500_000);
        announce(&db, "evt_4", &older).await;
        assert_eq!(end(&db).await, Some(1_760_500_000 + grace));
        (older["status"], older["amount_remaining"]) = (json!("paid"), json!(0));
        announce(&db, "evt_5", &older).await;
        assert_eq!(end(&db).await, Some(1_762_600_000 + grace));
    }
}
