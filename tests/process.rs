//! The real binary: how it starts, refuses and ends.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

use memberd_jobs::testing::signal;
use tempfile::TempDir;

use crate::support::wait::{PATIENCE, at_last_blocking};

/// A folder with a database and a port.
struct Home {
    folder: TempDir,
    listen: String,
}

impl Home {
    fn new() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self {
            folder: TempDir::new().unwrap(),
            listen: format!("127.0.0.1:{port}"),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memberd"));
        let listen = format!("server.listen={}", self.listen);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .args(["--set", &listen])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("memberd.db")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = at_last_blocking(PATIENCE, || holds().then_some(()));
    assert!(held.is_some(), "not within {PATIENCE:?}: {what}");
}

async fn execute(file: &Path, sql: &'static str) {
    use sqlx::Connection as _;
    let url = format!("sqlite:{}", file.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[test]
fn a_daemon_becomes_ready_and_ends_with_0_on_sigterm() {
    let home = Home::new();
    let mut daemon = home
        .command(&["--set", "database.migrate=auto", "serve"])
        .spawn()
        .unwrap();
    until("the daemon is ready", || {
        home.run(&["healthcheck"]).status.success()
    });
    signal("TERM", daemon.id());
    let mut ended = None;
    until("the daemon ends", || {
        ended = daemon.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
    let checked = home.run(&["healthcheck"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stderr).contains(&home.listen));
}

#[test]
fn an_older_schema_is_refused_with_the_command_that_fixes_it() {
    let home = Home::new();
    let refused = home.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("memberd migrate up"));
    assert_eq!(home.run(&["migrate", "status"]).status.code(), Some(3));
    let planned = home.run(&["migrate", "up", "--dry-run"]);
    assert!(text(&planned.stdout).contains("CREATE TABLE jobs"));
    assert_eq!(home.run(&["migrate", "status"]).status.code(), Some(3));
    assert_eq!(home.run(&["migrate", "up"]).status.code(), Some(0));
    assert_eq!(home.run(&["migrate", "status"]).status.code(), Some(0));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let home = Home::new();
    assert_eq!(home.run(&["migrate", "up"]).status.code(), Some(0));
    let newer =
        "INSERT INTO memberd_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'of tomorrow', TRUE, x'00', 0)";
    execute(&home.database(), newer).await;
    for command in [&["serve"][..], &["migrate", "up"], &["migrate", "status"]] {
        let refused = home.run(command);
        assert_eq!(refused.status.code(), Some(3), "{command:?}");
        assert!(text(&refused.stderr).contains("9999"), "{command:?}");
    }
}

#[test]
fn a_wrong_configuration_is_a_usage_error_that_names_every_key() {
    let home = Home::new();
    let wrong = ["--set", "server.listen=x", "--set", "node.lease=1s"];
    for command in ["serve", "healthcheck"] {
        let refused = home.run(&[&wrong[..], &[command]].concat());
        assert_eq!(refused.status.code(), Some(2));
        let error = text(&refused.stderr);
        for key in ["server.listen", "node.lease"] {
            assert!(error.contains(key), "{key} in {error}");
        }
    }
    assert_eq!(home.run(&["dance"]).status.code(), Some(2));
    assert_eq!(home.run(&["config", "check"]).status.code(), Some(0));
    let misspelt = [
        "--set",
        "schedules.housekeeping.prune_job.enabled=false",
        "serve",
    ];
    assert_eq!(home.run(&misspelt).status.code(), Some(2));
}

#[test]
fn a_second_daemon_on_one_file_is_refused() {
    let home = Home::new();
    let mut first = home
        .command(&["--set", "database.migrate=auto", "serve"])
        .spawn()
        .unwrap();
    until("a ready daemon", || {
        home.run(&["healthcheck"]).status.success()
    });
    let second = home.run(&["serve"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another memberd serves"),
        "{}",
        text(&second.stderr)
    );
    // Commands work beside it.
    assert!(home.run(&["jobs", "list"]).status.success());
    signal("TERM", first.id());
    assert_eq!(first.wait().unwrap().code(), Some(0));
}

#[test]
fn json_is_json_wherever_it_is_asked_for() {
    let home = Home::new();
    for args in [
        &["migrate", "up"][..],
        &["config", "check"],
        &["config", "show"],
        &["jobs", "wait", "--idle"],
        &[
            "keys",
            "create",
            "reader",
            "--scopes",
            "all",
            "--expires-in",
            "90d",
        ],
    ] {
        let output = home.run(&[args, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{args:?}: {}",
            text(&output.stderr)
        );
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json.is_object(), "{args:?}: {json}");
        if args[0] == "keys" {
            assert!(json["expires_at"].is_string(), "{json}");
        }
    }
}

#[test]
fn a_typing_error_is_not_an_empty_list() {
    let home = Home::new();
    assert!(home.run(&["migrate", "up"]).status.success());
    let output = home.run(&["jobs", "list", "--kind", "sync.fetch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("there are"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn init_writes_the_file_that_config_names() {
    let home = Home::new();
    let output = home.run(&["init", "--config", "own.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read_to_string(home.folder.path().join("own.toml")).unwrap();
    let key = written
        .split("keys = [\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert_eq!(key.len(), 64, "a key for the secrets of webhook endpoints");
    let output = home.run(&["config", "check", "--config", "own.toml"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_webhook_is_verified_by_its_headers_and_its_secret() {
    let home = Home::new();
    std::fs::write(home.folder.path().join("body"), r#"{"test": 2432232314}"#).unwrap();
    let verify = |secret: &str, more: &[&str]| {
        let usual = [
            "webhooks",
            "verify",
            "--secret",
            secret,
            "--body",
            "body",
            "--id",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "--timestamp",
            "1614265330",
            "--signature",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ];
        let output = home.run(&[&usual[..], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_eq!(verify(secret, &["--any-time"]), (Some(0), String::new()));
    let (code, told) = verify(secret, &[]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("made"), "{told}");
    let (code, told) = verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &["--any-time"]);
    assert_eq!(code, Some(4), "{told}");
    assert_eq!(verify("whsec_short", &[]).0, Some(2));
}
