//! History is bounded by age and by number.

use std::time::Duration;

use crate::{
    both,
    kernel::{
        Timestamp,
        db::Sql,
        queue::{Outcome, prune::prune},
        test_jobs::{Hourly, Plain, claim_one, completed, done, end, settle},
    },
    testing::TestDb,
};

const MINUTE: Duration = Duration::from_mins(1);
const NO_LIMIT: i64 = 1_000;

const FAIL: Sql = Sql::both("UPDATE jobs_done SET state = 'discarded'");

/// Jobs that finished one minute after the other, the first of them badly.
async fn history(db: &TestDb, count: usize) {
    for at in 0..count {
        db.enqueue(Plain::with(&at.to_string())).await;
        let job = claim_one(db, "a").await;
        let failed = end(
            &job,
            Outcome::Discarded {
                error: "no".to_owned(),
            },
        );
        let ack = if at == 0 { failed } else { completed(&job) };
        settle(db, &[ack]).await;
        db.advance(MINUTE);
    }
}

both! {
    async fn jobs_older_than_the_limit_go_with_their_attempts(db: TestDb) {
        history(&db, 5).await;
        let before = db.now().minus(MINUTE * 3);
        assert_eq!(prune(&db.db, before, NO_LIMIT, db.now()).await.unwrap(), 2);
        assert_eq!(done(&db).await.len(), 3);
        assert_eq!(db.count("job_attempts").await, 0);
        assert_eq!(prune(&db.db, before, NO_LIMIT, db.now()).await.unwrap(), 0);
    }

    async fn the_youngest_are_kept_up_to_the_number(db: TestDb) {
        history(&db, 5).await;
        assert_eq!(prune(&db.db, Timestamp(0), 5, db.now()).await.unwrap(), 0);
        let expected = done(&db).await.split_off(3);
        assert_eq!(prune(&db.db, Timestamp(0), 2, db.now()).await.unwrap(), 2);
        let mut left = done(&db).await;
        assert_eq!(left.remove(0).state, "discarded", "those that failed are counted by themselves");
        assert_eq!(left, expected);
        db.execute(FAIL, &[]).await;
        assert_eq!(prune(&db.db, Timestamp(0), 2, db.now()).await.unwrap(), 1);
        assert_eq!(done(&db).await.len(), 2);
    }

    async fn a_job_that_waited_long_is_kept_as_long_as_others(db: TestDb) {
        db.enqueue(Plain::with("first")).await;
        let first = claim_one(&db, "a").await;
        history(&db, 4).await;
        settle(&db, &[completed(&first)]).await;
        let before = db.now().minus(MINUTE);
        assert_eq!(prune(&db.db, before, NO_LIMIT, db.now()).await.unwrap(), 3);
        assert_eq!(done(&db).await[0].id, first.id);
    }

    async fn a_long_history_is_pruned_in_small_transactions(db: TestDb) {
        let many = Sql::both(
            "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts,
               fence, unique_running, exclusive, created_at, finished_at)
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)
             SELECT 'job_' || n, 'default', 'default', 'k', '{}', 0, 'completed', 1, 1, 1, FALSE, FALSE, 0, n FROM n");
        db.execute(many, &[]).await;
        assert_eq!(prune(&db.db, Timestamp(2_401), NO_LIMIT, db.now()).await.unwrap(), 2_400);
        assert_eq!(db.count("jobs_done").await, 100);
    }

    async fn windows_go_when_they_have_passed(db: TestDb) {
        db.enqueue(Hourly::with("k")).await;
        db.advance(MINUTE * 60);
        prune(&db.db, Timestamp(0), NO_LIMIT, db.now()).await.unwrap();
        assert_eq!(db.count("job_windows").await, 1, "not at its last moment");
        db.advance(Duration::from_millis(1));
        prune(&db.db, Timestamp(0), NO_LIMIT, db.now()).await.unwrap();
        assert_eq!(db.count("job_windows").await, 0);
    }
}
