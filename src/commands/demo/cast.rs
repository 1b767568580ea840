//! Starting and ending the two processes together.

use std::{ffi::OsString, fs, time::Duration};

use anyhow::Context as _;
use reqwest::Client;

use super::{
    args::Args,
    client::Http,
    folder::PID,
    processes::Process,
    setup::{Stage, reachable},
    world::World,
};

/// The second at which the world of `--once` stands still before it is advanced: 2025-02-01T00:00:00Z. It lies so far
/// back that everything that ends has ended, so that the answers do not depend on the day of the demo; and its month
/// is so short that every monthly subscription renews while Stripe still knows the first events.
const FROZEN_AT: i64 = 1_738_368_000;
/// How far the world of `--once` is advanced: February and two hours.
const FEBRUARY: u64 = (28 * 24 + 2) * 3600;
/// How far other worlds begin in the past and are advanced: a month of 31 days and two hours.
const MONTH: u64 = (31 * 24 + 2) * 3600;
/// How long a process may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long the daemon may take to end: its `shutdown.timeout`, and a little for the machine.
const STOP_PATIENCE: Duration = Duration::from_secs(35);
/// The same for the sandbox.
const SANDBOX_STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The processes of a demo.
#[derive(Debug)]
pub(super) struct Cast {
    daemon: Process,
    sandbox: Process,
}

/// How many seconds are to pass at Stripe so that the world has a history.
pub(super) const fn history(args: &Args) -> u64 {
    if args.once { FEBRUARY } else { MONTH }
}

impl Cast {
    /// Starts both and waits until they answer.
    ///
    /// # Errors
    /// When one of them does not.
    pub(super) async fn start(stage: &Stage, args: &Args, client: &Client) -> anyhow::Result<Self> {
        let folder = &stage.folder;
        let listen = stage.sandbox.to_string();
        let seed = args.seed.to_string();
        let time = if args.once {
            format!("--frozen-at={FROZEN_AT}")
        } else {
            format!("--offset=-{MONTH}")
        };
        let words = [
            "sandbox", "--guard", "--listen", &listen, "--seed", &seed, &time,
        ];
        let sandbox = Process::start("sandbox", words, &folder.file("sandbox.log"))?;
        let mut words: Vec<OsString> = vec!["serve".into(), "--config".into()];
        words.push(stage.config.clone().into());
        for (key, value) in &stage.set {
            words.extend(["--set".into(), format!("{key}={value}").into()]);
        }
        let daemon = Process::start("daemon", words, &folder.file("memberd.log"))?;
        let mut cast = Self { daemon, sandbox };
        let pid = cast.daemon.pid();
        cast.sandbox.tell(&pid.to_string()).await?;
        let file = folder.file(PID);
        fs::write(&file, format!("{pid}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let (api, sandbox) = (reachable(stage.api), reachable(stage.sandbox));
        let ready = async {
            let sandbox = Http::new(client, sandbox, None);
            World::wait_for(&sandbox, "/healthz", START_PATIENCE).await?;
            let api = Http::new(client, api, None);
            World::wait_for(&api, "/readyz", START_PATIENCE).await
        };
        tokio::select! {
            ready = ready => ready?,
            death = cast.daemon.death() => return Err(death),
            death = cast.sandbox.death() => return Err(death),
        }
        Ok(cast)
    }

    /// Waits until one of them ends although nobody told it to.
    pub(super) async fn death(&mut self) -> anyhow::Error {
        tokio::select! {
            death = self.daemon.death() => death,
            death = self.sandbox.death() => death,
        }
    }

    /// Ends both, the daemon first, so that its last jobs still have a Stripe. Answers how the daemon ended.
    pub(super) async fn stop(mut self, stage: &Stage) -> anyhow::Result<String> {
        let began = tokio::time::Instant::now();
        let ended = self.daemon.stop(STOP_PATIENCE).await;
        let took = began.elapsed();
        let sandbox = self.sandbox.stop(SANDBOX_STOP_PATIENCE).await;
        // Without the file nobody takes another process for the daemon.
        let _gone = fs::remove_file(stage.folder.file(PID));
        let status = ended?;
        sandbox?;
        if !status.success() {
            anyhow::bail!("the daemon answered SIGTERM with {status}");
        }
        Ok(format!("after {:.1} s", took.as_secs_f64()))
    }
}
