//! The kinds of values, read from the `type:` lines of `default.toml`.

use super::units;
use std::time::Duration;

/// Bounds that both belong to the allowed values, and the words that say so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds<T> {
    /// Smallest allowed value.
    pub(super) min: T,
    /// Largest allowed value.
    pub(super) max: T,
    /// As written in `default.toml`, such as `5s to 10m`.
    pub(super) text: String,
}

/// What a key takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// Path of a file; never opened before it is needed.
    File,
    /// An http or https URL.
    Url,
    /// IP address and port.
    Address,
    /// An IP address, or a network of them.
    Network,
    /// Where the database is; may hold a password.
    DatabaseUrl,
    /// A span of time.
    Duration(Bounds<Duration>),
    /// A number of bytes.
    Size(Bounds<u64>),
    /// A whole number.
    Integer(Bounds<i64>),
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    OneOf(Vec<String>),
    /// A text that is never shown.
    Secret,
    /// A cron expression.
    Cron,
    /// A name of the IANA time zone database.
    TimeZone,
    /// A currency code in lower case.
    Currency,
    /// Several of a kind.
    List(Box<Kind>),
}

impl Kind {
    /// Reads what follows `type:`; `None` if it is no kind.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(items) = text.strip_prefix("list of ") {
            return Some(Self::List(Box::new(Self::parse(items)?)));
        }
        if let Some(words) = text.strip_prefix("one of ") {
            return Some(Self::OneOf(words.split(", ").map(str::to_owned).collect()));
        }
        if let Some(range) = text.strip_prefix("duration ") {
            return bounds(range, units::duration).map(Self::Duration);
        }
        if let Some(range) = text.strip_prefix("size ") {
            return bounds(range, units::size).map(Self::Size);
        }
        if let Some(range) = text.strip_prefix("integer ") {
            return bounds(range, |number| number.parse().ok()).map(Self::Integer);
        }
        match text {
            "text" => Some(Self::Text),
            "file" => Some(Self::File),
            "url" => Some(Self::Url),
            "address" => Some(Self::Address),
            "network" => Some(Self::Network),
            "database url" => Some(Self::DatabaseUrl),
            "boolean" => Some(Self::Boolean),
            "secret" => Some(Self::Secret),
            "cron" => Some(Self::Cron),
            "time zone" => Some(Self::TimeZone),
            "currency" => Some(Self::Currency),
            _ => None,
        }
    }

    /// Whether values of this kind are never shown.
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::List(item) => item.is_secret(),
            _ => false,
        }
    }
}

/// Reads `MIN to MAX`.
fn bounds<T: PartialOrd>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Bounds<T>> {
    let (min, max) = text.split_once(" to ")?;
    let (min, max) = (read(min)?, read(max)?);
    (min <= max).then(|| Bounds {
        min,
        max,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Kind};

    #[test]
    fn kinds_are_read() {
        let bounds = Bounds {
            min: 1,
            max: 200,
            text: "1 to 200".to_owned(),
        };
        assert_eq!(Kind::parse("integer 1 to 200"), Some(Kind::Integer(bounds)));
        let words = Kind::OneOf(vec!["api".to_owned(), "worker".to_owned()]);
        assert_eq!(
            Kind::parse("list of one of api, worker"),
            Some(Kind::List(Box::new(words)))
        );
        for wrong in [
            "",
            "integer",
            "integer 2 to 1",
            "duration 5 to 10",
            "list of",
            "txt",
        ] {
            assert_eq!(Kind::parse(wrong), None, "{wrong}");
        }
    }
}
