//! The activity log on both databases.

use std::time::Duration;

use sqlx::Connection as _;

use super::{
    CALL_ID_PREFIX, Call, Filter, Listed, begin, list, prune,
    store::{self, page},
    write,
};
use crate::{
    FAMILIES,
    access::PruneActivity,
    both,
    kernel::{Env, Registry, Timestamp, db::Sql, outbox::NewJob},
    testing::TestDb,
};

const DAY: Duration = Duration::from_hours(24);

/// A call of now.
fn call(env: &Env, key: &str) -> Call {
    Call {
        id: env.id(CALL_ID_PREFIX),
        organization_id: "default".to_owned(),
        key_id: key.to_owned(),
        method: "GET".to_owned(),
        route: "/v1/members".to_owned(),
        object_id: None,
        made_id: None,
        request_id: "req_1".to_owned(),
        status: Some(200),
        milliseconds: Some(3),
        calls: 1,
        created_at: env.now(),
    }
}

/// The keys of what a filter finds.
async fn found(db: &TestDb, filter: Filter<'_>) -> Vec<String> {
    let listed = list(&db.env.db, "default", &filter, None, 100).await.unwrap();
    listed.calls.into_iter().map(|call| call.key_id).collect()
}

both! {
    async fn a_call_that_began_is_completed_and_a_repeated_row_is_the_same_row(db: TestDb) {
        let env = &db.env;
        let begun = Call { status: None, milliseconds: None, ..call(env, "key_a") };
        begin(&env.db, &begun).await.unwrap();
        let shown = list(&env.db, "default", &Filter::default(), None, 10).await.unwrap();
        assert_eq!(shown, Listed { calls: vec![begun.clone()], before: None });
        let ended = Call { status: Some(201), milliseconds: Some(7), made_id: Some("job_1".to_owned()), ..begun.clone() };
        let read = call(env, "key_b");
        for _ in 0..2 {
            write(&env.db, &[ended.clone(), read.clone()]).await.unwrap();
        }
        let shown = list(&env.db, "default", &Filter::default(), None, 10).await.unwrap();
        assert_eq!(shown.calls, [read, ended]);
        let theirs = list(&env.db, "other", &Filter::default(), None, 10).await.unwrap();
        assert_eq!(theirs, Listed::default());
    }

    async fn what_cannot_be_written_down_is_an_error(db: TestDb) {
        db.execute(Sql::both("ALTER TABLE activity RENAME TO elsewhere"), &[]).await;
        let call = call(&db.env, "key_a");
        assert!(begin(&db.env.db, &call).await.is_err());
        assert!(write(&db.env.db, &[call]).await.is_err());
    }

    async fn calls_are_found_by_every_filter(db: TestDb) {
        let env = &db.env;
        let first = call(env, "key_a");
        db.advance(DAY);
        let noon = env.now();
        let second = Call { method: "POST".to_owned(), status: Some(404), object_id: Some("mem_1".to_owned()), ..call(env, "key_b") };
        db.advance(DAY);
        let third = Call { route: "/v1/jobs".to_owned(), status: None, made_id: Some("mem_1".to_owned()), ..call(env, "key_c") };
        write(&env.db, &[first, second, third]).await.unwrap();
        let none = Filter::default();
        let minute = Duration::from_mins(1);
        for (filter, expected) in [
            (none, vec!["key_c", "key_b", "key_a"]),
            (Filter { key_id: Some("key_b"), ..none }, vec!["key_b"]),
            (Filter { key_id: Some("key_b"), method: Some("GET"), ..none }, vec![]),
            (Filter { method: Some("POST"), ..none }, vec!["key_b"]),
            (Filter { route: Some("/v1/jobs"), ..none }, vec!["key_c"]),
            (Filter { status: Some((400, 499)), ..none }, vec!["key_b"]),
            (Filter { status: Some((200, 200)), ..none }, vec!["key_a"]),
            (Filter { status: Some((0, 0)), ..none }, vec!["key_c"]),
            (Filter { object_id: Some("mem_1"), ..none }, vec!["key_c", "key_b"]),
            (Filter { after: Some(noon), ..none }, vec!["key_c"]),
            (Filter { after: Some(noon.minus(minute)), ..none }, vec!["key_c", "key_b"]),
            (Filter { before: Some(noon), ..none }, vec!["key_a"]),
            (Filter { after: Some(noon.minus(minute)), before: Some(noon.plus(minute)), ..none }, vec!["key_b"]),
            (Filter { key_id: Some("key_a"), after: Some(noon), ..none }, vec![]),
        ] {
            assert_eq!(found(&db, filter).await, expected, "{filter:?}");
        }
    }

    async fn short_walks_show_every_call_once_and_in_order(db: TestDb) {
        let env = &db.env;
        let mut calls: Vec<_> = (0..23).map(|_| call(env, "key_a")).collect();
        for at in [3, 4, 17] {
            calls[at].key_id = "key_b".to_owned();
        }
        write(&env.db, &calls).await.unwrap();
        for (filter, expected) in [
            (Filter::default(), calls.iter().map(|call| call.id.clone()).rev().collect::<Vec<_>>()),
            (Filter { key_id: Some("key_b"), ..Filter::default() }, [17, 4, 3].map(|at| calls[at].id.clone()).to_vec()),
            (Filter { status: Some((500, 599)), ..Filter::default() }, vec![]),
        ] {
            for walk in [(2, 5), (5, 5), (5, 2), (1, 1), (50, 100)] {
                let (mut before, mut seen) = (None, Vec::new());
                loop {
                    let listed = page(&env.db, "default", &filter, before.as_deref(), walk).await.unwrap();
                    assert!(listed.calls.len() <= usize::try_from(walk.0).unwrap());
                    seen.extend(listed.calls.into_iter().map(|call| call.id));
                    before = listed.before;
                    if before.is_none() {
                        break;
                    }
                }
                assert_eq!(seen, expected, "{walk:?}");
            }
        }
    }

    async fn those_that_are_too_many_are_counted_in_short_steps(db: TestDb) {
        let env = &db.env;
        let calls: Vec<_> = (0..12).map(|_| call(env, "key_a")).collect();
        write(&env.db, &calls).await.unwrap();
        let ids: Vec<&str> = calls.iter().rev().map(|call| call.id.as_str()).collect();
        for keep in 0..=14 {
            for step in [1, 2, 3, 5, 100] {
                let found = store::surplus(&env.db, "default", keep, step).await.unwrap();
                let expected = ids.get(usize::try_from(keep).unwrap()).copied();
                assert_eq!(found.as_deref(), expected, "{keep} by {step}");
            }
        }
    }

    async fn the_job_forgets_what_the_settings_say(db: TestDb) {
        let db = db.with_settings(|settings| {
            settings.keep_activity = DAY;
            settings.keep_activity_max = 2;
        });
        let env = &db.env;
        write(&env.db, &[call(env, "key_old")]).await.unwrap();
        db.advance(2 * DAY);
        let young: Vec<_> = ["key_1", "key_2", "key_3"].map(|key| call(env, key)).to_vec();
        write(&env.db, &young).await.unwrap();
        db.enqueue(NewJob::of("default", &PruneActivity {}).unwrap()).await;
        db.drain(&Registry::of(FAMILIES)).await;
        assert_eq!(found(&db, Filter::default()).await, ["key_3", "key_2"]);
    }

    async fn old_calls_go_and_so_do_those_that_are_too_many(db: TestDb) {
        let env = &db.env;
        let old = [call(env, "key_old"), call(env, "key_old")];
        write(&env.db, &old).await.unwrap();
        db.advance(DAY);
        let young: Vec<_> = ["key_1", "key_2", "key_3"].map(|key| call(env, key)).to_vec();
        write(&env.db, &young).await.unwrap();
        let forget = async |before: Timestamp, keep: i64| prune(&env.db, before, keep).await.unwrap();
        assert_eq!(forget(env.now().minus(2 * DAY), 10).await, 0);
        assert_eq!(forget(env.now(), 10).await, 2);
        assert_eq!(forget(env.now(), 2).await, 1);
        assert_eq!(found(&db, Filter::default()).await, ["key_3", "key_2"]);
        db.advance(DAY);
        assert_eq!(forget(env.now(), 2).await, 2);
    }
}

/// What a transaction is set to is asked when it commits.
#[tokio::test]
async fn the_beginning_of_a_call_waits_for_no_disk() {
    const WATCH: &str = "CREATE TABLE flushed (level TEXT);
         CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO flushed VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER watch AFTER INSERT ON activity DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION watch();
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$";
    let db = TestDb::postgres().await;
    let mut server = sqlx::PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql(WATCH).execute(&mut server).await.unwrap();
    // The server of the tests flushes nothing at all, unless it is asked to.
    let db = db.reopen().await;
    let (env, first) = (&db.env, call(&db.env, "key_a"));
    begin(&env.db, &first).await.unwrap();
    write(&env.db, &[call(env, "key_b")]).await.unwrap();
    let levels: Vec<(String,)> = db.rows(Sql::both("SELECT level FROM flushed"), &[]).await;
    let levels: Vec<_> = levels.into_iter().map(|row| row.0).collect();
    assert_eq!(levels, ["off", "on"]);
}
