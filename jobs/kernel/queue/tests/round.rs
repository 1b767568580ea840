//! A round in one trip does what the steps one by one do.

use std::collections::BTreeSet;

use crate::{
    args, both,
    kernel::{
        db::Sql,
        outbox::{self, NewJob},
        queue::{
            Ack, Outcome,
            round::{Ends, round},
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

const fn ends(acks: &[Ack]) -> Ends<'_> {
    Ends {
        acks,
        exclusive: false,
    }
}

both! {
    async fn ends_are_written_and_jobs_are_claimed_in_order(db: TestDb) {
        enqueue(&db, plain(7)).await;
        let (_, first) = round(&db.db, db.now(), ends(&[]), Some(&wanted(&db, "a", 4))).await.unwrap();
        assert_eq!((first.jobs.len(), first.more), (4, true));
        let written: Vec<Ack> = first.jobs.iter().map(completed).collect();
        let (settled, second) =
            round(&db.db, db.now(), ends(&written), Some(&wanted(&db, "a", 4))).await.unwrap();
        assert_eq!((settled.applied, settled.stale), (4, 0));
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
        let (_, short) = round(&db.db, db.now(), ends(&[]), Some(&wanted(&db, "a", 1))).await.unwrap();
        let long = claim_some(&db, "a", 1).await;
        let (short, long) = (&short.jobs[0], &long[0]);
        assert_eq!(short.args, long.args);
        let told = |job: &crate::kernel::queue::Claimed| {
            (job.kind.clone(), job.organization_id.clone(), job.priority, job.due_at, job.attempt, job.max_attempts,
             job.fence, job.owner.clone(), job.exclusive)
        };
        assert_eq!(told(short), told(long));
    }

    async fn only_the_holder_is_heard_in_one_trip_too(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held = claim_some(&db, "a", 3).await;
        let forged = [
            Ack { fence: 9, ..completed(&held[0]) },
            Ack { owner: "b".to_owned(), ..completed(&held[1]) },
            completed(&held[2]),
        ];
        // The second has another owner than the claim, so that the round goes the long way; the others in one trip.
        for (acks, applied, stale) in [(&forged[..1], 0, 1), (&forged[1..2], 0, 1), (&forged[2..], 1, 0), (&forged[2..], 0, 1)] {
            let (settled, _) = round(&db.db, db.now(), ends(acks), Some(&wanted(&db, "a", 0))).await.unwrap();
            assert_eq!((settled.applied, settled.stale), (applied, stale), "{acks:?}");
        }
        assert_eq!((jobs(&db).await.len(), done(&db).await.len()), (2, 1));
    }

    async fn limits_of_the_queue_hold_while_ends_are_written(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held: Vec<Ack> = claim_some(&db, "a", 2).await.iter().map(completed).collect();
        db.execute(PAUSE, args![]).await;
        let (settled, round) = round(&db.db, db.now(), ends(&held), Some(&wanted(&db, "a", 9))).await.unwrap();
        assert_eq!((settled.applied, round.jobs.len()), (2, 0));
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn an_exclusive_end_frees_its_key_in_the_same_round(db: TestDb) {
        enqueue(&db, vec![Exclusive::with("k")]).await;
        let first = claim_some(&db, "a", 1).await;
        enqueue(&db, vec![Exclusive::with("k")]).await;
        let (_, nothing) = round(&db.db, db.now(), ends(&[]), Some(&wanted(&db, "a", 9))).await.unwrap();
        assert_eq!(nothing.jobs.len(), 0);
        let acks = [completed(&first[0])];
        let exclusive = Ends { acks: &acks, exclusive: true };
        let (_, next) = round(&db.db, db.now(), exclusive, Some(&wanted(&db, "a", 9))).await.unwrap();
        assert_eq!(next.jobs.len(), 1);
    }

    async fn ends_of_every_sort_may_meet_in_one_round(db: TestDb) {
        enqueue(&db, plain(3)).await;
        let held = claim_some(&db, "a", 3).await;
        let acks = [
            completed(&held[0]),
            end(&held[1], Outcome::Completed { report: Some(r#"{"rows":1}"#.to_owned()) }),
            end(&held[2], Outcome::Retry { due_at: db.now(), error: "no".to_owned() }),
        ];
        let (settled, round) = round(&db.db, db.now(), ends(&acks), Some(&wanted(&db, "a", 9))).await.unwrap();
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
