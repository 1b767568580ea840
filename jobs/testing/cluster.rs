//! The test server: PostgreSQL in a folder that vanishes.
//!
//! `MEMBERD_TEST_POSTGRES` may name the admin URL of a server to use. Otherwise a cluster is made in a folder of its
//! own: one for each test process, or, under nextest, which starts a process for each test, one for the whole run. A
//! watchdog outlives the process it was made for, even a killed one, stops the server and removes the folder.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::{CommandExt, parent_id},
    },
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::{sync::OnceCell, time::Instant};

use super::signal;

/// The variable with the admin URL of a server to use instead of an own one.
const SERVER: &str = "MEMBERD_TEST_POSTGRES";
/// How long a server may take to start on a busy machine.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks at a server that starts.
const POLL_PAUSE: Duration = Duration::from_millis(50);
/// Ports are taken from the system and may be gone by the time the server binds.
const PORT_TRIES_MAX: u32 = 5;
const MISSING: &str = "PostgreSQL is missing: run `./dev setup` (or `apt-get install postgresql`), \
    or set MEMBERD_TEST_POSTGRES to the admin URL of a server";

/// Waits for the death of process $1, then stops the server in folder $2 and removes the folder.
const WATCHDOG: &str = r#"
while kill -0 "$1" 2>/dev/null; do sleep 0.3; done
server=$(head -n 1 "$2/data/postmaster.pid" 2>/dev/null)
if [ -n "$server" ]; then
    kill -QUIT "$server" 2>/dev/null
    tries=0
    while kill -0 "$server" 2>/dev/null && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf "$2"
"#;

static ADMIN_URL: OnceCell<String> = OnceCell::const_new();

/// The admin URL of a server that answers; the first call may start one.
pub(super) async fn admin_url() -> &'static str {
    ADMIN_URL.get_or_init(server).await
}

async fn server() -> String {
    if let Some(url) = env::var_os(SERVER).filter(|url| !url.is_empty()) {
        return url.to_string_lossy().into_owned();
    }
    let Some(run_id) = env::var_os("NEXTEST_RUN_ID") else {
        let folder = tempfile::Builder::new()
            .prefix("memberd-test-pg-")
            .tempdir();
        let folder = folder.unwrap_or_else(|error| panic!("a folder for PostgreSQL: {error}"));
        return start(&folder.keep(), process::id()).await;
    };
    let folder = env::temp_dir().join(format!("memberd-test-pg-{}", run_id.to_string_lossy()));
    match fs::create_dir(&folder) {
        Ok(()) => start(&folder, parent_id()).await,
        Err(_) => started_by_another(&folder).await,
    }
}

async fn started_by_another(folder: &Path) -> String {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Ok(url) = fs::read_to_string(folder.join("url")) {
            return url;
        }
        assert!(
            Instant::now() < deadline,
            "no PostgreSQL was started in {}",
            folder.display()
        );
        tokio::time::sleep(POLL_PAUSE).await;
    }
}

/// Makes a cluster in `folder` that lives as long as process `owner`, and announces it there.
async fn start(folder: &Path, owner: u32) -> String {
    watch(folder, owner);
    let (user, tools) = init(folder);
    let (url, _) = serve_anywhere(&user, &tools, folder, &[]).await;
    let unfinished = folder.join("url.new");
    fs::write(&unfinished, &url)
        .and_then(|()| fs::rename(&unfinished, folder.join("url")))
        .unwrap_or_else(|error| panic!("announcing PostgreSQL: {error}"));
    url
}

/// A server of one test, which may be stopped and started again.
#[derive(Debug)]
pub struct Server {
    url: String,
    settings: &'static [&'static str],
    folder: PathBuf,
    user: Unprivileged,
    port: u16,
    process: Option<process::Child>,
}

/// What an answered commit is worth on a server that is stopped in the middle: it must have left the process. That the
/// machine dies too is not tested, so nothing is flushed to the disk.
const STOPPABLE: [&str; 1] = ["synchronous_commit=on"];

impl Server {
    /// Starts one for a test.
    pub async fn start() -> Self {
        Self::start_with(&STOPPABLE).await
    }

    /// The admin URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Starts one with these settings (`name=value`) instead of those that make tests fast.
    pub async fn start_with(settings: &'static [&'static str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("memberd-test-pg-own-")
            .tempdir()
            .unwrap_or_else(|error| panic!("a folder for PostgreSQL: {error}"))
            .keep();
        watch(&folder, process::id());
        let (user, tools) = init(&folder);
        let (url, (port, process)) = serve_anywhere(&user, &tools, &folder, settings).await;
        Self {
            url,
            settings,
            folder,
            user,
            port,
            process: Some(process),
        }
    }

    /// Stops it at once (SIGQUIT): every connection breaks, and what was committed is found again by recovery.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        signal("QUIT", process.id());
        process
            .wait()
            .unwrap_or_else(|error| panic!("waiting for PostgreSQL's end: {error}"));
    }

    /// Starts it again on its port.
    pub async fn start_again(&mut self) {
        let started = serve(&self.user, &tools(), &self.folder, self.port, self.settings).await;
        let (_, process) = started.unwrap_or_else(|| panic!("PostgreSQL did not start again"));
        self.process = Some(process);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes the files of a cluster.
fn init(folder: &Path) -> (Unprivileged, PathBuf) {
    let tools = tools();
    let user = Unprivileged::here(folder);
    let made = user
        .command(&tools.join("initdb"), folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args([
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .output()
        .unwrap_or_else(|error| panic!("running initdb: {error}"));
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    (user, tools)
}

/// Starts the server on a free port; answers its URL, port and process.
async fn serve_anywhere(
    user: &Unprivileged,
    tools: &Path,
    folder: &Path,
    settings: &[&str],
) -> (String, (u16, process::Child)) {
    for _ in 0..PORT_TRIES_MAX {
        let port = free_port();
        if let Some((url, process)) = serve(user, tools, folder, port, settings).await {
            return (url, (port, process));
        }
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("PostgreSQL did not start: {log}");
}

#[expect(
    clippy::zombie_processes,
    reason = "it outlives this process: that is its purpose"
)]
fn watch(folder: &Path, owner: u32) {
    let mut watchdog = Command::new("sh");
    watchdog
        .args(["-c", WATCHDOG, "watchdog", &owner.to_string()])
        .arg(folder);
    watchdog
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let started = watchdog.spawn();
    started.unwrap_or_else(|error| panic!("starting the watchdog of PostgreSQL: {error}"));
}

/// Starts the server on `port`; `None` when it ended instead, as it does when the port is taken.
async fn serve(
    user: &Unprivileged,
    tools: &Path,
    folder: &Path,
    port: u16,
    settings: &[&str],
) -> Option<(String, process::Child)> {
    let mut server = spawn_server(user, tools, folder, port, settings);
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline && server.try_wait().is_ok_and(|ended| ended.is_none()) {
        if PgConnection::connect(&url).await.is_ok() {
            return Some((url, server));
        }
        tokio::time::sleep(POLL_PAUSE).await;
    }
    let _ = server.kill();
    let _ = server.wait();
    None
}

fn spawn_server(
    user: &Unprivileged,
    tools: &Path,
    folder: &Path,
    port: u16,
    settings: &[&str],
) -> process::Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"));
    let log = log.unwrap_or_else(|error| panic!("PostgreSQL's log: {error}"));
    let mut command = user.command(&tools.join("postgres"), folder);
    command
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    // Nothing here outlives the tests, so nothing is flushed. Of two values of one setting the later counts.
    let usual = [
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "autovacuum=off",
        "shared_buffers=32MB",
        "max_connections=400",
        "jit=off",
    ];
    for setting in usual.iter().chain(settings) {
        command.args(["-c", setting]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("starting PostgreSQL: {error}"))
}

/// The user PostgreSQL runs as: it refuses root.
#[derive(Debug)]
struct Unprivileged(Option<(u32, u32)>);

impl Unprivileged {
    fn here(folder: &Path) -> Self {
        let mine = fs::metadata(folder).map(|folder| folder.uid());
        if mine.is_ok_and(|uid| uid != 0) {
            return Self(None);
        }
        let ids = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
            .unwrap_or_else(|| {
                panic!("PostgreSQL refuses root, and there is no user postgres or nobody")
            });
        let given = chown(folder, Some(ids.0), Some(ids.1))
            .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o755)));
        given.unwrap_or_else(|error| panic!("giving the folder to PostgreSQL's user: {error}"));
        Self(Some(ids))
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        if let Some((uid, gid)) = self.0 {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn id(what: &str, user: &str) -> Option<u32> {
    let told = Command::new("id").args([what, user]).output().ok()?;
    String::from_utf8(told.stdout).ok()?.trim().parse().ok()
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    socket
        .unwrap_or_else(|error| panic!("no free port: {error}"))
        .port()
}

/// The folder with `initdb` and `postgres`: from PATH, or Debian's newest.
fn tools() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    debian.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name);
        version
            .and_then(|v| v.to_str()?.parse::<u32>().ok())
            .unwrap_or(0)
    });
    env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .unwrap_or_else(|| panic!("{MISSING}"))
}
