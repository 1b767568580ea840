//! What people do to endpoints.

use std::time::Duration;

use super::{delivery, deliveries_of, endpoint, granted, now, registry, tell};
use crate::{
    both,
    testing::{TestDb, status},
    webhooks_out::{
        self, ENDPOINTS_MAX, Created, Refused,
        store::{endpoints::Wanted, secrets::{self, SECRETS_MAX}},
    },
};

const DAY: Duration = Duration::from_hours(24);

async fn rotate(db: &TestDb, id: &str, overlap: Duration) -> Created {
    let mut tx = db.env.db.begin().await.unwrap();
    let made = webhooks_out::rotate(&mut tx, db, "default", id, overlap).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    made
}

/// On SQLite there is one transaction at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_endpoints_that_are_made_at_once_one_is_too_many() {
    let db = TestDb::postgres().await;
    for _ in 1..ENDPOINTS_MAX {
        endpoint(&db).await;
    }
    let wanted = Wanted { url: "https://receiver.example/", description: None, event_types: None };
    let mut first = db.env.db.begin().await.unwrap();
    webhooks_out::create(&mut first, &db, "default", &wanted).await.unwrap().unwrap();
    let second = async {
        let mut tx = db.env.db.begin().await.unwrap();
        webhooks_out::create(&mut tx, &db, "default", &wanted).await.unwrap()
    };
    let committing = async {
        db.until_one_waits().await;
        first.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(second, committing).0, Err(Refused::TooMany));
}

both! {
    async fn an_endpoint_needs_a_key_and_room(db: TestDb) {
        let wanted = Wanted { url: "https://receiver.example/", description: None, event_types: None };
        db.receivers.set_key(None);
        let mut tx = db.env.db.begin().await.unwrap();
        let refused = webhooks_out::create(&mut tx, &db, "default", &wanted).await.unwrap();
        assert_eq!(refused, Err(Refused::NoKey));
        db.receivers.set_key(Some("key1"));
        for _ in 0..ENDPOINTS_MAX {
            webhooks_out::create(&mut tx, &db, "default", &wanted).await.unwrap().unwrap();
        }
        let refused = webhooks_out::create(&mut tx, &db, "default", &wanted).await.unwrap();
        assert_eq!(refused, Err(Refused::TooMany));
    }

    async fn a_test_at_once_tells_which_key_is_missing(db: TestDb) {
        let endpoint = endpoint(&db).await;
        let test = async || webhooks_out::try_out(&db, "default", &endpoint.id).await.unwrap();
        assert_eq!(test().await, Ok(status(200)));
        db.receivers.set_key(Some("another"));
        let missing = Refused::KeyMissing { endpoint: endpoint.id.clone(), key_id: "key1".to_owned() };
        assert_eq!(test().await, Err(missing));
    }

    async fn a_rotated_secret_signs_on_beside_the_new_one(db: TestDb) {
        let endpoint = endpoint(&db).await;
        let [old] = secrets::live(&db.env.db, "default", &endpoint.id, db.now()).await.unwrap().try_into().unwrap();
        let new = rotate(&db, &endpoint.id, DAY).await.secret;
        assert_ne!(old.salt, new.salt);
        for signed in [vec![new.id.clone(), old.id.clone()], vec![new.id.clone()]] {
            tell(&db, &granted(None)).await;
            db.drain(&registry()).await;
            assert_eq!(db.receivers.take_sent()[0].secrets, signed);
            db.advance(DAY);
        }
        for _ in 0..10 {
            rotate(&db, &endpoint.id, DAY).await;
        }
        let live = secrets::live(&db.env.db, "default", &endpoint.id, db.now()).await.unwrap();
        assert_eq!(live.len(), SECRETS_MAX);
        let last = rotate(&db, &endpoint.id, Duration::ZERO).await.secret;
        let live = secrets::live(&db.env.db, "default", &endpoint.id, db.now()).await.unwrap();
        assert_eq!(live.iter().map(|one| &one.id).collect::<Vec<_>>(), [&last.id]);
        assert_eq!(db.count("webhook_secrets").await, 1);
    }

    async fn a_deleted_endpoint_is_sent_nothing_and_its_history_stays(db: TestDb) {
        let endpoint = endpoint(&db).await;
        tell(&db, &granted(None)).await;
        let mut tx = db.env.db.begin().await.unwrap();
        assert!(!webhooks_out::delete(&mut tx, "other", &endpoint.id).await.unwrap());
        assert!(webhooks_out::delete(&mut tx, "default", &endpoint.id).await.unwrap());
        tx.commit().await.unwrap();
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent(), []);
        let row = delivery(&db).await;
        assert_eq!((row.state.as_str(), row.error.as_deref()), ("failed", Some("endpoint_deleted")));
        assert_eq!(db.count("webhook_secrets").await, 0);
        let mut tx = db.env.db.begin().await.unwrap();
        let refused = webhooks_out::resend(&mut tx, &db, "default", &row.id).await.unwrap();
        assert_eq!(refused, Err(Refused::NoEndpoint(endpoint.id)));
    }

    async fn one_that_was_deleted_meanwhile_lacks_no_key(db: TestDb) {
        let gone = webhooks_out::endpoints::signing(&db, "default", "whe_gone").await.unwrap();
        assert_eq!(gone, Err(Refused::NoEndpoint("whe_gone".to_owned())));
    }

    async fn only_the_endpoint_hears_of_its_test(db: TestDb) {
        let (tested, other) = (endpoint(&db).await, endpoint(&db).await);
        let mut tx = db.env.db.begin().await.unwrap();
        let id = webhooks_out::send_test(&mut tx, &db, "default", &tested.id).await.unwrap().unwrap();
        let strange = webhooks_out::send_test(&mut tx, &db, "other", &tested.id).await.unwrap();
        assert_eq!(strange, Err(Refused::NoEndpoint(tested.id.clone())));
        webhooks_out::set_enabled(&mut tx, &db, "default", &other.id, false).await.unwrap();
        let refused = webhooks_out::send_test(&mut tx, &db, "default", &other.id).await.unwrap();
        assert_eq!(refused, Err(Refused::Disabled(other.id)));
        tx.commit().await.unwrap();
        db.drain(&registry()).await;
        let row = delivery(&db).await;
        assert_eq!((&row.id, row.state.as_str(), row.kind.as_str()), (&id, "delivered", webhooks_out::TEST_EVENT));
    }

    async fn a_delivery_is_sent_again_with_all_its_attempts(db: TestDb) {
        let endpoint = endpoint(&db).await;
        db.receivers.answer_next(status(500));
        tell(&db, &granted(None)).await;
        db.drain(&registry()).await;
        db.advance(DAY);
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent().len(), 2);
        let row = delivery(&db).await;
        let mut tx = db.env.db.begin().await.unwrap();
        let again = webhooks_out::resend(&mut tx, &db, "default", &row.id).await.unwrap().unwrap();
        assert_eq!((again.state.as_str(), again.attempts), ("pending", 0));
        let strange = webhooks_out::resend(&mut tx, &db, "other", &row.id).await.unwrap();
        assert_eq!(strange, Err(Refused::NoDelivery(row.id.clone())));
        tx.commit().await.unwrap();
        db.drain(&registry()).await;
        assert_eq!(db.receivers.take_sent()[0].id, row.event_id);
        assert_eq!(deliveries_of(&db, "default").await.len(), 1);
        assert_eq!(now(&db, &endpoint).await.failing_since, None);
    }
}
