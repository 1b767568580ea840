//! Durations and sizes as people write them.

use std::time::Duration;

/// The units of a duration and their length in milliseconds, longest name first where one name
/// ends with another.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The units of a size and their bytes; the letter `i` marks powers of 1024 (IEC 80000-13).
const SIZE_UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// Reads `250ms`, `30s`, `5m`, `12h` or `7d`; `None` if it is none of these or too long.
pub(super) fn duration(text: &str) -> Option<Duration> {
    with_unit(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads a duration of the command line.
///
/// # Errors
/// When it is none; the text says what one looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text)
        .ok_or_else(|| format!("`{text}` is no duration such as 250ms, 30s, 5m, 12h or 7d"))
}

/// Reads `64KiB`, `1MiB`, `256KB` or a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| with_unit(text, &SIZE_UNITS))
}

/// A whole number directly followed by one of `units`, in the smallest of them.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, name) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(unit, _)| *unit == name)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::{Duration, duration, size};

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Some(Duration::from_mins(5)));
        assert_eq!(duration("12h"), Some(Duration::from_hours(12)));
        assert_eq!(duration("7d"), Some(Duration::from_hours(168)));
        for wrong in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1w",
            "99999999999999999d",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1MiB"), Some(1_048_576));
        assert_eq!(size("256KB"), Some(256_000));
        assert_eq!(size("17"), Some(17));
        for wrong in ["", "KiB", "-1", "1 KiB", "1kb", "1XiB"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
