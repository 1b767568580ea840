//! What people see of many jobs: every one once, however little is looked at for each answer.

use std::time::Duration;

use super::{
    Counts, Filter, JobState,
    counts::{Part, Reach, of_organization, refresh_within},
    lanes::{OLDEST, lanes, names},
    list::{Walk, page},
    select::{self, Access},
};
use crate::{
    args, both,
    kernel::{
        Env, Timestamp,
        db::Sql,
        outbox::WAITING,
        queue::Queue,
        test_jobs::{Plain, claim_some},
    },
    testing::{TestDb, plan::assert_reads},
};

const FILL: Sql = Sql::split(
    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
     INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, attempt, max_attempts, owner,
        member_id, schedule, created_at)
     SELECT printf('job_%012d', 2 * n), CASE WHEN n % 11 = 0 THEN 'other' ELSE 'default' END,
        CASE WHEN n % 7 = 0 THEN 'money' ELSE 'default' END, CASE WHEN n % $2 = 0 THEN 'test.rare' ELSE 'test.often' END,
        '{}', n % 3, CASE WHEN n % 5 = 0 THEN $3 + n ELSE n END, CASE WHEN n % $2 = 1 THEN 1 ELSE 0 END, 3,
        CASE WHEN n % $2 = 2 THEN 'node_1' END,
        CASE WHEN n % $2 = 3 THEN 'mem_1' END, CASE WHEN n % $2 = 4 THEN 'sched' END, n FROM numbers",
    "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, attempt, max_attempts, owner,
        member_id, schedule, created_at)
     SELECT 'job_' || lpad((2 * n)::text, 12, '0'), CASE WHEN n % 11 = 0 THEN 'other' ELSE 'default' END,
        CASE WHEN n % 7 = 0 THEN 'money' ELSE 'default' END, CASE WHEN n % $2 = 0 THEN 'test.rare' ELSE 'test.often' END,
        '{}', n % 3, CASE WHEN n % 5 = 0 THEN $3 + n ELSE n END, CASE WHEN n % $2 = 1 THEN 1 ELSE 0 END, 3,
        CASE WHEN n % $2 = 2 THEN 'node_1' END,
        CASE WHEN n % $2 = 3 THEN 'mem_1' END, CASE WHEN n % $2 = 4 THEN 'sched' END, n
     FROM generate_series(1::bigint, $1::bigint) AS n",
);
const LEASE: Sql = Sql::split(
    "INSERT INTO job_leases (id, queue, owner, until_at, jobs)
     SELECT 'lease_' || queue, queue, 'node_1', 1, json_group_object(id, fence) FROM jobs WHERE owner IS NOT NULL
     GROUP BY queue",
    "INSERT INTO job_leases (id, queue, owner, until_at, jobs)
     SELECT 'lease_' || queue, queue, 'node_1', 1, json_object_agg(id, fence)::text FROM jobs WHERE owner IS NOT NULL
     GROUP BY queue",
);
/// Every job of the first table once more, ended, with the odd numbers.
const END: Sql = Sql::split(
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, member_id, schedule, created_at, finished_at)
     SELECT printf('job_%012d', 2 * created_at + 1), organization_id, queue, kind, args, priority,
        CASE WHEN created_at % $1 = 5 THEN 'discarded' WHEN created_at % $1 = 6 THEN 'cancelled' ELSE 'completed' END,
        1, 3, 1, FALSE, FALSE, member_id, schedule, created_at, created_at FROM jobs",
    "INSERT INTO jobs_done (id, organization_id, queue, kind, args, priority, state, attempt, max_attempts, fence,
        unique_running, exclusive, member_id, schedule, created_at, finished_at)
     SELECT 'job_' || lpad((2 * created_at + 1)::text, 12, '0'), organization_id, queue, kind, args, priority,
        CASE WHEN created_at % $1 = 5 THEN 'discarded' WHEN created_at % $1 = 6 THEN 'cancelled' ELSE 'completed' END,
        1, 3, 1, FALSE, FALSE, member_id, schedule, created_at, created_at FROM jobs",
);
const ANALYZE: Sql = Sql::both("ANALYZE");
const FORGET_FIRST: Sql = Sql::both("DELETE FROM jobs_done WHERE id = 'job_000000000003'");
const SHRINK: Sql = Sql::both("DELETE FROM jobs_done WHERE created_at > $1");

/// As many waiting and running jobs, and as many finished ones; one of `rare` is of a rare kind, and so on.
async fn fill(db: &TestDb, jobs: i64, rare: i64) {
    db.execute(FILL, args![jobs, rare, db.now()]).await;
    db.execute(LEASE, &[]).await;
    db.execute(END, args![rare]).await;
}

/// Every sort of filter.
fn filters() -> Vec<Filter<'static>> {
    let none = Filter::default();
    let mut filters: Vec<_> = JobState::ALL
        .map(|state| Filter {
            state: Some(state),
            ..none
        })
        .into();
    filters.extend([
        none,
        Filter {
            kind: Some("test.rare"),
            ..none
        },
        Filter {
            queue: Some(Queue::Money),
            ..none
        },
        Filter {
            member_id: Some("mem_1"),
            ..none
        },
        Filter {
            schedule: Some("sched"),
            ..none
        },
        Filter {
            created_after: Some(Timestamp(100)),
            ..none
        },
        Filter {
            state: Some(JobState::Discarded),
            queue: Some(Queue::Money),
            ..none
        },
        Filter {
            member_id: Some("mem_1"),
            state: Some(JobState::Completed),
            ..none
        },
        Filter {
            kind: Some("test.none"),
            ..none
        },
    ]);
    filters
}

/// The ids of all pages, and how many pages were empty.
async fn pages(env: &Env, filter: &Filter<'_>, walk: Walk) -> (Vec<String>, usize) {
    let (mut ids, mut empty, mut before) = (Vec::new(), 0, None);
    loop {
        let listed = page(
            &env.db,
            "default",
            filter,
            before.as_deref(),
            walk,
            env.now(),
        )
        .await
        .unwrap();
        assert!(i64::try_from(listed.jobs.len()).unwrap() <= walk.limit);
        empty += usize::from(listed.jobs.is_empty());
        ids.extend(listed.jobs.into_iter().map(|job| job.id));
        let Some(next) = listed.before else {
            return (ids, empty);
        };
        assert!(
            before.is_none_or(|before| next < before),
            "{filter:?} does not move on"
        );
        before = Some(next);
    }
}

const SMALL: Reach = Reach {
    at_once: 20,
    slice: 7,
};

async fn counted(env: &Env) -> Counts {
    of_organization(&env.db, "default", SMALL, env.now())
        .await
        .unwrap()
}

fn sum(counts: &Counts, states: &[JobState]) -> i64 {
    let in_states = |state: &str| states.iter().any(|wanted| wanted.as_str() == state);
    counts
        .rows
        .iter()
        .filter(|row| in_states(&row.state))
        .map(|row| row.count)
        .sum()
}

both! {
    async fn short_walks_show_every_job_once_and_in_order(db: TestDb) {
        fill(&db, 110, 20).await;
        let whole = Walk { rows: 1_000, limit: 1_000 };
        for filter in filters() {
            let (all, _) = pages(&db, &filter, whole).await;
            assert!(all.is_sorted_by(|one, next| one > next), "{filter:?}");
            assert_eq!(all.is_empty(), filter.kind == Some("test.none"), "{filter:?}");
            for walk in [Walk { rows: 7, limit: 3 }, Walk { rows: 1, limit: 1 }, Walk { rows: 40, limit: 100 }] {
                let (seen, _) = pages(&db, &filter, walk).await;
                assert_eq!(seen, all, "{filter:?} by {walk:?}");
            }
        }
    }

    async fn a_page_without_jobs_leads_on(db: TestDb) {
        fill(&db, 110, 50).await;
        let rare = Filter { kind: Some("test.rare"), ..Filter::default() };
        let (ids, empty) = pages(&db, &rare, Walk { rows: 10, limit: 5 }).await;
        assert_eq!(ids.len(), 4);
        assert!(empty > 5, "{empty} pages were empty");
    }

    async fn a_page_reads_no_more_than_its_walk(db: TestDb) {
        const JOBS: i64 = 30_000;
        const WALK: i64 = 500;
        fill(&db, JOBS, 3_000).await;
        let accesses = [
            (Access::All, None),
            (Access::Unfinished, None),
            (Access::Finished, None),
            (Access::Member, Some("mem_1")),
            (Access::Schedule, Some("sched")),
            (Access::Running, None),
            (Access::Failed, Some("discarded")),
        ];
        for analyzed in [false, true] {
            if analyzed {
                db.execute(ANALYZE, &[]).await;
            }
            for (access, key) in accesses {
                // Each of four scans may see the walk, and the nodes above them what is left of it.
                let most = 8.0 * 500.0;
                let before = "job_000000040000";
                let floors = args![before, WALK - 1, key];
                assert_reads(&db, select::floors(access), floors, most, ("jobs", "-")).await;
                let floor = "job_000000039000";
                let state = (access == Access::Failed).then_some("discarded");
                let member = (access == Access::Member).then_some("mem_1");
                let schedule = (access == Access::Schedule).then_some("sched");
                let rows = args![
                    "default", db.now(), state, "test.none", None::<&str>, member, schedule, None::<i64>, before, floor, 21
                ];
                assert_reads(&db, select::rows(access), rows, most, ("jobs", "-")).await;
            }
        }
    }

    async fn a_count_reads_no_more_than_its_slice(db: TestDb) {
        fill(&db, 30_000, 3_000).await;
        for analyzed in [false, true] {
            if analyzed {
                db.execute(ANALYZE, &[]).await;
            }
            for part in [Part::Unfinished, Part::Finished] {
                assert_reads(&db, part.slice(), args!["job_000000010000", 500, db.now()], 4.0 * 500.0, ("jobs", "-")).await;
                let at_once = args![500];
                assert_reads(&db, part.large(), at_once, 4.0 * 500.0, ("jobs", "COVERING INDEX")).await;
            }
            assert_reads(&db, OLDEST, args![names().unwrap()], 1_000.0, ("jobs", "-")).await;
        }
    }

    async fn asking_which_keys_wait_reads_no_other_jobs(db: TestDb) {
        fill(&db, 30_000, 3_000).await;
        for analyzed in [false, true] {
            if analyzed {
                db.execute(ANALYZE, &[]).await;
            }
            assert_reads(&db, WAITING, args![r#"["a","b","c"]"#], 100.0, ("jobs", "-")).await;
        }
    }

    async fn many_jobs_are_counted_now_and_then(db: TestDb) {
        use JobState::{Available, Completed, Cancelled, Discarded, Running, Scheduled, Retryable};
        fill(&db, 110, 50).await;
        let (live, done) = ([Scheduled, Available, Running, Retryable], [Completed, Cancelled, Discarded]);
        let first = counted(&db).await;
        // Nobody has counted yet, so that it is done for the answer. Ten jobs are another organization's.
        assert_eq!((sum(&first, &live), sum(&first, &done)), (100, 100));
        assert_eq!(first.finished_counted_at, db.now());
        assert_eq!(refresh_within(&db.db, SMALL, db.now()).await.unwrap(), 2);
        assert_eq!(counted(&db).await, first);
        let counted_at = db.now();
        db.advance(Duration::from_secs(5));
        db.enqueue(Plain::with("a")).await;
        let running = claim_some(&db, "node_2", 3).await.len();
        assert_eq!(refresh_within(&db.db, SMALL, db.now()).await.unwrap(), 0, "it is too early");
        let later = counted(&db).await;
        assert_eq!((later.unfinished_counted_at, later.finished_counted_at), (counted_at, counted_at));
        assert_eq!(sum(&later, &[Scheduled, Available, Retryable]), sum(&first, &[Scheduled, Available, Retryable]));
        assert_eq!(sum(&later, &[Running]), sum(&first, &[Running]) + i64::try_from(running).unwrap());
        // Then the jobs are counted again, and the history only if it has changed.
        db.advance(Duration::from_mins(1));
        assert_eq!(refresh_within(&db.db, SMALL, db.now()).await.unwrap(), 1);
        let again = counted(&db).await;
        assert_eq!((again.unfinished_counted_at, again.finished_counted_at), (db.now(), counted_at));
        assert_eq!(sum(&again, &live), 101);
        db.execute(FORGET_FIRST, &[]).await;
        assert_eq!(refresh_within(&db.db, SMALL, db.now()).await.unwrap(), 1);
        assert_eq!(counted(&db).await.finished_counted_at, db.now());
    }

    async fn few_jobs_are_counted_at_once_again(db: TestDb) {
        fill(&db, 30, 50).await;
        refresh_within(&db.db, SMALL, db.now()).await.unwrap();
        assert_eq!(db.count("job_counts WHERE part = 'finished'").await, 1);
        db.execute(SHRINK, args![11]).await;
        db.advance(Duration::from_secs(1));
        let now = counted(&db).await;
        assert_eq!(now.finished_counted_at, db.now());
        assert_eq!(sum(&now, &JobState::ALL[4..]), 10);
        refresh_within(&db.db, SMALL, db.now()).await.unwrap();
        assert_eq!(db.count("job_counts WHERE part = 'finished'").await, 0);
    }

    async fn a_clock_that_was_put_back_does_not_stop_the_counting(db: TestDb) {
        fill(&db, 30, 50).await;
        let wrong = db.now().plus(Duration::from_hours(24 * 365));
        assert_eq!(refresh_within(&db.db, SMALL, wrong).await.unwrap(), 2);
        assert_eq!(refresh_within(&db.db, SMALL, db.now()).await.unwrap(), 1);
        assert_eq!(counted(&db).await.unfinished_counted_at, db.now());
    }

    async fn of_several_processes_one_counts(db: TestDb) {
        fill(&db, 110, 50).await;
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let env = db.node().await;
            crowd.spawn(async move { refresh_within(&env.db, SMALL, env.now()).await.unwrap() });
        }
        assert_eq!(crowd.join_all().await.into_iter().sum::<usize>(), 2);
    }

    async fn queues_show_the_oldest_due_job_of_all_priorities(db: TestDb) {
        fill(&db, 110, 50).await;
        let all = lanes(&db.db, db.now()).await.unwrap();
        for lane in all {
            let condition = format!(
                "jobs WHERE queue = '{}' AND owner IS NULL AND due_at < {}",
                lane.queue.as_str(),
                lane.oldest_available_at.map_or(i64::MAX, |due_at| due_at.0)
            );
            assert_eq!(db.count(&condition).await, 0, "{lane:?}");
            assert_eq!(lane.waiting > 0, lane.oldest_available_at.is_some());
            assert_eq!(lane.counted_at, db.now());
        }
    }
}
