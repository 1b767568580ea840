//! A schema that is not this binary's is refused, with what to do about it.

use memberd_jobs::{args, kernel::db::Sql};

use crate::support::{Daemon, Node, World, on_both};

/// The exit code for "schema and binary do not fit together".
const REFUSED: Option<i32> = Some(3);

const FROM_THE_FUTURE: Sql = Sql::split(
    "INSERT INTO memberd_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'from the future', TRUE, x'00', 0)",
    "INSERT INTO memberd_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'from the future', TRUE, '\\x00', 0)",
);
const FORGET_LAST: Sql = Sql::both(
    "DELETE FROM memberd_migrations WHERE version = (SELECT max(version) FROM memberd_migrations)",
);

/// Starts a daemon that must refuse.
fn refused(world: &World) -> Daemon {
    let mut daemon = Daemon::prepare(world, Node::default());
    daemon.launch();
    assert_eq!(daemon.wait().code(), REFUSED, "{}", daemon.log_text());
    daemon
}

on_both! {
    async fn a_newer_schema_is_refused(world: World) {
        world.db.execute(FROM_THE_FUTURE, args![]).await;
        let daemon = refused(&world);
        let log = daemon.log_text();
        assert!(log.contains("9999"), "{log}");
        let migrated = daemon.command("migrate").arg("up").status().unwrap();
        assert_eq!(migrated.code(), REFUSED, "{}", daemon.log_text());
    }

    async fn an_older_schema_is_refused_with_the_command_that_fixes_it(world: World) {
        world.db.execute(FORGET_LAST, args![]).await;
        let log = refused(&world).log_text();
        assert!(log.contains("memberd migrate up"), "{log}");
        assert_eq!(world.db.count("nodes").await, 0, "it did something before it refused");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_migrated_by_command_or_by_configuration() {
    let world = World::sqlite().await;
    let file = |name: &str| format!("sqlite:{}", world.folder().join(name).display());
    for (name, migrate) in [("by-command.db", "check"), ("by-configuration.db", "auto")] {
        let node = Node::default()
            .set("database.url", &file(name))
            .set("database.migrate", migrate);
        let mut daemon = Daemon::prepare(&world, node);
        if migrate == "check" {
            daemon.launch();
            assert_eq!(daemon.wait().code(), REFUSED, "{}", daemon.log_text());
            let set = format!("database.url={}", file(name));
            let up = daemon
                .command("migrate")
                .args(["--set", &set, "up"])
                .status()
                .unwrap();
            assert!(up.success(), "{}", daemon.log_text());
        }
        daemon.up().await;
        daemon.stop();
    }
}
