//! The two processes of the demo: this binary, started again as sandbox and as daemon.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
};

/// Bytes of a log that are looked at for its last lines.
const TAIL_BYTES: u64 = 8 * 1024;
/// Lines of a log that are shown when its process died.
const TAIL_LINES: usize = 12;
/// How long a process may take to end after it was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// A process that dies with this one.
#[derive(Debug)]
pub(super) struct Process {
    /// What people call it.
    pub(super) name: &'static str,
    /// Where its output goes.
    pub(super) log: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    /// Starts this binary with other arguments. Its output is appended to the log; it reads what is told to it
    /// ([`Process::tell`]), and the end of it when this process ends.
    ///
    /// # Errors
    /// When the log cannot be written or the binary is gone.
    pub(super) fn start<I, S>(name: &'static str, args: I, log: &Path) -> anyhow::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("cannot find the own binary")?;
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            // Ctrl-C reaches a whole group; the demo alone decides who ends when.
            .process_group(0)
            .kill_on_drop(true);
        for variable in ours(std::env::vars_os().map(|(name, _)| name)) {
            command.env_remove(variable);
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start the {name}"))?;
        Ok(Self {
            name,
            log: log.to_owned(),
            stdin: child.stdin.take(),
            child,
        })
    }

    /// Its process id; 0 when it has ended.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Writes a line to its standard input.
    ///
    /// # Errors
    /// When it does not read any more.
    pub(super) async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        if let Some(stdin) = &mut self.stdin {
            stdin.write_all(line.as_bytes()).await?;
            stdin.write_all(b"\n").await?;
            stdin.flush().await?;
        }
        Ok(())
    }

    /// Waits until it ends although nobody told it to, and answers what to tell people.
    pub(super) async fn death(&mut self) -> anyhow::Error {
        let how = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        anyhow::anyhow!(
            "the {} ended unexpectedly ({how}); the last lines of {}:\n{}",
            self.name,
            self.log.display(),
            tail(&self.log)
        )
    }

    /// Tells it to end (SIGTERM) and waits; kills it when that takes longer than `patience`.
    ///
    /// # Errors
    /// When it had to be killed, or cannot be reached.
    pub(super) async fn stop(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(pid) = self.child.id() {
            terminate(pid).await?;
        }
        if let Ok(ended) = tokio::time::timeout(patience, self.child.wait()).await {
            return Ok(ended?);
        }
        self.child.start_kill()?;
        tokio::time::timeout(KILL_PATIENCE, self.child.wait())
            .await
            .context("it cannot be killed")??;
        bail!(
            "the {} was still running {} s after SIGTERM and was killed; its log is {}",
            self.name,
            patience.as_secs(),
            self.log.display()
        )
    }
}

/// Sends SIGTERM. Rust's library can only kill, so the shell does it.
///
/// # Errors
/// When there is no such process.
pub(in crate::commands) async fn terminate(pid: u32) -> anyhow::Result<()> {
    let sent = Command::new("sh")
        .args(["-c", "kill -TERM \"$1\"", "sh", &pid.to_string()])
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot run sh, which sends SIGTERM")?;
    if !sent.status.success() {
        bail!(
            "cannot send SIGTERM to process {pid}: {}",
            String::from_utf8_lossy(&sent.stderr).trim()
        );
    }
    Ok(())
}

/// The variables that would configure the daemon behind the demo's back.
fn ours(names: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    names
        .into_iter()
        .filter(|name| name.to_string_lossy().starts_with("MEMBERD_"))
}

/// The last lines of a log, indented.
fn tail(log: &Path) -> String {
    let text = read_tail(log).unwrap_or_else(|error| format!("it cannot be read: {error}"));
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(TAIL_LINES);
    let shown: Vec<String> = lines[last..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect();
    shown.join("\n")
}

fn read_tail(log: &Path) -> std::io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_variables_are_taken_away() {
        let names = ["PATH", "MEMBERD_DATABASE__URL", "MEMBER"].map(OsString::from);
        let taken: Vec<_> = ours(names).collect();
        assert_eq!(taken, ["MEMBERD_DATABASE__URL"]);
    }

    #[test]
    fn the_tail_is_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let lines: Vec<String> = (0..5_000).map(|line| format!("line {line}")).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let shown = tail(&log);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert!(shown.ends_with("  line 4999"), "{shown}");
        assert!(tail(&folder.path().join("none")).contains("cannot be read"));
    }
}
