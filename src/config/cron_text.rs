//! Cron expressions, in the one form that the daemon reads.

use std::str::FromStr;

/// Number of fields of a crontab line; the seconds are missing.
const FIELDS_WITHOUT_SECONDS: usize = 5;

/// Place of the days of the week once the seconds are there.
const DAY_OF_WEEK_FIELD: usize = 5;

/// Reads a cron expression of five fields (minute first, as in crontab), six (second first) or
/// seven (with a year), or a word such as `@daily`.
///
/// Days of the week must be names. A crontab counts Sunday as 0, the `cron` crate (like Quartz) as
/// 1, so that a number would silently fire on another day than the one meant. Unlike crontab, a
/// day of the month and a day of the week must both fit.
///
/// # Errors
///
/// What is wrong with the expression, as a sentence whose subject it is.
pub fn cron_schedule(text: &str) -> Result<cron::Schedule, String> {
    let normal = normalize_cron(text)?;
    let schedule = cron::Schedule::from_str(&normal)
        .map_err(|error| format!("is not a cron expression: {}", one_line(&error)))?;
    Ok(schedule)
}

/// The parser draws its error over several lines, with an arrow below the expression; the last of them tells what it is.
fn one_line(error: &cron::error::Error) -> String {
    let text = error.to_string();
    let told = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    told.unwrap_or_default().to_owned()
}

/// The expression with seconds: `30 3 * * *` becomes `0 30 3 * * *`.
///
/// # Errors
///
/// Days of the week as numbers; see [`cron_schedule`].
pub fn normalize_cron(text: &str) -> Result<String, String> {
    let mut fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() == FIELDS_WITHOUT_SECONDS {
        fields.insert(0, "0");
    }
    if fields
        .get(DAY_OF_WEEK_FIELD)
        .is_some_and(|field| has_day_number(field))
    {
        return Err(
            "gives a day of the week as a number, which programs count differently".to_owned(),
        );
    }
    Ok(fields.join(" "))
}

/// Whether a number stands for a day; one behind `/` is the length of a step.
fn has_day_number(field: &str) -> bool {
    field.split(',').any(|part| {
        let days = part.split('/').next().unwrap_or_default();
        days.chars().any(|letter| letter.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::{cron_schedule, normalize_cron};
    use chrono::{DateTime, Utc};

    fn next(expression: &str) -> Option<String> {
        let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        cron_schedule(expression)
            .unwrap()
            .after(&from)
            .next()
            .map(|time| time.to_rfc3339())
    }

    #[test]
    fn five_six_and_seven_fields() {
        assert_eq!(
            next("30 3 * * *").as_deref(),
            Some("2026-01-01T03:30:00+00:00")
        );
        assert_eq!(
            next("15 30 3 * * *").as_deref(),
            Some("2026-01-01T03:30:15+00:00")
        );
        assert_eq!(
            next("0 30 3 * * * 2027").as_deref(),
            Some("2027-01-01T03:30:00+00:00")
        );
        assert_eq!(next("@daily").as_deref(), Some("2026-01-02T00:00:00+00:00"));
    }

    #[test]
    fn days_of_the_week_are_names() {
        // 1 January 2026 is a Thursday.
        assert_eq!(
            next("0 9 * * MON").as_deref(),
            Some("2026-01-05T09:00:00+00:00")
        );
        assert_eq!(
            next("0 9 * * MON-FRI/2").as_deref(),
            Some("2026-01-02T09:00:00+00:00")
        );
        for number in ["0 9 * * 1", "0 0 9 * * 1", "0 9 * * 1-5", "0 9 * * MON,3"] {
            assert!(normalize_cron(number).is_err(), "{number}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "",
            "daily",
            "* * *",
            "61 * * * *",
            "0 0 25 * * *",
            "0 0 0 30 FEB * x",
        ] {
            assert!(cron_schedule(wrong).is_err(), "{wrong}");
        }
    }
}
