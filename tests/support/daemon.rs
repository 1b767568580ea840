//! The daemon as a process, with all that can happen to one.

use std::{
    fs::{File, OpenOptions},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use memberd_jobs::testing::signal;
use reqwest::Method;
use serde_json::Value;

use super::{Answer, World, port::Port, scrape::Scrape, store, until, wait};

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_memberd");
/// Lines of the log that a failed test shows.
const SHOWN_LINES: usize = 60;

/// How a daemon differs from the usual one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Its name; two nodes of one test need two.
    pub(crate) name: &'static str,
    /// `--roles`; all when empty.
    pub(crate) roles: &'static str,
    /// `--set key=value`.
    pub(crate) set: Vec<String>,
    /// More of the configuration file.
    pub(crate) toml: String,
}

impl Node {
    /// The usual one under a name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// With one configuration key set.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.set.push(format!("{key}={value}"));
        self
    }

    /// With these roles only.
    #[must_use]
    pub(crate) const fn roles(mut self, roles: &'static str) -> Self {
        self.roles = roles;
        self
    }

    /// With more lines in the configuration file.
    #[must_use]
    pub(crate) fn toml(mut self, lines: &str) -> Self {
        self.toml.push_str(lines);
        self
    }
}

/// A daemon. Dropped in a test that has not failed, it must have finished its work and end in order.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) http: reqwest::Client,
    key: String,
    port: Port,
    database: String,
    config: PathBuf,
    log: PathBuf,
    node: Node,
    child: Option<Child>,
    /// Discarded jobs that the test knows of.
    pub(crate) discarded_allowed: i64,
}

impl Daemon {
    /// Writes the configuration; nothing runs yet.
    pub(crate) fn prepare(world: &World, node: Node) -> Self {
        let port = Port::reserve();
        let name = if node.name.is_empty() {
            "memberd"
        } else {
            node.name
        };
        let config = world.folder().join(format!("{name}.toml"));
        let text = world.configuration(port.number) + &node.toml;
        std::fs::write(&config, text).unwrap();
        Self {
            http: world.http.clone(),
            key: world.key.clone(),
            port,
            database: world.db.url(),
            log: world.folder().join(format!("{name}.log")),
            config,
            node,
            child: None,
            discarded_allowed: 0,
        }
    }

    /// Starts the process and waits until it is ready.
    pub(crate) async fn up(&mut self) {
        self.launch();
        self.ready().await;
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "the daemon runs already");
        let mut command = self.command("serve");
        if !self.node.roles.is_empty() {
            command.args(["--roles", self.node.roles]);
        }
        for set in &self.node.set {
            command.args(["--set", set]);
        }
        self.child = Some(command.spawn().unwrap());
    }

    /// A command of the binary with this daemon's configuration. Its words go to the log.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args([name, "--config"]).arg(&self.config);
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    /// Waits until it says that it is ready; a node without the role `api` says so in its log.
    pub(crate) async fn ready(&mut self) {
        let answers = self.node.roles.is_empty() || self.node.roles.contains("api");
        let (pid, url, log) = (self.pid(), self.url("/readyz"), self.log.clone());
        let (http, child) = (self.http.clone(), self.child.as_mut().unwrap());
        until("a ready daemon", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the daemon ended at its start: {status}");
            }
            if answers {
                let answer = http.get(&url).send().await.ok()?;
                return (answer.status() == 200).then_some(());
            }
            // The log outlives restarts, so the line that counts is that of this process.
            let node = format!("-{pid}");
            let told = |line: &str| line.contains("memberd is running") && line.contains(&node);
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.lines().any(told).then_some(())
        })
        .await;
    }

    /// Whether the process is there.
    pub(crate) const fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the daemon is not up").id()
    }

    /// Everything it has logged.
    pub(crate) fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it without a word, as a crash does.
    pub(crate) fn kill9(&mut self) {
        let mut child = self.child.take().expect("the daemon is not up");
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "it ended before the kill: {status}"
        );
    }

    /// Tells it to end (SIGTERM) and does not wait.
    pub(crate) fn terminate(&self) {
        signal("TERM", self.pid());
    }

    /// Tells it to end and waits; it must end in order.
    pub(crate) fn stop(&mut self) {
        self.terminate();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "SIGTERM ended it with {status}");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the daemon is not up");
        let ended = wait::at_last_blocking(wait::PATIENCE, || child.try_wait().unwrap());
        ended.unwrap_or_else(|| {
            let _ = child.kill();
            panic!("the daemon does not end");
        })
    }

    /// Ends it in order and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.stop();
        self.up().await;
    }

    /// Stops it in the middle of whatever it does (SIGSTOP).
    pub(crate) fn pause(&self) {
        signal("STOP", self.pid());
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&self) {
        signal("CONT", self.pid());
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port.number)
    }

    /// Asks the control API with the key of `default` that may do everything.
    pub(crate) async fn api(&self, method: Method, path: &str) -> Answer {
        let request = self.http.request(method, self.url(path));
        Answer::to(request.bearer_auth(&self.key)).await.unwrap()
    }

    /// `GET` with another key.
    pub(crate) async fn get_as(&self, key: &str, path: &str) -> Answer {
        let request = self.http.get(self.url(path)).bearer_auth(key);
        Answer::to(request).await.unwrap()
    }

    /// `GET` that must succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.api(Method::GET, path).await.ok()
    }

    /// `POST` without a body that must succeed.
    pub(crate) async fn post(&self, path: &str) -> Value {
        self.api(Method::POST, path).await.ok()
    }

    /// A request with a body and an idempotency key.
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        key: &str,
    ) -> Answer {
        let request = self
            .http
            .request(method, self.url(path))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(body.to_string());
        Answer::to(request.bearer_auth(&self.key)).await.unwrap()
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> Scrape {
        let text = self.http.get(self.url("/metrics")).send().await.unwrap();
        Scrape::parse(&text.text().await.unwrap())
    }

    fn show_log(&self) {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        println!(
            "--- {} (last {} of {} lines)",
            self.log.display(),
            shown.len(),
            lines.len()
        );
        for line in shown {
            println!("{line}");
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_log();
            if let Some(mut child) = self.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            return;
        }
        let (url, allowed, running) = (self.database.clone(), self.discarded_allowed, self.is_up());
        let checked = std::thread::spawn(move || store::check_jobs(&url, allowed, running)).join();
        if self.child.is_some() {
            self.stop();
        }
        if let Ok(Err(trouble)) = &checked {
            self.show_log();
            panic!("{trouble}");
        }
        assert!(checked.is_ok(), "the jobs could not be checked");
    }
}
