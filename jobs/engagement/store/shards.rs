//! Scores of whole ranges of members, worked out inside the database: when a day turns, and when a version is built.

use super::list;
use crate::{
    args,
    engagement::{model::Day, tell::Changed, versions::Version},
    kernel::{
        db::{Arg, Db, Result, Sql, Tx},
        scoring::{FACTORS_MAX, MILLI},
    },
};

/// The score in thousandths, from the caps in `$6` to `$13` and the halves that follow.
macro_rules! milli {
    ($h0:literal, $h1:literal, $h2:literal, $h3:literal, $h4:literal, $h5:literal, $h6:literal, $h7:literal) => {
        concat!(
            "($6 * sum_0 / (sum_0 + ", $h0, ") + $7 * sum_1 / (sum_1 + ", $h1, ") + $8 * sum_2 / (sum_2 + ", $h2,
            ") + $9 * sum_3 / (sum_3 + ", $h3, ") + $10 * sum_4 / (sum_4 + ", $h4, ") + $11 * sum_5 / (sum_5 + ", $h5,
            ") + $12 * sum_6 / (sum_6 + ", $h6, ") + $13 * sum_7 / (sum_7 + ", $h7, "))"
        )
    };
}
/// The score of the day, and that of the day before.
macro_rules! of_day {
    () => {
        milli!("$14", "$15", "$16", "$17", "$18", "$19", "$20", "$21")
    };
}
macro_rules! of_day_before {
    () => {
        milli!("$28", "$29", "$30", "$31", "$32", "$33", "$34", "$35")
    };
}
/// The lowest level that a score allows.
macro_rules! reached {
    ($milli:literal) => {
        concat!("CASE WHEN ", $milli, " >= $22 THEN 3 WHEN ", $milli, " >= $23 THEN 2 WHEN ", $milli, " >= $24 THEN 1 ELSE 0 END")
    };
}
/// The highest level that a score allows.
macro_rules! kept {
    ($milli:literal) => {
        concat!("CASE WHEN ", $milli, " >= $25 THEN 3 WHEN ", $milli, " >= $26 THEN 2 WHEN ", $milli, " >= $27 THEN 1 ELSE 0 END")
    };
}
/// The level that follows from the one before.
macro_rules! stepped {
    ($before:literal) => {
        concat!("CASE WHEN ", $before, " < reached THEN reached WHEN ", $before, " > kept THEN kept ELSE ", $before, " END")
    };
}
macro_rules! turn {
    ($audiences:literal) => {
        concat!(
            "UPDATE member_scores SET day = $4, score = n.score, level = n.level, level_before = n.level_before
             FROM (SELECT member_no, (milli + 500) / 1000 AS score, level AS level_before, ",
            stepped!("level"),
            " AS level FROM (SELECT member_no, level, milli, ",
            reached!("milli"),
            " AS reached, ",
            kept!("milli"),
            " AS kept FROM (SELECT member_no, level, ",
            of_day!(),
            " AS milli FROM member_scores AS s
                WHERE s.version = $1 AND s.member_no > $2 AND s.member_no <= $3 AND s.day < $4 AND s.audience_no IN (",
            $audiences,
            ")) AS m) AS b) AS n
             WHERE member_scores.version = $1 AND member_scores.member_no = n.member_no
               AND (member_scores.score <> n.score OR member_scores.level <> n.level
                    OR member_scores.level_before <> n.level_before)"
        )
    };
}
/// What a rebuild works out of a range's sums. The level of the day before is -1 where the score alone does not say it.
macro_rules! build {
    ($sums:ident, $audiences:literal) => {
        concat!(
            "INSERT INTO member_scores (version, member_no, audience_no, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6,
                sum_7, day, score, level, level_before)
             SELECT $1, member_no, audience_no, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, $4,
                (milli + 500) / 1000, ",
            stepped!("lowest"),
            ", CASE WHEN lowest = highest AND newest < $4 THEN lowest ELSE -1 END
             FROM (SELECT b.*, ",
            reached!("milli"),
            " AS reached, ",
            kept!("milli"),
            " AS kept, ",
            reached!("earlier"),
            " AS lowest, ",
            kept!("earlier"),
            " AS highest FROM (SELECT e.audience_no, a.*, ",
            of_day!(),
            " AS milli, ",
            of_day_before!(),
            " AS earlier FROM (",
            $sums!(),
            ") AS a JOIN engagement_members AS e ON e.member_no = a.member_no
             WHERE e.organization_id = $36 AND e.audience_no IN (",
            $audiences,
            ")) AS b) AS c"
        )
    };
}
macro_rules! sum_sqlite {
    ($factor:literal) => {
        concat!("coalesce(sum(min(max(d.n, 0), k.cap) * k.points * w.weight) FILTER (WHERE k.factor = ", $factor, "), 0) AS sum_", $factor)
    };
}
macro_rules! sum_postgres {
    ($factor:literal) => {
        concat!("coalesce(sum(worth) FILTER (WHERE factor = ", $factor, "), 0)::bigint AS sum_", $factor)
    };
}
/// `$37`: the kinds, each with its factor, points and cap. Because of `OFFSET` they are read out of the JSON once, not for each row
/// of activity, which took five times as long.
macro_rules! sums_sqlite {
    () => {
        concat!(
            "SELECT d.member_no, max(d.day) AS newest, ",
            sum_sqlite!(0), ", ", sum_sqlite!(1), ", ", sum_sqlite!(2), ", ", sum_sqlite!(3), ", ",
            sum_sqlite!(4), ", ", sum_sqlite!(5), ", ", sum_sqlite!(6), ", ", sum_sqlite!(7),
            " FROM activity_days AS d
             LEFT JOIN (SELECT value ->> 'kind' AS kind, value ->> 'factor' AS factor, value ->> 'points' AS points,
                    value ->> 'cap' AS cap FROM json_each($37) LIMIT -1 OFFSET 0) AS k ON k.kind = d.kind
             LEFT JOIN score_weights AS w ON w.version = $1 AND w.factor = k.factor AND w.day = d.day
             WHERE d.member_no > $2 AND d.member_no <= $3 GROUP BY d.member_no"
        )
    };
}
/// `$37` to `$39`: factors and caps by the kinds' numbers, and what one is worth on each day, kind by kind; they are read
/// once into arrays. `$40` and `$41`: the first day and how many there are. The inner query is worked out once for each
/// row because of `OFFSET 0`.
macro_rules! sums_postgres {
    () => {
        concat!(
            "SELECT member_no, max(day) AS newest, ",
            sum_postgres!(0), ", ", sum_postgres!(1), ", ", sum_postgres!(2), ", ", sum_postgres!(3), ", ",
            sum_postgres!(4), ", ", sum_postgres!(5), ", ", sum_postgres!(6), ", ", sum_postgres!(7),
            " FROM (SELECT d.member_no, d.day, (SELECT string_to_array($37, ',')::integer[])[d.kind] AS factor,
                CASE WHEN d.day >= $40 AND d.day < $40 + $41 THEN
                    least(greatest(d.n, 0), (SELECT string_to_array($38, ',')::integer[])[d.kind])
                    * (SELECT string_to_array($39, ',')::bigint[])[((d.kind - 1) * $41 + d.day - $40 + 1)::integer]
                ELSE 0 END AS worth
                FROM activity_days AS d WHERE d.member_no > $2 AND d.member_no <= $3 OFFSET 0) AS x
             GROUP BY member_no"
        )
    };
}

const TURN: Sql = Sql::split(
    turn!("SELECT value FROM json_each($5)"),
    turn!("SELECT jsonb_array_elements_text($5::jsonb)::bigint"),
);
const BUILD: Sql = Sql::split(
    build!(sums_sqlite, "SELECT value FROM json_each($5)"),
    build!(sums_postgres, "SELECT jsonb_array_elements_text($5::jsonb)::bigint"),
);
const NEXT_MEMBERS: Sql = Sql::both(
    "SELECT max(member_no) FROM (SELECT e.member_no FROM engagement_members AS e
        WHERE e.organization_id = $1 AND e.member_no > $2 ORDER BY e.member_no LIMIT $3) AS next",
);
const NTH_DAY: Sql = Sql::both(
    "SELECT member_no FROM activity_days WHERE member_no > $1 ORDER BY member_no LIMIT 1 OFFSET $2",
);
/// With `$5` only of those who changed on that day.
const CHANGED: Sql = Sql::both(
    "SELECT s.member_no, e.member_id, e.told_level, s.level, s.score
     FROM member_scores AS s JOIN engagement_members AS e ON e.member_no = s.member_no
     WHERE e.organization_id = $1 AND s.version = $2 AND s.member_no > $3 AND s.member_no <= $4
       AND (CAST($5 AS BIGINT) IS NULL OR (s.day = $5 AND s.level <> s.level_before)) AND s.level <> e.told_level",
);
const OTHER_VERSIONS: Sql = Sql::both(
    "SELECT v.version FROM score_versions AS v WHERE v.version <> $2 AND v.version <> coalesce(CAST($3 AS BIGINT), $2)
       AND EXISTS (SELECT 1 FROM member_scores AS s JOIN engagement_members AS e ON e.member_no = s.member_no
            WHERE s.version = v.version AND e.organization_id = $1)",
);
const FORGET: Sql = Sql::both(
    "DELETE FROM member_scores WHERE version = $2 AND member_no > $3 AND member_no <= $4
       AND member_no IN (SELECT e.member_no FROM engagement_members AS e
            WHERE e.organization_id = $1 AND e.member_no > $3 AND e.member_no <= $4)",
);

/// A range of members: after the first number, up to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The members after this one.
    pub after: i64,
    /// Up to this one.
    pub to: i64,
}

/// The next members of an organization after one, at most so many. `None`: there are no more.
pub async fn next_members(
    db: &Db,
    organization: &str,
    after: i64,
    most: i64,
) -> Result<Option<Range>> {
    let (to,): (Option<i64>,) = db.one(NEXT_MEMBERS, args![organization, after, most]).await?;
    Ok(to.map(|to| Range { after, to }))
}

/// The next members after one who have about so many days with activity between them, at least one of them; also those of
/// other organizations. `None`: there are no more.
pub async fn next_days(tx: &mut Tx, after: i64, days: i64) -> Result<Option<Range>> {
    let mut nth: Option<(i64,)> = tx.optional(NTH_DAY, args![after, days]).await?;
    if nth.is_none() && tx.optional::<(i64,)>(NTH_DAY, args![after, 0]).await?.is_some() {
        nth = Some((i64::MAX,));
    }
    Ok(nth.map(|(to,)| Range { after, to }))
}

/// Turns a range of the members of audiences to a day: writes the rows whose whole score, level or level of the day before
/// changes. Rows that are there already are left alone.
pub async fn turn(
    tx: &mut Tx,
    version: &Version,
    range: Range,
    audiences: &[i64],
    day: Day,
) -> Result<u64> {
    let audiences = list(audiences.iter().copied());
    let args = common(version, range, audiences, day);
    tx.execute(TURN, &args).await
}

/// Builds the scores of a range of the members of audiences in a version, as they are at the end of a day. The levels of some are left
/// to a walk (`scores::unsure`).
pub async fn build(
    tx: &mut Tx,
    organization: &str,
    version: &Version,
    range: Range,
    audiences: &[i64],
    day: Day,
    is_postgres: bool,
) -> Result<u64> {
    let audiences = list(audiences.iter().copied());
    let mut args = common(version, range, audiences, day);
    args.extend(halves(version, day - 1).map(Arg::from));
    args.push(Arg::from(organization));
    if is_postgres {
        args.extend(arrays(version));
    } else {
        args.push(Arg::from(kinds(version)));
    }
    tx.execute(BUILD, &args).await
}

/// `$1` to `$27`
fn common(version: &Version, range: Range, audiences: String, day: Day) -> Vec<Arg<'static>> {
    let mut args = vec![
        Arg::from(version.number),
        Arg::from(range.after),
        Arg::from(range.to),
        Arg::from(day),
        Arg::from(audiences),
    ];
    let factors = &version.formula.scoring.factors;
    let cap = |at: usize| factors.get(at).map_or(0, |factor| factor.cap * MILLI);
    args.extend((0..FACTORS_MAX).map(|at| Arg::from(cap(at))));
    args.extend(halves(version, day).map(Arg::from));
    let levels = version.formula.levels();
    let thresholds = [levels.superfan, levels.engaged, levels.casual];
    args.extend(thresholds.map(|threshold| Arg::from(threshold * MILLI)));
    // Percent of thousandths: no division, so nothing is rounded.
    args.extend(thresholds.map(|threshold| Arg::from(threshold * (MILLI / 100) * levels.keep_percent)));
    args
}

/// What the sum of each factor is added to. A factor that is not there has no sums, and must not divide by nothing.
fn halves(version: &Version, day: Day) -> impl Iterator<Item = i64> {
    let formula = &version.formula;
    (0..FACTORS_MAX).map(move |at| {
        let factor = formula.scoring.factors.get(at);
        factor.map_or(1, |factor| (factor.half_at * formula.weights.get(at, day)).max(1))
    })
}

/// Number, factor, points and cap of each kind.
fn known(version: &Version) -> impl Iterator<Item = (i64, usize, i64, i64)> {
    let scoring = &version.formula.scoring;
    version.places.iter().filter_map(|(number, place)| {
        let kind = scoring.kinds.get(*place)?;
        Some((*number, scoring.factor(&kind.factor)?, kind.points, kind.daily_cap))
    })
}

fn kinds(version: &Version) -> String {
    let kind = |(number, factor, points, cap)| {
        serde_json::json!({ "kind": number, "factor": factor, "points": points, "cap": cap })
    };
    known(version).map(kind).collect::<serde_json::Value>().to_string()
}

fn arrays(version: &Version) -> [Arg<'static>; 5] {
    let weights = &version.formula.weights;
    let (first, days) = (weights.first(), weights.last() - weights.first() + 1);
    let most = version.places.keys().next_back().copied().unwrap_or(0);
    let (mut factors, mut caps, mut worth) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=most {
        let kind = known(version).find(|kind| kind.0 == number);
        let (_, factor, points, cap) = kind.unwrap_or((number, 0, 0, 0));
        factors.push(factor.to_string());
        caps.push(cap.to_string());
        let of_day = |day| (points * weights.get(factor, day)).to_string();
        worth.extend((first..=weights.last()).map(of_day));
    }
    let array = |items: Vec<String>| Arg::from(items.join(","));
    [array(factors), array(caps), array(worth), Arg::from(first), Arg::from(days)]
}

/// Members of a range whose level is another than the one that was told; with `day`, of those who changed on it.
pub async fn changed(
    tx: &mut Tx,
    organization: &str,
    version: i64,
    range: Range,
    day: Option<Day>,
) -> Result<Vec<Changed>> {
    tx.all(CHANGED, args![organization, version, range.after, range.to, day]).await
}

/// The versions but these in which the organization still has scores.
pub async fn other_versions(
    db: &Db,
    organization: &str,
    version: i64,
    next: Option<i64>,
) -> Result<Vec<i64>> {
    let rows: Vec<(i64,)> = db.all(OTHER_VERSIONS, args![organization, version, next]).await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}

/// Deletes the scores of a range of an organization's members in a version.
pub async fn forget(tx: &mut Tx, organization: &str, version: i64, range: Range) -> Result<u64> {
    tx.execute(FORGET, args![organization, version, range.after, range.to]).await
}
