//! Whether an entitlement gives access at a moment, as a condition of SQL.

/// The same as [`super::super::model::Spans::cover`], for the row `$row` of `entitlements` and the moment `$at`; a test
/// compares the two. The hour is the difference of the clocks that is allowed for there.
macro_rules! gives_access {
    ($row:literal, $at:literal) => {
        concat!(
            "((", $row, ".started_at <= ", $at, " + CASE WHEN ", $row, ".source_kind = 'subscription' AND (", $row,
            ".ended_at IS NULL OR ", $row, ".ended_at > ", $row, ".started_at) THEN 3600000 ELSE 0 END
               AND (", $row, ".ended_at IS NULL OR ", $row, ".ended_at > ", $at, "))
              OR (", $row, ".resumes_at IS NOT NULL AND ", $row, ".resumes_at <= ", $at, "
               AND (", $row, ".resumed_until IS NULL OR ", $row, ".resumed_until > ", $at, ")))"
        )
    };
}
