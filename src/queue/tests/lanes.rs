//! One lane without workers: the test takes what it claims, and says how the runs end.

use memberd_jobs::{
    args,
    kernel::{
        db::{Error, Sql},
        queue::{Outcome, lease},
    },
    testing::Engine,
};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::sync::mpsc;

use super::{
    super::{Process, backend::Envelope, flight::Landed, lane::Lane, outage::Outage, table::Table},
    *,
};

/// No job of this kind can end: the database refuses it for good.
const REFUSE: Sql = Sql::both(
    "CREATE TRIGGER refuse BEFORE INSERT ON jobs_done WHEN NEW.kind = 'test.hasty'
     BEGIN SELECT RAISE(ABORT, 'refused'); END",
);

struct Bare {
    db: TestDb,
    table: Arc<Table>,
    claimed: mpsc::UnboundedReceiver<Envelope>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn process(db: &TestDb, table: &Arc<Table>) -> Process {
    Process {
        env: db.env.clone(),
        registry: Arc::new(registry()),
        table: Arc::clone(table),
        outage: Arc::new(Outage::default()),
        options: options(&db.env),
    }
}

fn lane(
    process: &Process,
    jobs: mpsc::UnboundedSender<Envelope>,
    stop: &CancellationToken,
) -> Lane {
    let give_up = CancellationToken::new();
    Lane::new(process, Queue::Default, SLOTS, jobs, stop.clone(), give_up)
}

impl Bare {
    async fn new(engine: Engine) -> Self {
        let db = TestDb::new(engine).await;
        let table = Arc::new(Table::default());
        let (jobs, claimed) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let lane = lane(&process(&db, &table), jobs, &stop);
        let task = TaskTracker::new().spawn(lane.run());
        Self {
            db,
            table,
            claimed,
            stop,
            task,
        }
    }

    async fn end(&mut self) {
        self.stop.cancel();
        within("the lane ends", &mut self.task).await.unwrap();
    }

    async fn claim(&mut self, job: NewJob) -> Envelope {
        self.db.enqueue(job).await;
        within("the job is claimed", self.claimed.recv())
            .await
            .unwrap()
    }
}

/// Two runs under one key, of which only one may wait again, end in one batch: nothing may happen between the two
/// words, which is why these tests run on one thread.
async fn one_key_twice_in_a_batch(engine: Engine) {
    let mut lane = Bare::new(engine).await;
    let job = || {
        let key = Some("key".to_owned());
        let does = Does::Complete;
        NewJob::of("default", &Puppet { does, key }).unwrap()
    };
    let first = lane.claim(job()).await;
    let second = lane.claim(job()).await;
    let third = lane.claim(puppet(Does::Complete)).await;
    let retry = Outcome::Retry {
        due_at: lane.db.now().plus(Duration::from_hours(1)),
        error: "again".to_owned(),
    };
    let ids = [&first, &second, &third].map(|envelope| envelope.cx.job.id.clone());
    first.slot.end(Some(retry.clone()));
    second.slot.end(Some(retry));
    third.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &ids[2], "completed").await;
    let waiting = "jobs WHERE owner IS NULL";
    until("one waits and one is folded into it", || async {
        let folded = lane.db.count("jobs_done WHERE state = 'cancelled'").await;
        (lane.db.count(waiting).await == 1 && folded == 1).then_some(())
    })
    .await;
    lane.end().await;
    assert!(lane.table.claims().is_empty());
}

#[tokio::test]
async fn one_key_twice_in_a_batch_sqlite() {
    one_key_twice_in_a_batch(Engine::Sqlite).await;
}

#[tokio::test]
async fn one_key_twice_in_a_batch_postgres() {
    one_key_twice_in_a_batch(Engine::Postgres).await;
}

/// One end that the database refuses for good must not hold up the others for ever.
#[tokio::test]
async fn an_end_that_cannot_be_written_holds_up_nobody() {
    let mut lane = Bare::new(Engine::Sqlite).await;
    lane.db.execute(REFUSE, args![]).await;
    let refused = lane.claim(NewJob::of("default", &Hasty {}).unwrap()).await;
    let other = lane.claim(puppet(Does::Complete)).await;
    let id = other.cx.job.id.clone();
    refused.slot.end(Some(Outcome::Completed { report: None }));
    other.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &id, "completed").await;
    lane.end().await;
    // Forgotten here, so that the leases see it as one that nobody knows and give it back.
    assert!(lane.table.claims().is_empty());
    assert_eq!(lane.db.count("jobs WHERE owner IS NOT NULL").await, 1);
}

/// A worker that is lost with its envelope must neither keep the slot nor the job.
#[tokio::test]
async fn a_dropped_envelope_gives_its_job_back() {
    let mut lane = Bare::new(Engine::Sqlite).await;
    let envelope = lane.claim(puppet(Does::Complete)).await;
    let id = envelope.cx.job.id.clone();
    drop(envelope);
    let again = within("the job is claimed again", lane.claimed.recv())
        .await
        .unwrap();
    assert_eq!((&again.cx.job.id, again.cx.job.attempt), (&id, 1));
    assert_eq!(again.cx.job.fence, 2);
    again.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &id, "completed").await;
    lane.end().await;
}

/// While ends that were refused together go one by one, the other round goes on: it may be the one that has the writer.
#[tokio::test]
async fn refused_ends_do_not_wait_for_a_round_that_waits_for_them() {
    let mut lane = Bare::new(Engine::Sqlite).await;
    lane.db.execute(REFUSE, args![]).await;
    let refused = lane.claim(NewJob::of("default", &Hasty {}).unwrap()).await;
    let mut others = Vec::new();
    // More than the share of the slots at which a second round starts.
    for _ in 0..SLOTS - 1 {
        others.push(lane.claim(puppet(Does::Complete)).await);
    }
    let ids: Vec<String> = others.iter().map(|other| other.cx.job.id.clone()).collect();
    let mut other = SqliteConnection::connect(&lane.db.url()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    refused.slot.end(Some(Outcome::Completed { report: None }));
    let_others_run().await;
    for other in others {
        other.slot.end(Some(Outcome::Completed { report: None }));
    }
    let_others_run().await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    for id in ids {
        job_in(&lane.db.env, &id, "completed").await;
    }
    lane.end().await;
}

/// This test's runtime has one thread: whatever can run, runs before the test goes on.
async fn let_others_run() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn landed(done: Result<(), Error>) -> Landed {
    Landed {
        lease_id: String::new(),
        ends: Vec::new(),
        kept: 0,
        from_head: true,
        done: done.map(|()| None),
    }
}

/// A round that failed makes the lane pause, but not the round beside it, which may hold rows that others wait for.
#[tokio::test]
async fn a_lane_pauses_after_an_error_while_its_other_round_goes_on() {
    let db = TestDb::sqlite().await;
    let (jobs, _claimed) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let mut lane = lane(&process(&db, &Arc::default()), jobs, &stop);
    // Long pauses, as after many errors.
    for _ in 0..10 {
        lane.backoff.next(&db.chance);
    }
    let error = Error::Unavailable("away".to_owned());
    lane.flights.push(Box::pin(async { landed(Err(error)) }));
    within("the failed round lands", lane.wait()).await;
    assert!(lane.resume_at.is_some());
    lane.flights.push(Box::pin(async {
        let_others_run().await;
        landed(Ok(()))
    }));
    within("the other round lands", lane.wait()).await;
    assert!(lane.flights.is_empty());
    assert!(
        lane.resume_at.is_some(),
        "the lane slept before the other round"
    );
    // When the pause is over the lane goes on.
    lane.resume_at = Some(tokio::time::Instant::now());
    within("the pause ends", lane.wait()).await;
    assert!(lane.resume_at.is_none());
}

/// The server ends a round in the middle: its ends stay with the lane, which writes them in the next one.
#[tokio::test]
async fn a_round_that_is_lost_on_postgres_is_flown_again() {
    const HELD: &str = "SELECT id FROM jobs WHERE id = $1 FOR UPDATE";
    const END_WAITING: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";
    let mut lane = Bare::new(Engine::Postgres).await;
    let envelope = lane.claim(puppet(Does::Complete)).await;
    let id = envelope.cx.job.id.clone();
    let mut other = PgConnection::connect(&lane.db.url()).await.unwrap();
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query(HELD)
        .bind(&id)
        .execute(&mut other)
        .await
        .unwrap();
    envelope.slot.end(Some(Outcome::Completed { report: None }));
    // The round waits for the row, and dies there.
    let url = lane.db.url();
    until("the round is lost", || async {
        let mut server = PgConnection::connect(&url).await.unwrap();
        let ended = sqlx::query(END_WAITING).execute(&mut server).await;
        (ended.unwrap().rows_affected() > 0).then_some(())
    })
    .await;
    assert_eq!(lane.table.claims(), [(id.clone(), 1)]);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let done = job_in(&lane.db.env, &id, "completed").await;
    assert_eq!(done.attempt, 1);
    lane.end().await;
    assert!(lane.table.claims().is_empty());
    assert_eq!(lane.db.count("job_attempts").await, 0);
}

/// A job that steps out of the line is written, so PostgreSQL keeps it at another place than the claim has told.
async fn an_end_after_a_write_is_heard(engine: Engine) {
    let mut lane = Bare::new(engine).await;
    let envelope = lane.claim(puppet(Does::Complete)).await;
    let job = envelope.cx.job.clone();
    lease::step_out(&lane.db.db, &job.owner, &[&job.id])
        .await
        .unwrap();
    envelope.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &job.id, "completed").await;
    lane.end().await;
    assert!(lane.table.claims().is_empty());
}

#[tokio::test]
async fn an_end_after_a_write_is_heard_sqlite() {
    an_end_after_a_write_is_heard(Engine::Sqlite).await;
}

#[tokio::test]
async fn an_end_after_a_write_is_heard_postgres() {
    an_end_after_a_write_is_heard(Engine::Postgres).await;
}

/// The ids of the leases that the database has.
async fn leases(db: &TestDb) -> Vec<String> {
    let rows: Vec<(String,)> = db
        .rows(Sql::both("SELECT id FROM job_leases ORDER BY id"), &[])
        .await;
    rows.into_iter().map(|row| row.0).collect()
}

/// The leases of a busy process are as many as its rounds that are not done yet, also between two renewals.
async fn a_lease_is_forgotten_once_its_jobs_have_ended(engine: Engine) {
    let mut lane = Bare::new(engine).await;
    let first = lane.claim(puppet(Does::Complete)).await;
    let before = leases(&lane.db).await;
    let id = first.cx.job.id.clone();
    first.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &id, "completed").await;
    until("the lane has heard of it", || async {
        lane.table.claims().is_empty().then_some(())
    })
    .await;
    let second = lane.claim(puppet(Does::Complete)).await;
    let after = leases(&lane.db).await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
    second.slot.end(Some(Outcome::GivenBack));
    lane.end().await;
}

#[tokio::test]
async fn a_lease_is_forgotten_once_its_jobs_have_ended_sqlite() {
    a_lease_is_forgotten_once_its_jobs_have_ended(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_lease_is_forgotten_once_its_jobs_have_ended_postgres() {
    a_lease_is_forgotten_once_its_jobs_have_ended(Engine::Postgres).await;
}

/// A run that believes its lease lost says nothing. If the row is ours all the same, a renewal must be able to see it.
#[tokio::test]
async fn a_run_that_says_nothing_keeps_its_lease() {
    let mut lane = Bare::new(Engine::Sqlite).await;
    let run = lane.claim(puppet(Does::Complete)).await;
    let owner = run.cx.job.owner.clone();
    run.slot.end(None);
    until("the lane has heard of it", || async {
        lane.table.claims().is_empty().then_some(())
    })
    .await;
    let other = lane.claim(puppet(Does::Complete)).await;
    let held = lease::held(&lane.db.db, &owner).await.unwrap();
    assert_eq!(held.len(), 2, "{held:?}");
    other.slot.end(Some(Outcome::GivenBack));
    lane.end().await;
}

/// A lane that never runs dry goes on where it claimed last, but looks for more urgent jobs every few moments.
async fn urgent_work_overtakes_a_flood(engine: Engine) {
    let mut lane = Bare::new(engine).await;
    let flood = (0..2000).map(|_| puppet(Does::Complete)).collect();
    outbox::enqueue_many_alone(&lane.db.env, flood)
        .await
        .unwrap();
    let mut taken = 0;
    let mut urgent = None;
    loop {
        let envelope = within("the next job is claimed", lane.claimed.recv())
            .await
            .unwrap();
        if Some(&envelope.cx.job.id) == urgent.as_ref() {
            break;
        }
        envelope.slot.end(Some(Outcome::Completed { report: None }));
        taken += 1;
        if taken == 100 {
            urgent = Some(
                lane.db
                    .enqueue(puppet(Does::Complete).priority(-1))
                    .await
                    .id,
            );
        }
    }
    assert!(taken < 2000, "it waited for the whole flood");
    lane.stop.cancel();
    // What is claimed by now is given back.
    drop(lane.claimed);
    within("the lane ends", lane.task).await.unwrap();
}

#[tokio::test]
async fn urgent_work_overtakes_a_flood_sqlite() {
    urgent_work_overtakes_a_flood(Engine::Sqlite).await;
}

#[tokio::test]
async fn urgent_work_overtakes_a_flood_postgres() {
    urgent_work_overtakes_a_flood(Engine::Postgres).await;
}
