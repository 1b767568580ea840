//! The schema: the same steps for both databases, refused when it is not this binary's, safe to run at any time.

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
