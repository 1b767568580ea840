//! A round in one trip does what the steps one by one do.

use std::collections::BTreeSet;

use sqlx::{Connection as _, PgConnection};

use crate::{
    args, both,
    kernel::{
        db::Sql,
        outbox::{self, NewJob},
        queue::{
            Claimed, Outcome,
            ack::Settled,
            claim::Claim,
            lease,
            round::{Done, Ends, Plain as End, round},
        },
        test_jobs::{Exclusive, Plain, Waiting, claim_some, completed, done, end, jobs, wanted},
    },
    testing::TestDb,
};

const PAUSE: Sql = Sql::both("INSERT INTO queues (name, paused_at) VALUES ('default', 1)");

async fn enqueue(db: &TestDb, new: Vec<NewJob>) {
    outbox::enqueue_many_alone(db, new).await.unwrap();
}

fn plain(count: usize) -> Vec<NewJob> {
    (0..count).map(|at| Plain::with(&at.to_string())).collect()
}

/// The ends of jobs that completed and have nothing to tell.
fn ends(jobs: &[Claimed]) -> Vec<End<'_>> {
    let ends = jobs.iter().map(|job| End {
        id: &job.id,
        fence: job.fence,
        place: job.place.as_deref(),
    });
    ends.collect()
}

/// One round of `a`.
async fn plainly(db: &TestDb, ends: &[End<'_>], free: i64) -> Done {
    let ends = Ends::Plain {
        owner: "a",
        jobs: ends,
    };
    round(&db.db, db.now(), ends, Some(&wanted(db, "a", free)))
        .await
        .unwrap()
}

both! {
    async fn ends_are_written_and_jobs_are_claimed_in_order(db: TestDb) {
        enqueue(&db, plain(7)).await;
        let first = plainly(&db, &[], 4).await.round;
        assert_eq!((first.jobs.len(), first.more), (4, true));
        let Done { settled, moved, round: second } = plainly(&db, &ends(&first.jobs), 4).await;
        assert_eq!((settled.applied, settled.stale, moved.len()), (4, 0, 0));
        assert_eq!((second.jobs.len(), second.more), (3, false));
        let ids: Vec<_> = first.jobs.iter().chain(&second.jobs).map(|job| job.id.clone()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(done(&db).await.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), ids[..4]);
        assert_eq!(jobs(&db).await.len(), 3);
    }

    async fn a_claim_in_one_trip_tells_what_the_long_way_tells(db: TestDb) {
        let odd: String = (0..0x20).filter_map(char::from_u32).chain("ä\"\\,'\u{7f}\u{1f600}".chars()).collect();
        for _ in 0..2 {
            // PostgreSQL's texts hold no NUL, and JSON escapes it.
            enqueue(&db, vec![Plain::with(&odd)]).await;
        }
        let short = plainly(&db, &[], 1).await.round;
        let long = claim_some(&db, "a", 1).await;
        let (short, long) = (&short.jobs[0], &long[0]);
        assert_eq!(short.args, long.args);
        let told = |job: &Claimed| {
            (job.kind.clone(), job.organization_id.clone(), job.priority, job.due_at, job.attempt, job.max_attempts,
             job.fence, job.owner.clone(), job.exclusive, job.place.is_some())
        };
        assert_eq!(told(short), told(long));
    }

    async fn only_the_holder_is_heard_in_one_trip_too(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let (held, others) = (claim_some(&db, "a", 2).await, claim_some(&db, "b", 1).await);
        let (held, others) = (ends(&held), ends(&others));
        for forged in [End { fence: 9, ..held[0] }, others[0]] {
            let Done { settled, moved, .. } = plainly(&db, &[forged], 0).await;
            assert_eq!(settled.applied, 0);
            // PostgreSQL has only looked at the place; without one it says whether the claim is lost.
            assert_eq!((settled.stale, moved.len()), if held[0].place.is_some() { (0, 1) } else { (1, 0) });
            let Settled { applied, stale, .. } = plainly(&db, &[End { place: None, ..forged }], 0).await.settled;
            assert_eq!((applied, stale), (0, 1));
        }
        // A true end beside one whose place is another row's by now.
        let crossed = [held[0], End { place: held[0].place, ..held[1] }];
        let Done { settled, moved, .. } = plainly(&db, &crossed, 0).await;
        let expected = if held[0].place.is_some() { vec![held[1].id] } else { vec![] };
        assert_eq!((settled.applied + u64::try_from(moved.len()).unwrap(), settled.stale), (2, 0));
        assert_eq!(moved.iter().collect::<Vec<_>>(), expected);
    }

    async fn an_end_is_written_although_the_row_has_moved(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held = claim_some(&db, "a", 3).await;
        let ids: Vec<_> = held.iter().map(|job| job.id.as_str()).collect();
        lease::step_out(&db.db, "a", &ids).await.unwrap();
        let Done { settled, moved, .. } = plainly(&db, &ends(&held), 0).await;
        if held[0].place.is_some() {
            assert_eq!((settled, moved.len()), (Settled::default(), 3));
            let nowhere: Vec<_> = ends(&held).into_iter().map(|end| End { place: None, ..end }).collect();
            let again = plainly(&db, &nowhere, 0).await;
            assert_eq!((again.settled.applied, again.moved.len()), (3, 0));
        } else {
            assert_eq!((settled.applied, moved.len()), (3, 0));
        }
        assert_eq!((jobs(&db).await.len(), done(&db).await.len()), (0, 3));
    }

    async fn a_claim_can_begin_after_a_job(db: TestDb) {
        enqueue(&db, plain(4)).await;
        let first = plainly(&db, &[], 2).await.round.jobs;
        let position = first[1].position();
        enqueue(&db, vec![Plain::with("urgent").priority(-1)]).await;
        let claim = Claim { after: Some(&position), ..wanted(&db, "a", 9) };
        let none = Ends::Plain { owner: "a", jobs: &[] };
        let behind = round(&db.db, db.now(), none, Some(&claim)).await.unwrap().round;
        assert_eq!(behind.jobs.len(), 2);
        assert!(behind.jobs.iter().all(|job| job.position() > position));
        let urgent = plainly(&db, &[], 9).await.round;
        assert_eq!(urgent.jobs.iter().map(|job| job.priority).collect::<Vec<_>>(), [-1]);
    }

    async fn limits_of_the_queue_hold_while_ends_are_written(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held = claim_some(&db, "a", 2).await;
        db.execute(PAUSE, args![]).await;
        let done = plainly(&db, &ends(&held), 9).await;
        assert_eq!((done.settled.applied, done.round.jobs.len()), (2, 0));
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn an_exclusive_end_frees_its_key_in_the_same_round(db: TestDb) {
        enqueue(&db, vec![Exclusive::with("k")]).await;
        let first = claim_some(&db, "a", 1).await;
        enqueue(&db, vec![Exclusive::with("k")]).await;
        assert_eq!(plainly(&db, &[], 9).await.round.jobs.len(), 0);
        let acks = [completed(&first[0])];
        let next = round(&db.db, db.now(), Ends::Any(&acks), Some(&wanted(&db, "a", 9))).await.unwrap();
        assert_eq!(next.round.jobs.len(), 1);
    }

    async fn ends_of_every_sort_may_meet_in_one_round(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held = claim_some(&db, "a", 3).await;
        let acks = [
            completed(&held[0]),
            end(&held[1], Outcome::Completed { report: Some(r#"{"rows":1}"#.to_owned()) }),
            end(&held[2], Outcome::Retry { due_at: db.now(), error: "no".to_owned() }),
        ];
        let Done { settled, round, .. } =
            round(&db.db, db.now(), Ends::Any(&acks), Some(&wanted(&db, "a", 9))).await.unwrap();
        assert_eq!(settled.applied, 3);
        assert_eq!(round.jobs.iter().map(|job| (&job.id, job.attempt)).collect::<Vec<_>>(), [(&held[2].id, 2)]);
        assert_eq!(done(&db).await.iter().filter(|row| row.report.is_some()).count(), 1);
    }

    async fn what_is_enqueued_alone_is_there_whatever_it_is(db: TestDb) {
        let mut wanted = plain(3);
        wanted.push(Plain::with("later").due(db.now().plus(std::time::Duration::from_hours(1))));
        let mixed = outbox::enqueue_many_alone(&db, wanted).await.unwrap();
        let keyed = outbox::enqueue_many_alone(&db, vec![Waiting::with("k"), Waiting::with("k")]).await.unwrap();
        let alike = outbox::enqueue_many_alone(&db, plain(2)).await.unwrap();
        assert_eq!(keyed[0].id, keyed[1].id);
        assert_eq!(outbox::enqueue_many_alone(&db, Vec::new()).await.unwrap(), []);
        let ids: BTreeSet<_> = mixed.iter().chain(&keyed).chain(&alike).map(|new| new.id.clone()).collect();
        assert_eq!(jobs(&db).await.into_iter().map(|job| job.id).collect::<BTreeSet<_>>(), ids);
        assert_eq!(ids.len(), 7);
    }
}

/// What a transaction is set to is asked when it commits.
#[tokio::test]
async fn only_plain_claims_are_flushed_later() {
    const WATCH: &str = "CREATE TABLE flushed (level TEXT);
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO flushed VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER watch AFTER INSERT ON job_leases DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION watch();
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$";
    let db = TestDb::postgres().await;
    let mut server = PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql(WATCH).execute(&mut server).await.unwrap();
    // The server of the tests flushes nothing at all, unless it is asked to.
    let db = db.reopen().await;
    enqueue(&db, plain(2)).await;
    let first = plainly(&db, &[], 1).await.round.jobs;
    plainly(&db, &ends(&first), 1).await;
    enqueue(&db, vec![Exclusive::with("k")]).await;
    assert_eq!(plainly(&db, &[], 1).await.round.jobs.len(), 1);
    let levels: Vec<(String,)> = db.rows(Sql::both("SELECT level FROM flushed"), &[]).await;
    assert_eq!(
        levels.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["off", "on", "on"]
    );
}
