//! A long history costs the queue nothing.

use std::time::{Duration, Instant};

use crate::{
    args, both,
    kernel::{
        db::Sql,
        outbox,
        queue::{
            Ack,
            round::{Ends, round},
        },
        test_jobs::{Plain, completed, wanted},
    },
    testing::TestDb,
};

/// Finished jobs. The stock backend of apalis is 380 times slower with as many on SQLite.
const HISTORY: i64 = 200_000;
/// How much longer a round may take, in times: far more than the measurement varies, far less than a scan costs.
const TIMES: u32 = 5;
/// What a round may take in any case, because others use the machine.
const NOISE: Duration = Duration::from_millis(20);

const FILL: Sql = Sql::split(
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
     INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, created_at, finished_at)
     SELECT printf('job_%012d', n), 'default', 'default', 'test.plain', '{}', 0, 'completed', 1, 3, 1, FALSE, FALSE, n, n
     FROM numbers",
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, created_at, finished_at)
     SELECT 'job_' || lpad(n::text, 12, '0'), 'default', 'default', 'test.plain', '{}', 0, 'completed', 1, 3, 1, FALSE,
        FALSE, n, n
     FROM generate_series(1::bigint, $1::bigint) AS n",
);

/// The fastest of several rounds that end 20 jobs and claim 20 others.
async fn fastest_round(db: &TestDb) -> Duration {
    let jobs = (0..200).map(|at| Plain::with(&at.to_string())).collect();
    outbox::enqueue_many_alone(db, jobs).await.unwrap();
    let (mut acks, mut fastest): (Vec<Ack>, _) = (Vec::new(), Duration::MAX);
    loop {
        let begun = Instant::now();
        let ends = Ends::Any(&acks);
        let done = round(&db.db, db.now(), ends, Some(&wanted(db, "a", 20)))
            .await
            .unwrap();
        assert_eq!(done.settled.stale, 0);
        if done.round.jobs.is_empty() {
            return fastest;
        }
        fastest = fastest.min(begun.elapsed());
        acks = done.round.jobs.iter().map(completed).collect();
    }
}

both! {
    async fn two_hundred_thousand_finished_jobs_do_not_slow_a_round(db: TestDb) {
        let empty = fastest_round(&db).await;
        db.execute(FILL, args![HISTORY]).await;
        let full = fastest_round(&db).await;
        assert!(full < empty * TIMES + NOISE, "{full:?} instead of {empty:?}");
    }
}
