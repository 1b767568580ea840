//! What the process tells about itself: the log and the metrics.

use std::{io::IsTerminal as _, time::Duration};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

use crate::config::{Log, LogFormat};

/// Pause between two clearings of what the metrics collected, so that a process which nobody scrapes stays small.
const UPKEEP_PAUSE: Duration = Duration::from_secs(15);

/// Libraries that say at `info` what is ours to say. A filter that names them wins.
const QUIETER: &str = "apalis=warn,apalis_core=warn,sqlx=warn";

/// Upper bounds of the buckets of durations: from a cheap job to one that takes a whole hour.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0,
];

/// Why the process cannot tell about itself.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log.
    #[error("log.filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// There is a log already.
    #[error("the log cannot be set up: {0}")]
    Log(#[from] Box<dyn std::error::Error + Send + Sync>),
    /// The metrics.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] BuildError),
}

/// Starts the log, on standard error, and makes panics a line of it.
///
/// # Errors
/// When the filter cannot be read or a log is there already.
pub fn start_log(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(format!("{QUIETER},{}", log.filter))?;
    let stderr = std::io::stderr;
    let human = match log.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => stderr().is_terminal(),
    };
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    if human {
        lines
            .with_ansi(stderr().is_terminal())
            .with_target(false)
            .try_init()?;
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()?;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, text = panic.payload_as_str(), "panic");
    }));
    Ok(())
}

/// Starts the metrics. The handle renders them for `/metrics`.
///
/// # Errors
/// When a recorder is there already.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    gauge!("memberd_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// Clears what the metrics collected, until `stop`.
pub async fn upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(UPKEEP_PAUSE))
        .await
        .is_some()
    {
        handle.run_upkeep();
    }
}

fn describe() {
    describe_gauge!("memberd_build_info", "Always 1; the label is the version.");
    describe_counter!(
        "memberd_jobs_finished_total",
        "Runs of jobs by kind and outcome."
    );
    describe_histogram!(
        "memberd_job_duration_seconds",
        Unit::Seconds,
        "How long runs took."
    );
    describe_histogram!(
        "memberd_job_wait_seconds",
        Unit::Seconds,
        "How long after its due time a job began to run."
    );
    describe_counter!(
        "memberd_jobs_rescued_total",
        "Jobs taken back from processes that died."
    );
    describe_counter!(
        "memberd_jobs_stale_acks_total",
        "Ends of runs that were refused because another process owned the job."
    );
    describe_counter!(
        "memberd_queue_rounds_total",
        "Transactions of a lane: ends written, jobs claimed."
    );
    describe_gauge!(
        "memberd_queue_jobs",
        "Unfinished jobs by queue and state, counted by the scheduler."
    );
    describe_gauge!(
        "memberd_queue_paused",
        "1 while people have paused the queue."
    );
    describe_gauge!(
        "memberd_queue_oldest_available_age_seconds",
        Unit::Seconds,
        "How long the job that is due the longest waits for a slot."
    );
}
