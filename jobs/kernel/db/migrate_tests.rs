//! The schema: the same steps for both databases, refused when it is not this binary's, safe to run at any time.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::{Error, Sql};
use crate::{
    args, both,
    testing::{Engine, TestDb},
};

const HISTORY: Sql = Sql::split(
    "INSERT INTO memberd_migrations (version, description, success, checksum, execution_time)
     VALUES ($1, 'of the future', TRUE, x'00', 0)",
    "INSERT INTO memberd_migrations (version, description, success, checksum, execution_time)
     VALUES ($1, 'of the future', TRUE, '\\x00', 0)",
);

/// A database without any table.
async fn bare(engine: Engine) -> TestDb {
    let db = TestDb::empty(engine).await;
    if engine == Engine::Postgres {
        db.execute(Sql::both("DROP SCHEMA public CASCADE"), &[])
            .await;
        db.execute(Sql::both("CREATE SCHEMA public"), &[]).await;
    }
    db
}

/// Runs statements outside the history of migrations.
async fn run(db: &TestDb, statements: String) {
    let statements = sqlx::raw_sql(AssertSqlSafe(statements));
    match db.engine() {
        Engine::Sqlite => {
            let mut file = SqliteConnection::connect(&db.url()).await.unwrap();
            statements.execute(&mut file).await.unwrap();
        }
        Engine::Postgres => {
            let mut server = PgConnection::connect(&db.url()).await.unwrap();
            statements.execute(&mut server).await.unwrap();
        }
    }
}

#[test]
fn both_folders_have_the_same_numbers_and_names() {
    let names = |migrator: sqlx::migrate::Migrator| -> Vec<_> {
        migrator
            .iter()
            .map(|m| (m.version, m.description.to_string()))
            .collect()
    };
    let (sqlite, postgres) = (
        sqlx::migrate!("../migrations/sqlite"),
        sqlx::migrate!("../migrations/postgres"),
    );
    let (sqlite, postgres) = (names(sqlite), names(postgres));
    assert_eq!(sqlite, postgres);
    assert!(!sqlite.is_empty());
}

both! {
    async fn an_empty_database_has_everything_pending_and_then_nothing(db: TestDb) {
        let bare = bare(db.engine()).await;
        let state = bare.db.migration_state().await.unwrap();
        assert_eq!(state.applied, 0);
        assert_eq!(state.pending.last().map(|last| last.version), Some(state.known));
        assert!(state.pending[0].sql.contains("CREATE TABLE"));
        let refused = bare.db.check_schema().await.unwrap_err();
        assert!(refused.to_string().contains("`memberd migrate up`"), "{refused}");
        bare.db.migrate().await.unwrap();
        bare.db.check_schema().await.unwrap();
        assert!(bare.db.migration_state().await.unwrap().pending.is_empty());
    }

    async fn running_jobs_are_covered_by_leases_after_the_upgrade(db: TestDb) {
        const LEASES: i64 = 11;
        const RUNNING: &str = "INSERT INTO jobs (id, organization_id, queue, kind, args, priority, due_at, max_attempts, fence,
                owner, lease_until, unique_key, unique_running, exclusive, created_at)
            VALUES ('job_1', 'default', 'money', 'k', '{}', 0, 1, 3, 4, 'node_1', 77, 'one', FALSE, TRUE, 1),
                ('job_2', 'default', 'default', 'k', '{}', 0, 1, 3, 5, 'node_1', 78, NULL, FALSE, FALSE, 1),
                ('job_3', 'default', 'default', 'k', '{}', 0, 1, 3, 0, NULL, NULL, 'two', FALSE, FALSE, 1)";
        let bare = bare(db.engine()).await;
        let pending = bare.db.migration_state().await.unwrap().pending;
        let (before, after): (Vec<_>, Vec<_>) = pending.into_iter().partition(|step| step.version < LEASES);
        for step in before {
            run(&bare, step.sql).await;
        }
        run(&bare, RUNNING.to_owned()).await;
        for step in after {
            run(&bare, step.sql).await;
        }
        let running: Vec<(String, String, i64)> =
            bare.rows(Sql::both("SELECT id, queue, fence FROM jobs_running ORDER BY id"), &[]).await;
        let row = |id: &str, queue: &str, fence| (id.to_owned(), queue.to_owned(), fence);
        assert_eq!(running, [row("job_1", "money", 4), row("job_2", "default", 5)]);
        assert_eq!(bare.count("job_leases WHERE owner = 'node_1' AND until_at IN (77, 78)").await, 2);
        assert_eq!(bare.count("jobs WHERE running_key = 'one' AND waiting_key IS NULL").await, 1);
        assert_eq!(bare.count("jobs WHERE waiting_key = 'two' AND running_key IS NULL AND in_line").await, 1);
    }

    async fn migrating_twice_is_harmless(db: TestDb) {
        let rows = db.count("memberd_migrations").await;
        db.db.migrate().await.unwrap();
        assert_eq!(db.count("memberd_migrations").await, rows);
        assert_eq!(db.count("organizations").await, 1);
    }

    async fn a_newer_schema_is_refused(db: TestDb) {
        db.execute(HISTORY, args![9_999_i64]).await;
        for refused in [db.db.check_schema().await, db.db.migrate().await] {
            match refused {
                Err(Error::SchemaNewer { found: 9_999, known }) => assert!(known < 9_999),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn an_older_schema_is_refused_with_the_command(db: TestDb) {
        let forget = Sql::both("DELETE FROM memberd_migrations WHERE version = $1");
        let known = db.db.migration_state().await.unwrap().known;
        db.execute(forget, args![known]).await;
        match db.db.check_schema().await {
            Err(error @ Error::SchemaOlder { .. }) => {
                assert!(error.to_string().contains("`memberd migrate up`"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }

    async fn several_processes_migrate_at_once(db: TestDb) {
        let bare = bare(db.engine()).await;
        let (one, two, three) = (bare.node().await, bare.node().await, bare.node().await);
        let (one, two, three) = tokio::join!(one.db.migrate(), two.db.migrate(), three.db.migrate());
        one.unwrap();
        two.unwrap();
        three.unwrap();
        bare.db.check_schema().await.unwrap();
    }
}
