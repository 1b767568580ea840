//! A million members and what they did in a year, the same on both databases.

use memberd_jobs::{args, kernel::db::Sql, testing::TestDb};
use serde_json::Value;

/// Creators.
pub(crate) const CREATORS: i64 = 50;
/// Days over which the interactions lie.
const DAYS: i64 = 365;
/// Kinds of interactions.
const KINDS: i64 = 8;
/// Most days-and-kinds of one member: each once.
const ROWS_MAX: i64 = DAYS * KINDS;
/// Members that are made by one statement.
const CHUNK: i64 = 20_000;

const NUMBERS: Sql = Sql::both(
    "CREATE TABLE bench_numbers AS WITH RECURSIVE n(j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM n WHERE j < 2920)
     SELECT j FROM n",
);
const CREATOR: Sql = Sql::both(
    "INSERT INTO creators (id, organization_id, name, created_at, updated_at) VALUES ($1, 'default', $1, $2, $2)",
);
const AUDIENCE: Sql = Sql::split(
    "INSERT INTO audiences (audience_no, organization_id, creator_id, day) VALUES ($1, 'default', $2, $3)",
    "INSERT INTO audiences (audience_no, organization_id, creator_id, day) OVERRIDING SYSTEM VALUE
     VALUES ($1, 'default', $2, $3)",
);
/// `$1`: how many rows of activity each member has, as a JSON array that begins with member `$2`.
const MEMBERS: Sql = Sql::split(
    "INSERT INTO members (id, organization_id, creator_id, status, joined_at, created_at, updated_at)
     SELECT printf('mem_%026d', key + $2), 'default', printf('crt_%02d', (key + $2) % 50), 'active', $3, $3, $3 FROM json_each($1)",
    "INSERT INTO members (id, organization_id, creator_id, status, joined_at, created_at, updated_at)
     SELECT 'mem_' || lpad((key - 1 + $2)::text, 26, '0'), 'default', 'crt_' || lpad(((key - 1 + $2) % 50)::text, 2, '0'), 'active',
        $3, $3, $3
     FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS c (value, key)",
);
const NUMBERED: Sql = Sql::split(
    "INSERT INTO engagement_members (member_no, member_id, organization_id, audience_no, last_day, last_at)
     SELECT key + $2, printf('mem_%026d', key + $2), 'default', (key + $2) % 50 + 1, $3, $3 * 86400000 FROM json_each($1)",
    "INSERT INTO engagement_members (member_no, member_id, organization_id, audience_no, last_day, last_at)
     OVERRIDING SYSTEM VALUE
     SELECT key - 1 + $2, 'mem_' || lpad((key - 1 + $2)::text, 26, '0'), 'default', (key - 1 + $2) % 50 + 1, $3, $3 * 86400000
     FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS c (value, key)",
);
/// Steps that have no factor with the numbers of days and kinds, so that no day and kind comes twice.
const ACTIVITY: Sql = Sql::split(
    "INSERT INTO activity_days (member_no, day, kind, n, seconds)
     SELECT m, $3 - ((m * 7919 + j * 104729) % 365), (m + j * 31) % 8 + 1, 1 + ((m + j) % 25 = 0), 0
     FROM (SELECT key + $2 AS m, value AS c FROM json_each($1)) JOIN bench_numbers ON j <= c ORDER BY 1, 2, 3",
    "INSERT INTO activity_days (member_no, day, kind, n, seconds)
     SELECT m, $3 - ((m * 7919 + j * 104729) % 365), (m + j * 31) % 8 + 1, 1 + ((m + j) % 25 = 0)::int, 0
     FROM (SELECT key - 1 + $2 AS m, value::bigint AS c FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS c (value, key)) AS c
     JOIN bench_numbers ON j <= c ORDER BY 1, 2, 3",
);
const SETTLE: Sql = Sql::both("ANALYZE");
const INBOX: Sql = Sql::split(
    "INSERT INTO interaction_inbox (organization_id, member_id, audience_no, day, kind, n, seconds, occurred_at)
     SELECT 'default', printf('mem_%026d', value ->> 0), (value ->> 0) % 50 + 1, value ->> 1, value ->> 2, value ->> 3, 0, $2 FROM json_each($1)",
    "INSERT INTO interaction_inbox (organization_id, member_id, audience_no, day, kind, n, seconds, occurred_at)
     SELECT 'default', 'mem_' || lpad(value ->> 0, 26, '0'), (value ->> 0)::bigint % 50 + 1, (value ->> 1)::bigint, (value ->> 2)::bigint,
        (value ->> 3)::bigint, 0, $2
     FROM jsonb_array_elements($1::jsonb)",
);
/// What must be the same after counting and after a rebuild, and on both databases.
const DIGEST: Sql = Sql::both(
    "SELECT count(*), CAST(sum(score) AS BIGINT), CAST(sum(level * 4 + level_before) AS BIGINT),
        CAST(sum((sum_0 % 1000003 + sum_1 % 1000033 * 3 + sum_2 % 1000037 * 5 + sum_3 % 1000039 * 7 + sum_4 % 1000081 * 11
            + sum_5 % 1000099 * 13 + sum_6 % 1000117 * 17 + score * 19 + level * 23) * (member_no % 1009 + 1)) AS BIGINT)
     FROM member_scores AS s JOIN engagement_state AS t ON t.version = s.version",
);
const ROWS: Sql = Sql::both("SELECT count(*), CAST(sum(n) AS BIGINT) FROM activity_days");

/// Rows of activity of a member: as many events as the cube of an even number gives her, of `events` among `members`.
fn rows_of(member: i64, members: i64, events: f64) -> i64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "far below 2^53"
    )]
    let up_to = |member: i64| (events * (member as f64 / members as f64).cbrt()) as i64;
    (up_to(member) - up_to(member - 1)).min(ROWS_MAX)
}

/// Fills the database; answers the rows of activity and the interactions in them.
pub(crate) async fn fill(db: &TestDb, today: i64, members: i64, events: f64) -> (i64, i64) {
    db.execute(NUMBERS, &[]).await;
    let at = db.now();
    for number in 0..CREATORS {
        let creator = format!("crt_{number:02}");
        db.execute(CREATOR, args![&creator, at]).await;
        db.execute(AUDIENCE, args![number + 1, &creator, today])
            .await;
    }
    let mut first = 1;
    while first <= members {
        let last = (first + CHUNK - 1).min(members);
        let counts: Value = (first..=last)
            .map(|member| rows_of(member, members, events))
            .collect();
        let counts = counts.to_string();
        db.execute(MEMBERS, args![&counts, first, at]).await;
        db.execute(NUMBERED, args![&counts, first, today]).await;
        db.execute(ACTIVITY, args![&counts, first, today]).await;
        first = last + 1;
    }
    db.execute(SETTLE, &[]).await;
    db.rows::<(i64, i64)>(ROWS, &[]).await[0]
}

/// Tells of so many interactions: four in five today, the others up to 60 days late, one in twenty taken back; busy
/// members more often, as in [`fill`].
pub(crate) async fn tell(db: &TestDb, today: i64, members: i64, how_many: usize, seed: u64) {
    let mut chance = seed | 1;
    let mut next = |most: i64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        i64::try_from(chance >> 1).unwrap() % most
    };
    let mut left = how_many;
    while left > 0 {
        let part = left.min(10_000);
        let rows: Value = (0..part)
            .map(|_| {
                let even = next(1_000_000);
                let member = 1 + even * even / 1_000_000 * even / 1_000_000 * members / 1_000_000;
                let day = if next(5) > 0 { today } else { today - next(60) };
                let n = if next(20) == 0 { -1 } else { 1 };
                serde_json::json!([member, day, next(KINDS) + 1, n])
            })
            .collect();
        db.execute(INBOX, args![rows.to_string(), db.now()]).await;
        left -= part;
    }
}

/// What must be the same however it came about.
pub(crate) async fn digest(db: &TestDb) -> (i64, i64, i64, i64) {
    db.rows(DIGEST, &[]).await[0]
}
