//! The folder of one demo.

use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use memberd_jobs::kernel::Chance;

/// First line of a configuration that a demo wrote, by which it knows its own folders.
pub(super) const MARK: &str = "# Written by `memberd demo`. Every secret in here is a toy.";
/// The daemon's configuration.
pub(super) const CONFIG: &str = "memberd.toml";
/// The daemon's process id.
pub(super) const PID: &str = "memberd.pid";
/// What an earlier demo left behind and a new one begins without.
const LEFT: [&str; 6] = [
    "memberd.db",
    "memberd.db-wal",
    "memberd.db-shm",
    "memberd.log",
    "sandbox.log",
    PID,
];
/// Files that hold keys are their owner's.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// Random bytes in the name of a temporary folder.
const NAME_BYTES: usize = 6;

/// Where the files of one demo are.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Absolute.
    pub(super) path: PathBuf,
    /// Nobody asked to keep it.
    pub(super) temporary: bool,
}

impl Folder {
    /// The folder that people named, emptied of an earlier demo, or a new temporary one.
    ///
    /// # Errors
    /// A folder that cannot be made, that another demo uses, or that holds somebody's own configuration.
    pub(super) fn prepare(wanted: Option<&Path>, chance: &Chance) -> anyhow::Result<Self> {
        let Some(wanted) = wanted else {
            let mut name = [0; NAME_BYTES];
            chance.fill(&mut name);
            let path = std::env::temp_dir().join(format!("memberd-demo-{}", hex::encode(name)));
            make(&path)?;
            return Ok(Self {
                path,
                temporary: true,
            });
        };
        make(wanted)?;
        let path = wanted
            .canonicalize()
            .with_context(|| format!("cannot use the folder {}", wanted.display()))?;
        let folder = Self {
            path,
            temporary: false,
        };
        folder.refuse_foreign()?;
        folder.refuse_running()?;
        for name in LEFT {
            remove(&folder.file(name))?;
        }
        Ok(folder)
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes it, if nobody asked to keep it.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        if self.temporary {
            std::fs::remove_dir_all(&self.path)
                .with_context(|| format!("cannot remove {}", self.path.display()))?;
        }
        Ok(())
    }

    /// Overwriting a real installation would be worse than any missing demo.
    fn refuse_foreign(&self) -> anyhow::Result<()> {
        let config = self.file(CONFIG);
        let ours = match std::fs::read_to_string(&config) {
            Ok(text) => text.starts_with(MARK),
            Err(error) if error.kind() == ErrorKind::NotFound => !self.file(LEFT[0]).exists(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", config.display()));
            }
        };
        if !ours {
            bail!(
                "{} holds a memberd installation that no demo made; give --data another folder",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Two demos in one folder would take the database from under each other.
    fn refuse_running(&self) -> anyhow::Result<()> {
        let pid = std::fs::read_to_string(self.file(PID)).unwrap_or_default();
        let Ok(pid) = pid.trim().parse::<u32>() else {
            return Ok(());
        };
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(CONFIG) {
            bail!(
                "another demo (process {pid}) uses {}: stop it, or give --data another folder",
                self.path.display()
            );
        }
        Ok(())
    }
}

fn make(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_FOLDER)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(PRIVATE_FILE)
            .open(path)?;
        // The mode above counts only for a new file.
        file.set_permissions(Permissions::from_mode(PRIVATE_FILE))?;
        file.write_all(text.as_bytes())
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(path: &Path) -> anyhow::Result<Folder> {
        Folder::prepare(Some(path), &Chance::seeded(1))
    }

    #[test]
    fn a_folder_of_a_demo_is_used_again_and_a_foreign_one_never() {
        let home = tempfile::tempdir().unwrap();
        let folder = prepare(&home.path().join("new")).unwrap();
        write_private(&folder.file(CONFIG), &format!("{MARK}\n")).unwrap();
        write_private(&folder.file("memberd.db"), "old").unwrap();
        let again = prepare(&folder.path).unwrap();
        assert!(!again.file("memberd.db").exists());
        again.remove().unwrap();
        assert!(again.path.exists(), "what people named is kept");

        for (name, text) in [(CONFIG, "[server]\n"), ("memberd.db", "theirs")] {
            let theirs = tempfile::tempdir().unwrap();
            std::fs::write(theirs.path().join(name), text).unwrap();
            let refused = prepare(theirs.path()).unwrap_err().to_string();
            assert!(refused.contains("--data"), "{refused}");
            assert_eq!(
                std::fs::read_to_string(theirs.path().join(name)).unwrap(),
                text
            );
        }
    }

    #[test]
    fn a_temporary_folder_is_private_and_goes() {
        let folder = Folder::prepare(None, &Chance::from_system().unwrap()).unwrap();
        let mode = folder.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE_FOLDER);
        folder.remove().unwrap();
        assert!(!folder.path.exists());
    }

    #[test]
    fn a_private_file_becomes_private_when_it_was_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("keys");
        std::fs::write(&path, "long text before").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "K_ADMIN=1\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "K_ADMIN=1\n");
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o777,
            PRIVATE_FILE
        );
    }
}
