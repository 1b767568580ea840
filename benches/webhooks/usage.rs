//! What a process uses, as Linux tells it in `/proc`.

use std::time::{Duration, Instant};

use crate::{figures::Idle, support::Daemon};

/// Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux that Rust builds for.
const TICKS_PER_SECOND: u32 = 100;

/// CPU time so far, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    cpu: Duration,
    at: Instant,
    /// Resident memory in KiB.
    pub(crate) rss_kib: u64,
    /// Its highest so far, in KiB.
    pub(crate) peak_kib: u64,
}

/// What was used between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Share of one core, in percent.
    pub(crate) cpu_percent: f64,
    /// The highest resident memory, in KiB.
    pub(crate) peak_kib: u64,
}

/// What the process uses now.
pub(crate) fn now(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the name in brackets, which may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Usage {
        cpu: Duration::from_secs(1) * ticks / TICKS_PER_SECOND,
        at: Instant::now(),
        rss_kib: kib("VmRSS:"),
        peak_kib: kib("VmHWM:"),
    }
}

impl Usage {
    /// What was used since then.
    pub(crate) fn since(&self, before: &Self) -> Spent {
        let time = self.at - before.at;
        Spent {
            cpu_percent: self.cpu.saturating_sub(before.cpu).as_secs_f64() / time.as_secs_f64()
                * 100.0,
            peak_kib: self.peak_kib,
        }
    }
}

/// Watches a daemon that has nothing to do.
pub(crate) async fn idle(daemon: &Daemon, time: Duration) -> Idle {
    let before = now(daemon.pid());
    tokio::time::sleep(time).await;
    let after = now(daemon.pid());
    Idle {
        rss_mib: mib(after.rss_kib),
        cpu_percent: after.since(&before).cpu_percent,
    }
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}
