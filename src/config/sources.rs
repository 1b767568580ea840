//! Where a configuration is read from, given by the caller.

use super::key::ENVIRONMENT_PREFIX;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Files that are read when no other is named: the first that exists.
pub const DEFAULT_FILES: [&str; 2] = ["memberd.toml", "/etc/memberd/memberd.toml"];

/// Variables with our prefix that are no configuration: `MEMBERD_CONFIG` names the file on the
/// command line, and Kubernetes describes a service called `memberd` to every container by
/// `MEMBERD_PORT…` and `MEMBERD_SERVICE_…`.
pub const EXEMPT_VARIABLES: [&str; 2] = ["MEMBERD_CONFIG", "MEMBERD_PORT"];

/// Beginnings of such variables. `MEMBERD_TEST_…` and `MEMBERD_DEV_…` belong to `./dev`.
pub const EXEMPT_PREFIXES: [&str; 4] = [
    "MEMBERD_TEST_",
    "MEMBERD_DEV_",
    "MEMBERD_PORT_",
    "MEMBERD_SERVICE_",
];

/// The layers above the embedded default.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that `--config` names; it must exist.
    pub file: Option<PathBuf>,
    /// Where to look for a file otherwise: the first that exists, or none.
    pub search: Vec<PathBuf>,
    /// Environment variables; those without the prefix `MEMBERD_` are ignored.
    pub environment: Vec<(String, String)>,
    /// `--set KEY=VALUE` in the order given; the last one for a key wins.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The layers of a real process: `main` passes `std::env::vars_os()`.
    pub fn of_process(
        file: Option<PathBuf>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<(String, String)>,
    ) -> Self {
        // Lossy: other programs' variables may be anything, ours are UTF-8 or refused by content.
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Self {
            file,
            search: DEFAULT_FILES.map(PathBuf::from).to_vec(),
            environment,
            flags,
        }
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        out.debug_struct("Sources")
            .field("file", &self.file)
            .field("search", &self.search)
            .field("environment", &names(&self.environment))
            .field("flags", &names(&self.flags))
            .finish()
    }
}

/// Reads the argument of `--set`.
///
/// # Errors
///
/// A text without `=` or without a key before it.
pub fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE, such as server.listen=127.0.0.1:7171".to_owned()),
    }
}

/// Whether a variable with our prefix is no configuration.
pub(super) fn is_exempt(name: &str) -> bool {
    EXEMPT_VARIABLES.contains(&name)
        || EXEMPT_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_takes_everything_after_the_first_equals_sign() {
        let pair = ("log.filter".to_owned(), "info,memberd=debug".to_owned());
        assert_eq!(parse_set("log.filter=info,memberd=debug"), Ok(pair));
        assert!(parse_set("log.filter").is_err());
        assert!(parse_set("=info").is_err());
    }

    #[test]
    fn debug_shows_no_values() {
        let secret = (
            "MEMBERD_STRIPE__SECRET_KEY".to_owned(),
            "sk_test_hush".to_owned(),
        );
        let flag = ("stripe.secret_key".to_owned(), "sk_test_hush".to_owned());
        let sources = Sources {
            environment: vec![secret],
            flags: vec![flag],
            ..Sources::default()
        };
        assert!(!format!("{sources:?}").contains("hush"));
    }
}
