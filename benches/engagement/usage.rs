//! What something costs: CPU of this process and of the servers that it has started, and how long others had to wait.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use memberd_jobs::testing::TestDb;

/// Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux that Rust builds for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Pause between two who want to write.
const PROBE_PAUSE: Duration = Duration::from_millis(5);

/// What something cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// CPU seconds.
    pub(crate) cpu: f64,
    /// Seconds.
    pub(crate) wall: f64,
    /// The longest time that somebody else waited to write, in milliseconds.
    pub(crate) longest: f64,
}

/// Does something, while somebody else writes now and then.
pub(crate) async fn measured(db: &TestDb, work: impl Future<Output = ()>) -> Spent {
    let longest = AtomicU64::new(0);
    let (cpu, begun) = (cpu(), Instant::now());
    let others = async {
        let db = db.db.clone();
        loop {
            let asked = Instant::now();
            db.check_writable().await.unwrap();
            let waited = u64::try_from(asked.elapsed().as_micros()).unwrap();
            longest.fetch_max(waited, Ordering::Relaxed);
            tokio::time::sleep(PROBE_PAUSE).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = others => {}
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let longest = longest.into_inner() as f64 / 1_000.0;
    Spent {
        cpu: self::cpu() - cpu,
        wall: begun.elapsed().as_secs_f64(),
        longest,
    }
}

/// CPU seconds of this process and of all that descend from it, ended ones too.
fn cpu() -> f64 {
    let own = std::process::id();
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // One that has ended meanwhile is counted by its parent.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The second field is the name in brackets, which may hold spaces.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks: f64 = fields[11..15]
            .iter()
            .map(|field| field.parse::<f64>().unwrap())
            .sum();
        processes.push((pid, fields[1].parse::<u32>().unwrap(), ticks));
    }
    let mut ours = vec![own];
    let mut ticks = 0.0;
    while let Some(pid) = ours.pop() {
        ours.extend(processes.iter().filter(|one| one.1 == pid).map(|one| one.0));
        ticks += processes
            .iter()
            .filter(|one| one.0 == pid)
            .map(|one| one.2)
            .sum::<f64>();
    }
    ticks / TICKS_PER_SECOND
}
