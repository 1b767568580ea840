//! Answers that do not come, and what is done about it.

use std::time::Duration;

use super::*;
use crate::{args, both, kernel::db::Sql, kernel::ports::StripeError};

const TAMPER: Sql = Sql::both("UPDATE stripe_operations SET form = $2 WHERE id = $1");
/// Longer than Stripe remembers keys.
const DAY: Duration = Duration::from_hours(24);

fn down() -> StripeError {
    StripeError::Unavailable("no answer within 5s".to_owned())
}

fn gone() -> StripeError {
    StripeError::Refused {
        status: 404,
        code: "resource_missing".to_owned(),
        message: "No such subscription".to_owned(),
        request_id: "req_2".to_owned(),
    }
}

/// Orders, and lets the first answer be lost.
async fn in_doubt(db: &TestDb, wanted: &Order) -> String {
    member(db, "active").await;
    let id = ordered(db, wanted).await.unwrap();
    db.stripe.fail_next(down());
    db.drain_allowing_failures(&registry()).await;
    let row = row(db, &id).await;
    assert_eq!(row.state, "unknown");
    assert_eq!(row.error.as_deref(), Some("no answer within 5s"));
    id
}

both! {
    async fn without_an_answer_the_same_is_sent_again_under_the_same_key(db: TestDb) {
        let id = in_doubt(&db, &cancel(true)).await;
        let first_sent = row(&db, &id).await.first_sent_at;
        db.stripe.answer_next(&subscription("active"));
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        let sent = writes(&db);
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
        let done = row(&db, &id).await;
        assert_eq!((done.state.as_str(), done.sends), ("succeeded", 2));
        assert_eq!(done.first_sent_at, first_sent);
        // Within a day the key is enough; nothing is looked up.
        assert!(done.looked_up_at.is_none());
    }

    async fn after_a_day_an_effect_that_is_there_is_not_made_again(db: TestDb) {
        let id = in_doubt(&db, &cancel(true)).await;
        db.stripe.put(&with(
            subscription("active"),
            &json!({ "cancel_at_period_end": true, "metadata": { "memberd_operation": id } }),
        ));
        db.advance(DAY);
        db.drain(&registry()).await;
        assert_eq!(writes(&db).len(), 1);
        let done = row(&db, &id).await;
        assert_eq!((done.state.as_str(), done.http_status), ("succeeded", None));
        assert_eq!(db.count("subscriptions WHERE cancel_at_period_end").await, 1);
    }

    async fn after_a_day_an_effect_that_is_not_there_is_made_after_all(db: TestDb) {
        let id = in_doubt(&db, &cancel(true)).await;
        db.advance(DAY);
        db.stripe.fail_next(down());
        let drained = db.drain_allowing_failures(&registry()).await;
        assert_eq!(drained.retried, 1, "a look without an answer is no look");
        assert_eq!(writes(&db).len(), 1);
        db.advance(Duration::from_secs(10));
        db.stripe.answer_next(&subscription("active"));
        db.drain(&registry()).await;
        let sent = writes(&db);
        assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
        let done = row(&db, &id).await;
        assert_eq!(done.state, "succeeded");
        assert!(done.looked_up_at > done.first_sent_at);
    }

    async fn what_a_later_operation_has_overtaken_is_not_done(db: TestDb) {
        let id = in_doubt(&db, &pause()).await;
        let later = db.env.id("op");
        db.stripe.put(&with(subscription("active"), &json!({ "metadata": { "memberd_operation": later } })));
        db.advance(DAY);
        db.drain(&registry()).await;
        assert_eq!(writes(&db).len(), 1);
        assert_eq!(row(&db, &id).await.error_code.as_deref(), Some("superseded"));
    }

    async fn a_refused_repetition_of_what_has_happened_is_a_success(db: TestDb) {
        let id = in_doubt(&db, &cancel(false)).await;
        db.stripe.put(&with(subscription("canceled"), &json!({ "ended_at": 1_768_473_000 })));
        db.stripe.fail_next(gone());
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        let done = row(&db, &id).await;
        assert_eq!((done.state.as_str(), done.error_code), ("succeeded", None));
        assert_eq!(db.count("subscriptions WHERE status = 'canceled'").await, 1);
    }

    async fn a_refused_repetition_of_what_has_not_happened_is_a_failure(db: TestDb) {
        let id = in_doubt(&db, &cancel(false)).await;
        db.stripe.fail_next(gone());
        db.advance(Duration::from_secs(2));
        db.drain(&registry()).await;
        let failed = row(&db, &id).await;
        assert_eq!((failed.state.as_str(), failed.request_id.as_deref()), ("failed", Some("req_2")));
    }

    async fn too_many_requests_cost_no_attempt(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &cancel(true)).await.unwrap();
        db.stripe.fail_next(StripeError::RateLimited(Duration::from_secs(7)));
        assert_eq!(db.drain(&registry()).await.snoozed, 1);
        db.stripe.answer_next(&subscription("active"));
        db.advance(Duration::from_secs(7));
        db.drain(&registry()).await;
        assert_eq!(row(&db, &id).await.state, "succeeded");
        assert_eq!(db.count("jobs_done WHERE kind = 'operations.send_operation' AND attempt = 1").await, 1);
    }

    async fn a_request_that_was_changed_on_its_way_is_not_sent(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &cancel(true)).await.unwrap();
        db.execute(TAMPER, args![&id, r#"[["cancel_at_period_end","false"]]"#]).await;
        db.drain(&registry()).await;
        assert!(writes(&db).is_empty());
        assert_eq!(row(&db, &id).await.error_code.as_deref(), Some("request_changed"));
    }

    async fn nothing_is_sent_to_another_account(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &cancel(true)).await.unwrap();
        let db = db.with_settings(|settings| {
            for organization in settings.organizations.values_mut() {
                organization.account = "acct_other".to_owned();
            }
        });
        db.drain(&registry()).await;
        assert!(writes(&db).is_empty());
        assert_eq!(row(&db, &id).await.error_code.as_deref(), Some("account_changed"));
    }

    async fn what_stays_unknown_lets_the_next_one_go(db: TestDb) {
        let id = in_doubt(&db, &cancel(true)).await;
        let next = ordered(&db, &pause()).await.unwrap();
        db.stripe.answer_next(&subscription("active"));
        for _ in 0..100 {
            if row(&db, &next).await.sends > 0 {
                break;
            }
            db.stripe.fail_next(down());
            db.advance(Duration::from_hours(1));
            db.drain_allowing_failures(&registry()).await;
        }
        assert_eq!(row(&db, &id).await.state, "unknown");
        assert_eq!(row(&db, &next).await.state, "succeeded");
        assert_eq!(db.count("jobs_done WHERE state = 'discarded'").await, 1);
        // Nor does anybody wait for it who comes later.
        let last = ordered(&db, &cancel(true)).await.unwrap();
        assert_eq!(row(&db, &last).await.after_id, None);
    }
}
