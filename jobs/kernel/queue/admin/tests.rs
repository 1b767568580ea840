//! What people do to jobs and queues, on both databases.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Acted, Action, Filter, JobState, act, act_on_filter, attempts, counts, lanes, list,
    set_concurrency, set_queue_paused, show, unfinished,
};
use crate::{
    both,
    kernel::{
        db::Db,
        outbox::NewJob,
        queue::{Claimed, Outcome, Queue},
        test_jobs::{
            LEASE, Live, Plain, Waiting, claim_one, claim_some, completed, done, end, jobs, settle,
        },
    },
    testing::TestDb,
};

/// Acts on one job of organization `default`.
async fn act_on(db: &TestDb, action: Action, id: &str) -> Acted {
    act_on_many(db, "default", action, &[id])
        .await
        .remove(id)
        .unwrap()
}

async fn act_on_many(
    db: &TestDb,
    organization: &str,
    action: Action,
    ids: &[&str],
) -> BTreeMap<String, Acted> {
    let ids: Vec<_> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut tx = db.db.begin().await.unwrap();
    let acted = act(&mut tx, organization, action, &ids, db.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    acted
}

/// A job that failed for good, as its worker held it.
async fn discarded(db: &TestDb, job: NewJob) -> Claimed {
    db.enqueue(job).await;
    let job = claim_one(db, "a").await;
    settle(
        db,
        &[end(
            &job,
            Outcome::Discarded {
                error: "no".to_owned(),
            },
        )],
    )
    .await;
    job
}

async fn state(db: &TestDb, id: &str) -> String {
    show(&db.db, "default", id, db.now())
        .await
        .unwrap()
        .unwrap()
        .state
}

async fn ids(db: &Db, filter: &Filter<'_>, now: crate::kernel::Timestamp) -> Vec<String> {
    let found = list(db, "default", filter, None, 100, now).await.unwrap();
    found.into_iter().map(|job| job.id).collect()
}

both! {
    async fn a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(db: TestDb) {
        let running = db.enqueue(Plain::with("a")).await.id;
        let held = claim_one(&db, "a").await;
        let waiting = db.enqueue(Plain::with("b")).await.id;
        let acted = act_on_many(&db, "default", Action::Cancel, &[&running, &waiting, "job_none"]).await;
        let expected = [(running.clone(), Acted::Done), (waiting.clone(), Acted::Done), ("job_none".to_owned(), Acted::NotFound)];
        assert_eq!(acted, BTreeMap::from(expected));
        assert_eq!((state(&db, &waiting).await, state(&db, &running).await), ("cancelled".to_owned(), "running".to_owned()));
        assert!(show(&db.db, "default", &running, db.now()).await.unwrap().unwrap().cancel_requested_at.is_some());
        settle(&db, &[end(&held, Outcome::GivenBack)]).await;
        assert_eq!(state(&db, &running).await, "cancelled");
        assert_eq!(act_on(&db, Action::Cancel, &waiting).await, Acted::Final);
    }

    async fn other_organizations_have_no_such_job(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        for action in [Action::Cancel, Action::Retry] {
            let acted = act_on_many(&db, "other", action, &[&id]).await;
            assert_eq!(acted[&id], Acted::NotFound);
        }
        assert_eq!(show(&db.db, "other", &id, db.now()).await.unwrap(), None);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn a_retry_makes_what_waits_due_and_leaves_what_runs_or_is_done(db: TestDb) {
        let late = db.enqueue(Plain::with("a").due(db.now().plus(Duration::from_hours(1)))).await.id;
        assert_eq!(act_on(&db, Action::Retry, &late).await, Acted::Done);
        let job = claim_one(&db, "a").await;
        assert_eq!(act_on(&db, Action::Retry, &late).await, Acted::Running);
        settle(&db, &[completed(&job)]).await;
        assert_eq!(act_on(&db, Action::Retry, &late).await, Acted::Final);
    }

    async fn a_discarded_job_lives_again_under_its_id_with_one_more_attempt(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        for _ in 0..2 {
            let job = claim_one(&db, "a").await;
            let outcome = if job.attempt < job.max_attempts {
                Outcome::Retry { due_at: db.now(), error: "no".to_owned() }
            } else {
                Outcome::Discarded { error: "no".to_owned() }
            };
            settle(&db, &[end(&job, outcome)]).await;
        }
        let id = done(&db).await[0].id.clone();
        assert_eq!(act_on(&db, Action::Retry, &id).await, Acted::Done);
        assert!(done(&db).await.is_empty());
        let job = claim_one(&db, "a").await;
        assert_eq!((&job.id, job.attempt, job.max_attempts), (&id, 3, 3));
        assert_eq!(attempts(&db.db, &id).await.unwrap().len(), 2);
    }

    async fn a_revived_job_does_not_hear_the_acknowledgements_of_its_former_life(db: TestDb) {
        let former = discarded(&db, Plain::with("a")).await;
        assert_eq!(act_on(&db, Action::Retry, &former.id).await, Acted::Done);
        let job = claim_one(&db, "a").await;
        assert!(job.fence > former.fence);
        assert_eq!(settle(&db, &[completed(&former)]).await.stale, 1);
        assert_eq!(settle(&db, &[completed(&job)]).await.applied, 1);
    }

    async fn a_job_is_not_revived_beside_its_twin(db: TestDb) {
        for new in [Waiting::with as fn(&str) -> NewJob, Live::with] {
            let former = discarded(&db, new("k")).await;
            let second = discarded(&db, new("k")).await;
            let acted = act_on_many(&db, "default", Action::Retry, &[&former.id, &second.id]).await;
            assert_eq!(acted[&former.id], Acted::Done, "the older of two");
            assert_eq!(acted[&second.id], Acted::Folded(former.id.clone()));
            assert_eq!(act_on(&db, Action::Retry, &second.id).await, Acted::Folded(former.id.clone()));
            assert_eq!(claim_some(&db, "a", 10).await.len(), 1);
            settle(&db, &[completed(&Claimed { attempt: 0, fence: 2, ..former })]).await;
        }
    }

    async fn a_filter_acts_only_on_the_number_that_was_expected(db: TestDb) {
        for key in ["a", "b", "c"] {
            discarded(&db, Plain::with(key)).await;
        }
        discarded(&db, Live::with("other")).await;
        let filter = Filter { state: Some(JobState::Discarded), kind: Some("test.plain"), ..Filter::default() };
        for (expected, answer) in [(2, Err(3)), (3, Ok(3))] {
            let mut tx = db.db.begin().await.unwrap();
            let acted = act_on_filter(&mut tx, "default", Action::Retry, &filter, expected, db.now()).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(acted.map(|acted| acted.len()), answer);
        }
        assert_eq!((jobs(&db).await.len(), done(&db).await.len()), (3, 1));
    }

    async fn a_list_shows_waiting_running_and_finished_jobs_newest_first(db: TestDb) {
        let completed_id = db.enqueue(Plain::with("a")).await.id;
        let job = claim_one(&db, "a").await;
        settle(&db, &[completed(&job)]).await;
        let discarded_id = discarded(&db, Plain::with("b")).await.id;
        let running = db.enqueue(Plain::with("c")).await.id;
        claim_one(&db, "a").await;
        let scheduled = db.enqueue(Live::with("d").due(db.now().plus(LEASE))).await.id;
        let available = db.enqueue(Plain::with("e").priority(9)).await.id;
        let all = [&available, &scheduled, &running, &discarded_id, &completed_id];
        assert_eq!(ids(&db.db, &Filter::default(), db.now()).await, all.map(Clone::clone));
        for (state, id) in [
            ("available", &available), ("scheduled", &scheduled), ("running", &running),
            ("discarded", &discarded_id), ("completed", &completed_id),
        ] {
            let filter = Filter { state: JobState::parse(state), ..Filter::default() };
            assert_eq!(ids(&db.db, &filter, db.now()).await, [id.clone()], "{state}");
        }
        let live = Filter { kind: Some("test.live"), ..Filter::default() };
        assert_eq!(ids(&db.db, &live, db.now()).await, [scheduled]);
        let page = list(&db.db, "default", &Filter::default(), Some(&running), 1, db.now()).await.unwrap();
        assert_eq!(page[0].id, discarded_id);
        assert_eq!(counts(&db.db, "default", db.now()).await.unwrap().len(), 5);
        assert_eq!(unfinished(&db.db, db.now()).await.unwrap(), 2, "what is scheduled for later can wait");
    }

    async fn queues_tell_their_load_and_obey(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        claim_one(&db, "a").await;
        db.enqueue(Plain::with("b")).await;
        let mut tx = db.db.begin().await.unwrap();
        set_queue_paused(&mut tx, Queue::Default, true, db.now()).await.unwrap();
        set_concurrency(&mut tx, Queue::Default, Some(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert!(claim_some(&db, "a", 10).await.is_empty());
        let found = lanes(&db.db, db.now()).await.unwrap().into_iter().find(|lane| lane.queue == Queue::Default).unwrap();
        assert_eq!((found.waiting, found.running, found.concurrency), (1, 1, Some(3)));
        assert_eq!((found.paused_at, found.oldest_available_at), (Some(db.now()), Some(db.now())));
        let mut tx = db.db.begin().await.unwrap();
        set_queue_paused(&mut tx, Queue::Default, false, db.now()).await.unwrap();
        set_concurrency(&mut tx, Queue::Default, None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim_some(&db, "a", 10).await.len(), 1);
    }
}
