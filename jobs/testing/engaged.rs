//! Members who did something, with their days and scores as counting leaves them: worked out by the plainest form of the
//! definition.

use std::collections::BTreeMap;

use super::{START, TestDb};
use crate::{
    args,
    engagement::{Day, Formula, Sums, Weights, level_by_folding, whole},
    kernel::{
        Timestamp,
        db::Sql,
        scoring::{FACTORS_MAX, Scoring},
    },
};

/// The day on which tests begin, in UTC.
pub const TODAY: Day = 20_468;

const VERSION: Sql = Sql::both(
    "INSERT INTO score_versions (version, scoring, landmark, created_at) VALUES (1, $1, $2, $3)",
);
const WEIGHT: Sql =
    Sql::both("INSERT INTO score_weights (version, factor, day, weight) VALUES (1, $1, $2, $3)");
const KIND: Sql = Sql::both("INSERT INTO interaction_kinds (kind, name) VALUES ($1, $2)");
const STATE: Sql = Sql::both(
    "INSERT INTO engagement_state (organization_id, version) VALUES ($1, 1) ON CONFLICT DO NOTHING",
);
const MEMBER: Sql = Sql::both(
    "INSERT INTO members (id, organization_id, creator_id, joined_at, deleted_at, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $4, $4)",
);
const CREATOR: Sql = Sql::both(
    "INSERT INTO creators (id, organization_id, name, created_at, updated_at) VALUES ($1, $2, 'Ann', $3, $3)
     ON CONFLICT DO NOTHING",
);
const AUDIENCE: Sql = Sql::both(
    "INSERT INTO audiences (organization_id, creator_id, day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
);
const KNOWN: Sql = Sql::both(
    "INSERT INTO engagement_members (member_id, organization_id, audience_no, last_day, last_at)
     SELECT $1, $2, audience_no, $4, $5 FROM audiences WHERE organization_id = $2 AND creator_id = $3",
);
const ACTIVITY: Sql = Sql::both(
    "INSERT INTO activity_days (member_no, day, kind, n, seconds)
     SELECT member_no, $2, $3, $4, $5 FROM engagement_members WHERE member_id = $1",
);
const AUDIENCE_ACTIVITY: Sql = Sql::both(
    "INSERT INTO audience_activity (audience_no, day, kind, n, seconds)
     SELECT audience_no, $2, $3, $4, $5 FROM engagement_members WHERE member_id = $1
     ON CONFLICT (audience_no, day, kind) DO UPDATE SET n = audience_activity.n + excluded.n",
);
const SCORE: Sql = Sql::both(
    "INSERT INTO member_scores (version, member_no, audience_no, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7, day,
        score, level, level_before)
     SELECT 1, member_no, audience_no, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12
     FROM engagement_members WHERE member_id = $1",
);

/// What somebody did on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    /// Days before [`TODAY`].
    pub ago: Day,
    /// The kind's place in the definition.
    pub kind: usize,
    /// How often.
    pub n: i64,
    /// How long all of it took.
    pub seconds: i64,
}

/// Somebody with what she did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Somebody {
    /// `mem_…`
    pub id: String,
    /// The organization.
    pub organization: String,
    /// The creator's id, if she has one.
    pub creator: Option<String>,
    /// When she joined.
    pub joined_at: Timestamp,
    /// Whether she is deleted.
    pub deleted: bool,
    /// Each day and kind at most once.
    pub did: Vec<Did>,
}

impl Somebody {
    /// A member of `default` who joined 400 days ago.
    pub fn new(id: &str, did: &[Did]) -> Self {
        Self {
            id: id.to_owned(),
            organization: "default".to_owned(),
            creator: None,
            joined_at: days_ago(400),
            deleted: false,
            did: did.to_vec(),
        }
    }
}

/// A moment so many days before the beginning of all tests.
pub const fn days_ago(days: i64) -> Timestamp {
    Timestamp(START.0 - days * 86_400_000)
}

/// A definition, in force in a database.
#[derive(Debug)]
pub struct Engaged<'a> {
    db: &'a TestDb,
    /// The definition.
    pub formula: Formula,
}

impl<'a> Engaged<'a> {
    /// Puts a definition in force; its kinds are numbered from 1.
    pub async fn begin(db: &'a TestDb, scoring: Scoring) -> Self {
        let landmark = TODAY - 30;
        let weights = Weights::of(&scoring, landmark);
        let text = serde_json::to_string(&scoring).unwrap_or_default();
        db.execute(VERSION, args![text, landmark, START]).await;
        let mut tx = db
            .env
            .db
            .begin()
            .await
            .unwrap_or_else(|why| panic!("{why}"));
        for (factor, of_factor) in weights.of_factors().iter().enumerate() {
            let days = of_factor.iter().zip(weights.first()..);
            let row = |(weight, day): (&i64, Day)| args![number(factor), day, *weight].to_vec();
            let rows: Vec<_> = days.map(row).collect();
            tx.insert(WEIGHT, &rows)
                .await
                .unwrap_or_else(|why| panic!("{why}"));
        }
        tx.commit().await.unwrap_or_else(|why| panic!("{why}"));
        for (at, kind) in scoring.kinds.iter().enumerate() {
            db.execute(KIND, args![number(at) + 1, &kind.id]).await;
        }
        let formula = Formula { scoring, weights };
        Self { db, formula }
    }

    /// Writes a member with everything that follows from what she did.
    pub async fn put(&self, one: &Somebody) {
        let (db, creator) = (self.db, one.creator.as_deref());
        let organization = one.organization.as_str();
        db.execute(STATE, args![organization]).await;
        Self::member(db, one).await;
        let Some(last) = one.did.iter().map(|did| TODAY - did.ago).max() else {
            return;
        };
        let creator = creator.unwrap_or_default();
        db.execute(AUDIENCE, args![organization, creator, TODAY])
            .await;
        let last_at = days_ago(TODAY - last);
        db.execute(KNOWN, args![&one.id, organization, creator, last, last_at])
            .await;
        for did in &one.did {
            let (day, kind) = (TODAY - did.ago, number(did.kind) + 1);
            for sql in [ACTIVITY, AUDIENCE_ACTIVITY] {
                db.execute(sql, args![&one.id, day, kind, did.n, did.seconds])
                    .await;
            }
        }
        self.score(one).await;
    }

    /// Writes a member alone, without what she did.
    pub async fn member(db: &TestDb, one: &Somebody) {
        let (organization, creator) = (one.organization.as_str(), one.creator.as_deref());
        if let Some(creator) = creator {
            db.execute(CREATOR, args![creator, organization, days_ago(500)])
                .await;
        }
        let deleted_at = one.deleted.then_some(START);
        db.execute(
            MEMBER,
            args![&one.id, organization, creator, one.joined_at, deleted_at],
        )
        .await;
    }

    async fn score(&self, one: &Somebody) {
        let sums = self.sums(one, TODAY);
        let score = whole(self.formula.score_milli(&sums, TODAY));
        let mut row = args![&one.id].to_vec();
        row.extend(sums.into_iter().map(Into::into));
        row.extend(args![TODAY, score, self.level(one)].iter().cloned());
        self.db.execute(SCORE, &row).await;
    }

    /// The sums of somebody at the end of a day.
    pub fn sums(&self, one: &Somebody, day: Day) -> Sums {
        let mut sums = [0; FACTORS_MAX];
        for did in one.did.iter().filter(|did| TODAY - did.ago <= day) {
            let worth = self.formula.worth(did.kind, TODAY - did.ago, did.n);
            let (factor, worth) = worth.unwrap_or_default();
            sums[factor] += worth;
        }
        sums
    }

    /// Her level today, as its number.
    pub fn level(&self, one: &Somebody) -> i64 {
        let first = one
            .did
            .iter()
            .map(|did| TODAY - did.ago)
            .min()
            .unwrap_or(TODAY);
        let level = level_by_folding(&self.formula, first, TODAY, |day| self.sums(one, day));
        level.number()
    }

    /// Her interactions by kind of the days that are wanted; of kinds that count, or of the others.
    pub fn by_kind(
        &self,
        one: &Somebody,
        counts: bool,
        wanted: impl Fn(Day) -> bool,
    ) -> BTreeMap<String, i64> {
        let mut by_kind = BTreeMap::new();
        for did in one.did.iter().filter(|did| wanted(TODAY - did.ago)) {
            let kind = &self.formula.scoring.kinds[did.kind];
            if kind.counts_as_interaction == counts {
                *by_kind.entry(kind.id.clone()).or_default() += did.n.max(0);
            }
        }
        by_kind
    }
}

fn number(at: usize) -> i64 {
    i64::try_from(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engagement::local_day;

    #[test]
    fn tests_begin_on_that_day() {
        assert_eq!(local_day(chrono_tz::UTC, START), TODAY);
    }
}
