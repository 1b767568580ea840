//! One daemon for one SQLite file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use anyhow::{Context as _, bail};

/// The right to serve a file, until it is dropped or the process dies, however it dies.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

impl Claim {
    /// Locks `<file>.lock`; the lock belongs to the process and leaves nothing that a crash would have to tidy up.
    ///
    /// # Errors
    /// When another daemon serves the file, or the lock cannot be made.
    pub fn of(file: &Path) -> anyhow::Result<Self> {
        let mut path = file.as_os_str().to_owned();
        path.push(".lock");
        let shown = Path::new(&path).display();
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{shown}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another memberd serves {}: stop it first; for several nodes use PostgreSQL (database.url)",
                file.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{shown}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_claim_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memberd.db");
        let first = Claim::of(&file).unwrap();
        let refused = Claim::of(&file).unwrap_err().to_string();
        assert!(refused.contains("another memberd serves"), "{refused}");
        drop(first);
        Claim::of(&file).unwrap();
    }
}
