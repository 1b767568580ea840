//! What is decided, what is sent, and what is shown afterwards.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    both, creators,
    kernel::{Timestamp, db::Sql, ports::StripeError},
    members::{Edit, Whose},
    roster,
    testing::START,
};

const SHOWN: Sql =
    Sql::both("SELECT status, cancel_at_period_end FROM subscriptions WHERE id = 'sub_1'");
const REPORT: Sql = Sql::both(
    "SELECT state, coalesce(report, '') FROM jobs_done WHERE kind = 'operations.send_operation'",
);

both! {
    async fn a_cancellation_is_sent_once_and_shown_at_once(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &cancel(true)).await.unwrap();
        assert!(writes(&db).is_empty(), "nothing is sent before the commit, and nothing by it");
        let decided = row(&db, &id).await;
        assert_eq!((decided.state.as_str(), decided.first_sent_at), ("pending", None));
        assert_eq!(decided.actor, "key_test");
        assert!(decided.member_id.is_some() && decided.job_id.is_some());

        let after = with(subscription("active"), &json!({ "cancel_at_period_end": true }));
        db.stripe.answer_next(&after);
        db.stripe.put(&after);
        db.drain(&registry()).await;
        let form = vec![field("cancel_at_period_end", "true"), field("metadata[memberd_operation]", &id)];
        assert_eq!(writes(&db), [(format!("memberd:{id}"), "/subscriptions/sub_1".to_owned(), form)]);
        let done = row(&db, &id).await;
        assert_eq!((done.state.as_str(), done.http_status, done.sends), ("succeeded", Some(200), 1));
        assert!(done.request_id.is_some() && done.ended_at.is_some());
        let answer: Value = serde_json::from_str(&done.answer.unwrap()).unwrap();
        assert_eq!(answer["cancel_at_period_end"], true);
        assert_eq!(db.rows::<(String, bool)>(SHOWN, &[]).await, [("active".to_owned(), true)]);
    }

    async fn operations_of_a_creator_are_those_for_her_members(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &cancel(true)).await.unwrap();
        let member = row(&db, &id).await.member_id.unwrap();
        let mut tx = db.env.db.begin().await.unwrap();
        let new = creators::New { name: "Ann", external_id: Some("ann"), time_zone: None };
        let ann = creators::create(&mut tx, &db, "default", new).await.unwrap().unwrap().id;
        let hers = Edit { creator: Some(Some("ann".to_owned())), ..Edit::default() };
        roster::edit(&mut tx, &db, "default", roster::Whom::is(&member), &hers).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        for (creator, found) in [(Some(ann.as_str()), 1), (Some("crt_other"), 0), (None, 1)] {
            let filter = Filter { whose: Whose { member: None, creator }, ..Filter::default() };
            let listed = store::list(&db.env.db, "default", &filter, None, 10).await.unwrap();
            assert_eq!(listed.len(), found, "{creator:?}");
        }
    }

    async fn a_transaction_that_is_dropped_orders_nothing(db: TestDb) {
        member(&db, "active").await;
        let mut tx = db.env.db.begin().await.unwrap();
        let ids = order(&mut tx, &db.env, ME, &cancel(true)).await.unwrap().unwrap().operations;
        assert!(store::get_in(&mut tx, "default", &ids[0]).await.unwrap().is_some());
        drop(tx);
        db.drain(&registry()).await;
        assert!(writes(&db).is_empty() && rows(&db).await.is_empty());
    }

    async fn a_refusal_ends_it_with_stripes_code_in_row_and_report(db: TestDb) {
        member(&db, "active").await;
        let id = ordered(&db, &pause()).await.unwrap();
        db.stripe.fail_next(StripeError::Refused {
            status: 402,
            code: "card_declined".to_owned(),
            message: "no".to_owned(),
            request_id: "req_9".to_owned(),
        });
        db.drain(&registry()).await;
        let failed = row(&db, &id).await;
        assert_eq!((failed.state.as_str(), failed.http_status), ("failed", Some(402)));
        assert_eq!(failed.error_code.as_deref(), Some("card_declined"));
        assert_eq!(failed.request_id.as_deref(), Some("req_9"));
        let told = db.rows::<(String, String)>(REPORT, &[]).await;
        assert_eq!((told.len(), told[0].0.as_str()), (1, "completed"));
        assert!(told[0].1.contains("card_declined") && told[0].1.contains("req_9"), "{}", told[0].1);
    }

    async fn orders_on_one_object_are_carried_out_in_their_order(db: TestDb) {
        member(&db, "active").await;
        let first = ordered(&db, &pause()).await.unwrap();
        // What is under way counts: the mirror does not show the pause yet.
        let second = ordered(&db, &resume()).await.unwrap();
        let third = ordered(&db, &cancel(false)).await.unwrap();
        db.stripe.fail_next(StripeError::Unavailable("down".to_owned()));
        db.drain_allowing_failures(&registry()).await;
        assert_eq!(writes(&db).len(), 1, "the others wait for the first");
        for _ in 0..3 {
            db.stripe.answer_next(&subscription("active"));
        }
        db.advance(Duration::from_secs(5));
        db.drain(&registry()).await;
        let keys: Vec<_> = writes(&db).into_iter().map(|write| write.0).collect();
        let expected = [&first, &first, &second, &third].map(|id| format!("memberd:{id}"));
        assert_eq!(keys, expected);
        assert_eq!(writes(&db)[2].2[0], field("pause_collection", ""));
    }

    async fn a_refused_order_lets_the_next_one_go(db: TestDb) {
        member(&db, "active").await;
        ordered(&db, &pause()).await.unwrap();
        let next = ordered(&db, &cancel(true)).await.unwrap();
        db.stripe.fail_next(StripeError::Refused {
            status: 400, code: "no".to_owned(), message: String::new(), request_id: String::new(),
        });
        db.stripe.answer_next(&subscription("active"));
        db.drain(&registry()).await;
        assert_eq!(row(&db, &next).await.state, "succeeded");
    }

    async fn many_orders_at_once_stand_in_one_row(db: TestDb) {
        member(&db, "active").await;
        let (tracker, mut tasks) = (TaskTracker::new(), Vec::new());
        for _ in 0..8 {
            let env = db.node().await;
            tasks.push(tracker.spawn(async move {
                let mut tx = env.db.begin().await.unwrap();
                order(&mut tx, &env, ME, &cancel(true)).await.unwrap().unwrap();
                tx.commit().await.unwrap();
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let rows = rows(&db).await;
        assert_eq!(rows.len(), 8);
        let mut before: Vec<_> = rows.iter().map(|row| row.after_id.clone()).collect();
        before.sort();
        before.dedup();
        assert_eq!(before.len(), 8, "each waits for another one, and one for nobody");
        assert_eq!(db.count("jobs WHERE kind = 'operations.send_operation'").await, 1);
    }

    async fn what_makes_no_sense_is_refused(db: TestDb) {
        member(&db, "active").await;
        assert_eq!(ordered(&db, &resume()).await, Err(Refusal::NothingToResume("sub_1".to_owned())));
        let late = Order::PauseSubscription {
            id: "sub_1".to_owned(),
            behavior: PauseBehavior::Void,
            resumes_at: Some(Timestamp(0)),
        };
        assert_eq!(ordered(&db, &late).await, Err(Refusal::InThePast("resumes_at")));
        let other = Order::ResumeSubscription { id: "sub_2".to_owned() };
        assert_eq!(ordered(&db, &other).await, Err(Refusal::NoSubscription("sub_2".to_owned())));
        mirror(&db, &with(subscription("canceled"), &json!({ "ended_at": START.seconds() }))).await;
        assert_eq!(ordered(&db, &cancel(true)).await, Err(Refusal::Ended("sub_1".to_owned())));
        let db = db.with_settings(|settings| settings.organizations.clear());
        assert_eq!(ordered(&db, &cancel(true)).await, Err(Refusal::NoStripe));
        assert!(rows(&db).await.is_empty());
    }

    async fn resuming_takes_away_what_stands_in_the_way(db: TestDb) {
        member(&db, "active").await;
        let paused = json!({ "pause_collection": { "behavior": "void" }, "cancel_at_period_end": true });
        for (object, path, form) in [
            (with(subscription("active"), &paused), "/subscriptions/sub_1", Some(("pause_collection", ""))),
            (
                with(subscription("active"), &json!({ "cancel_at_period_end": true })),
                "/subscriptions/sub_1",
                Some(("cancel_at_period_end", "false")),
            ),
            (subscription("paused"), "/subscriptions/sub_1/resume", None),
        ] {
            mirror(&db, &object).await;
            db.stripe.forget_calls();
            ordered(&db, &resume()).await.unwrap();
            db.stripe.answer_next(&subscription("active"));
            db.drain(&registry()).await;
            let (_, sent, fields) = writes(&db).remove(0);
            assert_eq!(sent, path);
            let first = fields.first().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(first, form);
            db.advance(Duration::from_secs(1));
        }
    }
}
