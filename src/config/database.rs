//! `[database]`: where everything is kept.

use super::problem::Fault;
use super::reader::Reader;
use super::typed::{duration, integer, one_of};
use reqwest::Url;
use secrecy::SecretString;
use std::str::FromStr;
use std::time::Duration;

/// How URLs of the two databases begin.
const SCHEMES: [&str; 3] = ["sqlite:", "postgres://", "postgresql://"];

/// Stands for what is not shown.
const HIDDEN: &str = "[hidden]";

/// The database that holds everything.
#[derive(Debug, Clone)]
pub struct Database {
    /// `sqlite:…`, `postgres://…` or `postgresql://…`; secret because it may hold a password.
    pub url: SecretString,
    /// Most connections that one process holds open.
    pub max_connections: u32,
    /// Longest time for one statement.
    pub statement_timeout: Duration,
    /// What `serve` does with a schema older than the binary.
    pub migrate: Migrate,
}

/// What `serve` does with a schema older than the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    /// Refuse to start and name the command that migrates.
    Check,
    /// Migrate, then start.
    Auto,
}

impl FromStr for Migrate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "check" => Ok(Self::Check),
            "auto" => Ok(Self::Auto),
            _ => Err(()),
        }
    }
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut section = reader.section(&["database"]);
        let url = if let Some(secret) = section.secret("url") {
            if let Some(fault) = url_fault(&secret.text) {
                section.problem(&secret.twin.name(), fault);
            }
            secret.text
        } else {
            // A file that cannot be read is reported already.
            section.refuse_empty("url");
            String::new()
        };
        Self {
            url: url.into(),
            max_connections: section.required("max_connections", integer),
            statement_timeout: section.required("statement_timeout", duration),
            migrate: section.required("migrate", one_of),
        }
    }
}

fn url_fault(url: &str) -> Option<Fault> {
    let fix = "write sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME";
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Some(Fault::new("names neither SQLite nor PostgreSQL", fix));
    }
    if url.starts_with("sqlite:") {
        let has_path = url != "sqlite:" && url != "sqlite://";
        return (!has_path).then(|| Fault::new("names no file", fix));
    }
    Url::parse(url)
        .err()
        .map(|error| Fault::new(format!("is not a URL ({error})"), fix))
}

/// A database URL without its password, and whether something was left out.
pub(super) fn without_password(url: &str) -> (String, bool) {
    if url.starts_with("sqlite:") || url.is_empty() {
        return (url.to_owned(), false);
    }
    let Ok(mut parsed) = Url::parse(url) else {
        return (HIDDEN.to_owned(), true);
    };
    // `postgres:u:p@h` is a URL as well, but one without a host: the password is in its path.
    if url.contains('@') && !parsed.has_host() {
        return (HIDDEN.to_owned(), true);
    }
    // PostgreSQL's URLs may carry the password as a parameter, too.
    let in_query = parsed.query_pairs().any(|(name, _)| name.contains("pass"));
    let in_front = parsed.password().is_some();
    if in_query {
        parsed.set_query(None);
    }
    if in_front && parsed.set_password(Some("***")).is_err() {
        return (HIDDEN.to_owned(), true);
    }
    if in_query || in_front {
        (parsed.to_string(), true)
    } else {
        (url.to_owned(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::{url_fault, without_password};

    #[test]
    fn passwords_are_left_out() {
        let hidden = |url: &str| without_password(url);
        assert_eq!(hidden("sqlite:a.db"), ("sqlite:a.db".to_owned(), false));
        assert_eq!(
            hidden("postgres://u@h/d"),
            ("postgres://u@h/d".to_owned(), false)
        );
        assert_eq!(
            hidden("postgres://u:hush@h/d"),
            ("postgres://u:***@h/d".to_owned(), true)
        );
        assert_eq!(
            hidden("postgres://h/d?password=hush"),
            ("postgres://h/d".to_owned(), true)
        );
        assert_eq!(
            hidden("postgres://u:hush@h:port/d"),
            ("[hidden]".to_owned(), true)
        );
    }

    #[test]
    fn what_is_no_url_is_hidden_whole() {
        for wrong in [
            "postgres:u:hush@h/d",
            "u:hush@h/d",
            "//u:hush@h/d",
            "hush@h",
        ] {
            assert_eq!(
                without_password(wrong),
                ("[hidden]".to_owned(), true),
                "{wrong}"
            );
        }
    }

    #[test]
    fn other_databases_are_refused() {
        for good in [
            "sqlite:a.db",
            "sqlite://a.db",
            "sqlite::memory:",
            "postgresql://h/d",
        ] {
            assert_eq!(url_fault(good), None, "{good}");
        }
        for wrong in [
            "mysql://h/d",
            "memberd.db",
            "sqlite:",
            "postgres:h",
            "postgres://h:x/d",
        ] {
            assert!(url_fault(wrong).is_some(), "{wrong}");
        }
    }
}
