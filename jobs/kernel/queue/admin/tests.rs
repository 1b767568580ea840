//! What people do to jobs, on both databases.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Acted, Action, Filter, JobState, act, act_on_filter, attempts, counts, lanes, list, list_all,
    nodes, set_concurrency, set_queue_paused, show,
};
use crate::{
    both,
    kernel::{
        Env, Timestamp,
        queue::{Outcome, Queue, lease},
        test_jobs::{
            Exclusive, Live, Plain, Waiting, claim_one, claim_some, completed, done, end, jobs,
            settle,
        },
    },
};

async fn do_to(env: &Env, action: Action, ids: &[&str]) -> BTreeMap<String, Acted> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut tx = env.db.begin().await.unwrap();
    let acted = act(&mut tx, "default", action, &ids, env.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    acted
}

async fn one(env: &Env, action: Action, id: &str) -> Acted {
    do_to(env, action, &[id]).await.remove(id).unwrap()
}

async fn state(env: &Env, id: &str) -> String {
    show(&env.db, "default", id, env.now())
        .await
        .unwrap()
        .unwrap()
        .state
}

/// Runs what is due and discards it.
async fn discard(env: &Env) {
    let discarded = Outcome::Discarded {
        error: "broken".to_owned(),
    };
    let acks: Vec<_> = claim_some(env, "node_1", 10)
        .await
        .iter()
        .map(|job| end(job, discarded.clone()))
        .collect();
    assert!(!acks.is_empty());
    settle(env, &acks).await;
}

both! {
    async fn the_seven_states_are_told_apart(db: TestDb) {
        let later = db.now().plus(Duration::from_mins(1));
        let scheduled = db.enqueue(Plain::with("a").due(later)).await.id;
        assert_eq!(state(&db, &scheduled).await, "scheduled");
        db.advance(Duration::from_mins(1));
        assert_eq!(state(&db, &scheduled).await, "available");
        let job = claim_one(&db, "node_1").await;
        assert_eq!(state(&db, &scheduled).await, "running");
        let retry = Outcome::Retry { due_at: db.now().plus(Duration::from_secs(9)), error: "no".to_owned() };
        settle(&db, &[end(&job, retry)]).await;
        assert_eq!(state(&db, &scheduled).await, "retryable");
        let row = show(&db.db, "default", &scheduled, db.now()).await.unwrap().unwrap();
        assert_eq!(row.error.as_deref(), Some("no"));
        let failed = attempts(&db.db, &scheduled).await.unwrap();
        assert_eq!((failed[0].attempt, failed[0].outcome.as_str()), (1, "retry"));
        db.advance(Duration::from_secs(9));
        let job = claim_one(&db, "node_1").await;
        settle(&db, &[completed(&job)]).await;
        assert_eq!(state(&db, &scheduled).await, "completed");
        assert_eq!(show(&db.db, "other", &scheduled, db.now()).await.unwrap(), None);
    }

    async fn lists_and_counts_hold_every_job_once(db: TestDb) {
        let mut ids = Vec::new();
        for at in 0..6 {
            ids.push(db.enqueue(Plain::with("a")).await.id);
            if at == 2 {
                discard(&db).await;
            }
        }
        ids.reverse();
        let all = list_all(&db.db, "default", &Filter::default(), 10, db.now()).await.unwrap();
        assert_eq!(all.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids);
        let page = list(&db.db, "default", &Filter::default(), Some(&ids[1]), 3, db.now()).await.unwrap();
        assert_eq!(page.before.as_ref(), Some(&ids[4]));
        assert_eq!(page.jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids[2..5]);
        let discarded = Filter { state: Some(JobState::Discarded), ..Filter::default() };
        assert_eq!(list_all(&db.db, "default", &discarded, 10, db.now()).await.unwrap().len(), 3);
        let counted = counts(&db.db, "default", db.now()).await.unwrap();
        let counted: Vec<_> = counted.rows.iter().map(|row| (row.state.as_str(), row.count)).collect();
        assert_eq!(counted, [("available", 3), ("discarded", 3)]);
        assert!(list_all(&db.db, "other", &Filter::default(), 10, db.now()).await.unwrap().is_empty());
        assert!(counts(&db.db, "other", db.now()).await.unwrap().rows.is_empty());
    }

    async fn every_filter_narrows(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        let now = db.now();
        let found = async |filter: Filter<'_>| {
            !list_all(&db.db, "default", &filter, 10, now).await.unwrap().is_empty()
        };
        assert!(found(Filter { kind: Some("test.plain"), ..Filter::default() }).await, "{id}");
        assert!(!found(Filter { kind: Some("test.other"), ..Filter::default() }).await);
        assert!(found(Filter { queue: Some(Queue::Default), ..Filter::default() }).await);
        assert!(!found(Filter { queue: Some(Queue::Money), ..Filter::default() }).await);
        assert!(found(Filter { state: Some(JobState::Available), ..Filter::default() }).await);
        assert!(!found(Filter { state: Some(JobState::Running), ..Filter::default() }).await);
        assert!(found(Filter { created_after: Some(Timestamp(now.0 - 1)), ..Filter::default() }).await);
        assert!(!found(Filter { created_after: Some(now), ..Filter::default() }).await);
        assert!(!found(Filter { member_id: Some("mem_1"), ..Filter::default() }).await);
        assert!(!found(Filter { schedule: Some("x"), ..Filter::default() }).await);
    }

    async fn a_waiting_job_is_cancelled_at_once(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        assert_eq!(one(&db, Action::Cancel, &id).await, Acted::Done);
        assert!(jobs(&db).await.is_empty());
        assert_eq!(done(&db).await[0].state, "cancelled");
        assert_eq!(one(&db, Action::Cancel, &id).await, Acted::Final);
        assert!(claim_some(&db, "node_1", 1).await.is_empty());
    }

    async fn a_running_job_is_asked_to_stop_and_cannot_be_retried(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        claim_one(&db, "node_1").await;
        assert_eq!(one(&db, Action::Retry, &id).await, Acted::Running);
        assert_eq!(one(&db, Action::Cancel, &id).await, Acted::Done);
        let held = lease::held(&db.db, "node_1").await.unwrap();
        assert!(held[0].cancel);
        assert_eq!(state(&db, &id).await, "running");
    }

    async fn a_retry_makes_a_waiting_job_due_now(db: TestDb) {
        let later = db.now().plus(Duration::from_hours(1));
        let id = db.enqueue(Plain::with("a").due(later)).await.id;
        assert_eq!(one(&db, Action::Retry, &id).await, Acted::Done);
        assert_eq!(jobs(&db).await[0].due_at, db.now());
    }

    async fn a_discarded_job_waits_again_with_an_attempt_left_and_a_new_fence(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        let first = claim_one(&db, "node_1").await;
        settle(&db, &[end(&first, Outcome::Retry { due_at: db.now(), error: "no".to_owned() })]).await;
        discard(&db).await;
        assert_eq!(one(&db, Action::Retry, &id).await, Acted::Done);
        assert!(done(&db).await.is_empty());
        let again = claim_one(&db, "node_1").await;
        assert_eq!((again.attempt, again.max_attempts), (3, 3));
        assert!(again.fence > first.fence + 1);
        // A late word about the first run is not heard.
        assert_eq!(settle(&db, &[completed(&first)]).await.stale, 1);
        assert_eq!(settle(&db, &[completed(&again)]).await.applied, 1);
        assert_eq!(attempts(&db.db, &id).await.unwrap().len(), 2);
        assert_eq!(one(&db, Action::Retry, &id).await, Acted::Final);
    }

    async fn a_retry_folds_into_the_job_that_took_the_key(db: TestDb) {
        for new in [Waiting::with, Live::with, Exclusive::with] {
            let old = db.enqueue(new("k")).await.id;
            discard(&db).await;
            let holder = db.enqueue(new("k")).await.id;
            assert_eq!(one(&db, Action::Retry, &old).await, Acted::Folded(holder));
            assert_eq!(done(&db).await.last().unwrap().id, old);
            discard(&db).await;
        }
    }

    async fn two_jobs_of_one_key_revive_as_one(db: TestDb) {
        let first = db.enqueue(Waiting::with("k")).await.id;
        discard(&db).await;
        let second = db.enqueue(Waiting::with("k")).await.id;
        discard(&db).await;
        let acted = do_to(&db, Action::Retry, &[&first, &second, "job_none"]).await;
        assert_eq!(acted[&first], Acted::Done);
        assert_eq!(acted[&second], Acted::Folded(first.clone()));
        assert_eq!(acted["job_none"], Acted::NotFound);
    }

    async fn many_people_retry_one_job_and_it_waits_once(db: TestDb) {
        let id = db.enqueue(Waiting::with("k")).await.id;
        discard(&db).await;
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (env, id) = (db.node().await, id.clone());
            crowd.spawn(async move { one(&env, Action::Retry, &id).await });
        }
        for acted in crowd.join_all().await {
            assert_eq!(acted, Acted::Done);
        }
        assert_eq!(jobs(&db).await.len(), 1);
        assert!(done(&db).await.is_empty());
    }

    async fn other_organizations_jobs_do_not_exist(db: TestDb) {
        let id = db.enqueue(Plain::with("a")).await.id;
        let mut tx = db.db.begin().await.unwrap();
        let ids = [id.clone()];
        let acted = act(&mut tx, "other", Action::Cancel, &ids, db.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(acted[&id], Acted::NotFound);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn a_filter_acts_only_on_the_expected_number(db: TestDb) {
        for _ in 0..3 {
            db.enqueue(Plain::with("a")).await;
        }
        db.enqueue(Live::with("a")).await;
        let filter = Filter { kind: Some("test.plain"), ..Filter::default() };
        let refused = act_on_filter(&db.db, "default", Action::Cancel, &filter, 4, db.now()).await.unwrap();
        assert_eq!(refused.err(), Some(3));
        assert_eq!(jobs(&db).await.len(), 4);
        let acted = act_on_filter(&db.db, "default", Action::Cancel, &filter, 3, db.now()).await.unwrap();
        let (tx, acted) = acted.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(acted.len(), 3);
        assert_eq!(jobs(&db).await.len(), 1);
    }

    async fn queues_show_their_load_pause_and_slots(db: TestDb) {
        db.enqueue(Plain::with("a")).await;
        db.enqueue(Plain::with("b")).await;
        db.enqueue(Plain::with("c").due(db.now().plus(Duration::from_hours(1)))).await;
        claim_one(&db, "node_1").await;
        let mut tx = db.db.begin().await.unwrap();
        set_queue_paused(&mut tx, Queue::Default, true, db.now()).await.unwrap();
        set_concurrency(&mut tx, Queue::Default, Some(3)).await.unwrap();
        tx.commit().await.unwrap();
        let all = lanes(&db.db, db.now()).await.unwrap();
        assert_eq!(all.len(), Queue::ALL.len());
        let lane = all.iter().find(|lane| lane.queue == Queue::Default).unwrap();
        assert_eq!((lane.waiting, lane.running, lane.concurrency), (2, 1, Some(3)));
        assert_eq!(lane.oldest_available_at, Some(db.now()));
        assert_eq!(lane.paused_at, Some(db.now()));
        assert!(claim_some(&db, "node_1", 5).await.is_empty());
        let mut tx = db.db.begin().await.unwrap();
        set_queue_paused(&mut tx, Queue::Default, false, db.now()).await.unwrap();
        set_concurrency(&mut tx, Queue::Default, None).await.unwrap();
        tx.commit().await.unwrap();
        let lane = lanes(&db.db, db.now()).await.unwrap().pop().unwrap();
        assert_eq!((lane.paused_at, lane.concurrency), (None, None));
        assert_eq!(claim_some(&db, "node_1", 5).await.len(), 1);
    }

    async fn nodes_show_what_they_run(db: TestDb) {
        let node = lease::Node {
            id: "node_1".to_owned(),
            name: "one".to_owned(),
            roles: "api,worker".to_owned(),
            version: "1".to_owned(),
            started_at: db.now(),
        };
        lease::beat(&db.db, &node, db.now()).await.unwrap();
        db.enqueue(Plain::with("a")).await;
        claim_one(&db, "node_1").await;
        let listed = nodes(&db.db).await.unwrap();
        assert_eq!((listed[0].id.as_str(), listed[0].running), ("node_1", 1));
        assert_eq!(listed[0].stopped_at, None);
    }
}
