//! What the pages of all measurements have in common: the machine they ran on, and medians.

use std::{path::Path, process::Command};

use tokio::runtime::Runtime;

/// Nearest rank; not a number without values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The value in the middle; of an even number the lower one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

/// A runtime whose databases and logs are in `folder`: on a disk, where commits cost something.
pub(crate) fn runtime(folder: &Path) -> Runtime {
    tempfile::env::override_temp_dir(folder).expect("the folder is set before it is used");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts")
}

/// What it ran on, as far as it matters.
pub(crate) fn machine(folder: &Path) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed CPU", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let disk = Command::new("df")
        .args(["--output=fstype"])
        .arg(folder)
        .output();
    let disk = disk.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let disk = disk.unwrap_or_default();
    let disk = disk.lines().last().unwrap_or("?").trim();
    format!("{cores} cores of {model}, Linux {}, {disk}", kernel.trim())
}
