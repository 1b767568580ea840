//! What a process uses, as Linux tells it in `/proc`.

use std::time::{Duration, Instant};

use crate::{
    figures::Idle,
    support::{Daemon, World},
};

/// Clock ticks a second in `/proc/<pid>/stat`: 100 on every Linux that Rust builds for.
const TICKS_PER_SECOND: u32 = 100;

/// CPU time so far, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    cpu: Duration,
    /// Of this program, which is the load and the sandbox.
    own: Duration,
    /// Of the whole machine.
    all: Duration,
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
    /// What programs that are no part of the measurement used, in percent of one core: what the figures suffer from.
    pub(crate) others_percent: f64,
    /// The highest resident memory, in KiB.
    pub(crate) peak_kib: u64,
    /// Resident memory at the end, in KiB.
    pub(crate) rss_kib: u64,
}

fn ticks(count: u32) -> Duration {
    Duration::from_secs(1) * count / TICKS_PER_SECOND
}

fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The second field is the name in brackets, which may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    ticks(fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap())
}

/// Everything but idling and waiting for disks, stolen time included.
fn cpu_of_all() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let fields = stat.lines().next().unwrap().split_whitespace().skip(1);
    let fields: Vec<u32> = fields.map(|field| field.parse().unwrap()).collect();
    ticks([0, 1, 2, 5, 6, 7].iter().map(|at| fields[*at]).sum())
}

/// What the process uses now.
pub(crate) fn now(pid: u32) -> Usage {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    Usage {
        cpu: cpu_of(&pid.to_string()),
        own: cpu_of("self"),
        all: cpu_of_all(),
        at: Instant::now(),
        rss_kib: kib("VmRSS:"),
        peak_kib: kib("VmHWM:"),
    }
}

impl Usage {
    /// What was used since then.
    pub(crate) fn since(&self, before: &Self) -> Spent {
        let time = (self.at - before.at).as_secs_f64();
        let percent = |cpu: Duration| cpu.as_secs_f64() / time * 100.0;
        let daemon = self.cpu.saturating_sub(before.cpu);
        let all = self.all.saturating_sub(before.all);
        Spent {
            cpu_percent: percent(daemon),
            others_percent: percent(
                all.saturating_sub(daemon + self.own.saturating_sub(before.own)),
            ),
            peak_kib: self.peak_kib,
            rss_kib: self.rss_kib,
        }
    }
}

/// Watches a daemon that has nothing to do.
pub(crate) async fn idle(world: &World, daemon: &Daemon, time: Duration) -> Idle {
    let jobs_before = world.db.count("jobs_done").await;
    let before = now(daemon.pid());
    tokio::time::sleep(time).await;
    let spent = now(daemon.pid()).since(&before);
    Idle {
        jobs: world.db.count("jobs_done").await - jobs_before,
        rss_mib: mib(spent.rss_kib),
        cpu_percent: spent.cpu_percent,
        cpu_percent_max: spent.cpu_percent,
    }
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}
