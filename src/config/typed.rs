//! From a value to the type that the code uses. Each function checks the kind and the bounds that
//! `default.toml` gives, so that a range is written down once.

use super::cron_text;
use super::kind::Kind;
use super::problem::Fault;
use super::units;
use super::value::Value;
use chrono_tz::Tz;
use ipnet::IpNet;
use reqwest::Url;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Letters of a currency code (ISO 4217).
const CURRENCY_LETTERS: usize = 3;

/// Least likeness (Jaro-Winkler, 0 to 1) of a time zone's name to suggest it.
const TIME_ZONE_LIKENESS_MIN: f64 = 0.85;

/// Any text.
pub(super) fn text(value: &Value, _kind: &Kind) -> Result<String, Fault> {
    as_text(value).map(str::to_owned)
}

/// `true` or `false`.
pub(super) fn boolean(value: &Value, _kind: &Kind) -> Result<bool, Fault> {
    match value {
        Value::Boolean(truth) => Ok(*truth),
        other => Err(expected("true or false", "true or false", other)),
    }
}

/// A whole number that fits its bounds and its type.
pub(super) fn integer<T: TryFrom<i64>>(value: &Value, kind: &Kind) -> Result<T, Fault> {
    let Kind::Integer(bounds) = kind else {
        return Err(wrong_kind("integer"));
    };
    let Value::Integer(number) = value else {
        return Err(expected("a whole number", &bounds.text, value));
    };
    let fits = (bounds.min..=bounds.max).contains(number);
    let number = T::try_from(*number).ok().filter(|_| fits);
    number.ok_or_else(|| outside(&bounds.text))
}

/// A duration with its unit.
pub(super) fn duration(value: &Value, kind: &Kind) -> Result<Duration, Fault> {
    let Kind::Duration(bounds) = kind else {
        return Err(wrong_kind("duration"));
    };
    let Value::Text(text) = value else {
        return Err(Fault::new(
            "has no unit",
            format!(
                "write a duration in quotes, {}, such as \"30s\"",
                bounds.text
            ),
        ));
    };
    let duration = units::duration(text).ok_or_else(|| {
        let fix = format!("write a whole number and ms, s, m, h or d, {}", bounds.text);
        Fault::new("is not a duration", fix)
    })?;
    let fits = (bounds.min..=bounds.max).contains(&duration);
    if fits {
        Ok(duration)
    } else {
        Err(outside(&bounds.text))
    }
}

/// A number of bytes, with or without a unit.
pub(super) fn size(value: &Value, kind: &Kind) -> Result<usize, Fault> {
    let Kind::Size(bounds) = kind else {
        return Err(wrong_kind("size"));
    };
    let bytes = match value {
        Value::Integer(bytes) => u64::try_from(*bytes).ok(),
        Value::Text(text) => units::size(text),
        _ => None,
    };
    let bytes = bytes.ok_or_else(|| {
        let fix = format!(
            "write a whole number and KiB, MiB, GiB, KB, MB or GB, {}",
            bounds.text
        );
        Fault::new("is not a size", fix)
    })?;
    let fits = (bounds.min..=bounds.max).contains(&bytes);
    usize::try_from(bytes)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| outside(&bounds.text))
}

/// One of the words that `default.toml` lists.
pub(super) fn one_of<T: FromStr>(value: &Value, kind: &Kind) -> Result<T, Fault> {
    let Kind::OneOf(words) = kind else {
        return Err(wrong_kind("one of"));
    };
    let fault = || Fault::new("is not known", format!("write one of {}", words.join(", ")));
    let text = as_text(value)?;
    if !words.iter().any(|word| word == text) {
        return Err(fault());
    }
    text.parse().map_err(|_| fault())
}

/// A list, each item read by `item`.
pub(super) fn list<T>(
    value: &Value,
    kind: &Kind,
    item: impl Fn(&Value, &Kind) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let Kind::List(inner) = kind else {
        return Err(wrong_kind("list of"));
    };
    let Value::List(items) = value else {
        return Err(expected("a list", "a list in square brackets", value));
    };
    items.iter().map(|value| item(value, inner)).collect()
}

/// An IP address and a port.
pub(super) fn address(value: &Value, _kind: &Kind) -> Result<SocketAddr, Fault> {
    as_text(value)?.parse().map_err(|_| {
        Fault::new(
            "is not an address",
            "write IP:PORT such as 127.0.0.1:7171 or [::]:7171",
        )
    })
}

/// IP addresses and networks of them; a single address is a network of one.
pub(super) fn networks(value: &Value, kind: &Kind) -> Result<Vec<IpNet>, Fault> {
    list(value, kind, |value, _| {
        let text = as_text(value)?;
        let alone = text.parse::<IpAddr>().map(IpNet::from);
        alone.or_else(|_| text.parse()).map_err(|_| {
            let fix =
                "write addresses such as 10.0.0.7 or networks such as 10.0.0.0/8 and fd00::/8";
            Fault::new("has what is neither an address nor a network", fix)
        })
    })
}

/// An http or https URL without credentials, query or fragment.
pub(super) fn url(value: &Value, _kind: &Kind) -> Result<Url, Fault> {
    let fix = "write a URL such as https://members.example.org/";
    let url = Url::parse(as_text(value)?).map_err(|_| Fault::new("is not a URL", fix))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Fault::new("is neither an http nor an https URL", fix));
    }
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_plain {
        Ok(url)
    } else {
        Err(Fault::new("has more than scheme, host and path", fix))
    }
}

/// A time zone of the IANA database.
pub(super) fn time_zone(value: &Value, _kind: &Kind) -> Result<Tz, Fault> {
    let text = as_text(value)?;
    text.parse().map_err(|_| {
        let near = nearest_time_zone(text).map_or_else(
            || "write a name such as Europe/Paris or UTC".to_owned(),
            |near| format!("did you mean {near}?"),
        );
        Fault::new("is not a time zone", near)
    })
}

/// A cron expression, checked and with its seconds.
pub(super) fn cron(value: &Value, _kind: &Kind) -> Result<String, Fault> {
    let text = as_text(value)?;
    let fix = "write MINUTE HOUR DAY MONTH WEEKDAY such as \"30 3 * * MON-FRI\"";
    let normal = cron_text::cron_schedule(text).and_then(|_| cron_text::normalize_cron(text));
    normal.map_err(|what| Fault::new(what, fix))
}

/// A currency code as Stripe writes it.
pub(super) fn currency(value: &Value, _kind: &Kind) -> Result<String, Fault> {
    let text = as_text(value)?;
    let good =
        text.len() == CURRENCY_LETTERS && text.chars().all(|letter| letter.is_ascii_lowercase());
    let fault = || {
        Fault::new(
            "is not a currency",
            "write three letters in lower case such as usd",
        )
    };
    good.then(|| text.to_owned()).ok_or_else(fault)
}

/// The text of a value.
pub(super) fn as_text(value: &Value) -> Result<&str, Fault> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(expected("a text", "a text in quotes", other)),
    }
}

fn nearest_time_zone(text: &str) -> Option<&'static str> {
    chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| (strsim::jaro_winkler(zone.name(), text), zone.name()))
        .filter(|(likeness, _)| *likeness >= TIME_ZONE_LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

fn expected(what: &str, allowed: &str, got: &Value) -> Fault {
    Fault::new(
        format!("is {}, not {what}", got.type_name()),
        format!("write {allowed}"),
    )
}

fn outside(bounds: &str) -> Fault {
    Fault::new("is out of range", format!("write {bounds}"))
}

/// The code and `default.toml` disagree; a test reads every key.
fn wrong_kind(want: &str) -> Fault {
    Fault::new(
        "has another kind in default.toml",
        format!("give it the type {want}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn bounded(text: &str) -> Kind {
        Kind::parse(text).unwrap()
    }

    #[test]
    fn bounds_belong_to_the_range() {
        let kind = bounded("duration 5s to 10m");
        assert_eq!(duration(&of("5s"), &kind), Ok(Duration::from_secs(5)));
        assert_eq!(duration(&of("10m"), &kind), Ok(Duration::from_mins(10)));
        assert_eq!(duration(&of("4999ms"), &kind), Err(outside("5s to 10m")));
        assert_eq!(duration(&of("601s"), &kind), Err(outside("5s to 10m")));
        let kind = bounded("integer 1 to 200");
        assert_eq!(integer::<u32>(&Value::Integer(200), &kind), Ok(200));
        assert_eq!(
            integer::<u32>(&Value::Integer(201), &kind),
            Err(outside("1 to 200"))
        );
        let kind = bounded("size 1KiB to 1MiB");
        assert_eq!(size(&of("1KiB"), &kind), Ok(1024));
        assert_eq!(size(&Value::Integer(1024), &kind), Ok(1024));
        assert_eq!(
            size(&Value::Integer(-1), &kind).unwrap_err().what,
            "is not a size"
        );
    }

    #[test]
    fn a_duration_without_a_unit_says_so() {
        let kind = bounded("duration 5s to 10m");
        assert_eq!(
            duration(&Value::Integer(30), &kind).unwrap_err().what,
            "has no unit"
        );
    }

    #[test]
    fn time_zones_are_suggested() {
        let fault = time_zone(&of("Europe/Pariss"), &Kind::TimeZone).unwrap_err();
        assert_eq!(fault.fix, "did you mean Europe/Paris?");
        assert_eq!(time_zone(&of("UTC"), &Kind::TimeZone), Ok(Tz::UTC));
    }

    #[test]
    fn urls_are_plain() {
        assert!(url(&of("https://example.org/a"), &Kind::Url).is_ok());
        for wrong in [
            "example.org",
            "ftp://a/",
            "https://u:p@a/",
            "https://a/?b",
            "https://a/#b",
        ] {
            assert!(url(&of(wrong), &Kind::Url).is_err(), "{wrong}");
        }
    }
}
