//! One lane without workers: the test takes what it claims, and says how the runs end.

use memberd_jobs::{
    args,
    kernel::{db::Sql, queue::Outcome},
    testing::Engine,
};
use tokio::sync::mpsc;

use super::{
    super::{Process, backend::Envelope, lane::Lane, outage::Outage, table::Table},
    *,
};

struct Bare {
    db: TestDb,
    table: Arc<Table>,
    claimed: mpsc::UnboundedReceiver<Envelope>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Bare {
    async fn new(engine: Engine) -> Self {
        let db = TestDb::new(engine).await;
        let table = Arc::new(Table::default());
        let process = Process {
            env: db.env.clone(),
            registry: Arc::new(registry()),
            table: Arc::clone(&table),
            outage: Arc::new(Outage::default()),
            options: options(&db.env),
        };
        let (jobs, claimed) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let lane = Lane::new(
            &process,
            Queue::Default,
            SLOTS,
            jobs,
            stop.clone(),
            CancellationToken::new(),
        );
        let task = TaskTracker::new().spawn(lane.run());
        Self {
            db,
            table,
            claimed,
            stop,
            task,
        }
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
    lane.stop.cancel();
    within("the lane ends", lane.task).await.unwrap();
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
    const REFUSE: Sql = Sql::both(
        "CREATE TRIGGER refuse BEFORE INSERT ON jobs_done WHEN NEW.kind = 'test.hasty'
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    let mut lane = Bare::new(Engine::Sqlite).await;
    lane.db.execute(REFUSE, args![]).await;
    let refused = lane.claim(NewJob::of("default", &Hasty {}).unwrap()).await;
    let other = lane.claim(puppet(Does::Complete)).await;
    let id = other.cx.job.id.clone();
    refused.slot.end(Some(Outcome::Completed { report: None }));
    other.slot.end(Some(Outcome::Completed { report: None }));
    job_in(&lane.db.env, &id, "completed").await;
    lane.stop.cancel();
    within("the lane ends", lane.task).await.unwrap();
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
    lane.stop.cancel();
    within("the lane ends", lane.task).await.unwrap();
}
