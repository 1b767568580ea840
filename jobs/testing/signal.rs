//! Signals to other processes.

use std::process::Command;

/// Sends a signal, named as by `kill -l` (`TERM`, `STOP`). By the shell's own `kill`: a bare Debian has no program of
/// that name.
///
/// # Panics
/// When there is no such process.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &pid.to_string()])
        .status();
    assert!(
        sent.as_ref().is_ok_and(std::process::ExitStatus::success),
        "signal {name} to process {pid}: {sent:?}"
    );
}
