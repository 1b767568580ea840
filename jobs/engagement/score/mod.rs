//! Where a member stands: her score, her level, her rank, what she did, and why the score is what it is.

pub mod explain;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::explain::{Explanation, explain};
use self::explain::Did;
use super::{Day, definition::{Definition, zone}, local_day};
use crate::kernel::{Env, Timestamp, db::Result, scoring::{FACTORS_MAX, Level}};

/// Days that count as recent, today among them.
pub const RECENT_DAYS: i64 = 30;

/// Where a member stands, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// Her level.
    pub level: Level,
    /// Her score, 0 to 100.
    pub score: i64,
    /// Her interactions of the last [`RECENT_DAYS`] days.
    pub interactions_30d: i64,
    /// Her newest interaction.
    pub last_at: Option<Timestamp>,
}

/// Where a member stands, with everything that it follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// In short.
    pub brief: Brief,
    /// Her place among the living members of her creator; `None` for who never did anything or is deleted.
    pub rank: Option<i64>,
    /// All her interactions by kind, as far as they count as such. Kinds of the configuration are there with 0.
    pub kinds: BTreeMap<String, i64>,
    /// The same of kinds that do not count as interactions.
    pub others: BTreeMap<String, i64>,
    /// The local day of her newest interaction.
    pub last_day: Option<Day>,
    /// The local day as of which all this is true.
    pub as_of: Day,
    /// Why the score is what it is.
    pub explanation: Explanation,
}

impl Score {
    /// All her interactions: the sum over the kinds that count.
    pub fn interactions(&self) -> i64 {
        self.kinds.values().sum()
    }
}

/// Where members stand, by id. Members of whom nothing was ever counted are missing: they are as [`Brief::default`] says.
pub async fn briefs(
    env: &Env,
    organization: &str,
    members: &[String],
) -> Result<BTreeMap<String, Brief>> {
    let counting = Definition::of(env, organization).await?.counting();
    let rows = store::briefs(&env.db, organization, members, &counting, RECENT_DAYS).await?;
    let brief = |row: store::BriefRow| {
        let brief = Brief {
            level: Level::of(row.level).unwrap_or_default(),
            score: row.score,
            interactions_30d: row.interactions_30d,
            last_at: Some(row.last_at),
        };
        (row.member_id, brief)
    };
    Ok(rows.into_iter().map(brief).collect())
}

/// Where a member of a creator stands; one who is deleted has no rank.
pub async fn score(
    env: &Env,
    organization: &str,
    member: &str,
    creator: Option<&str>,
    deleted: bool,
) -> Result<Score> {
    let mut definition = Definition::of(env, organization).await?;
    let rows = store::whole(&env.db, organization, member).await?;
    let scored = rows.first().map(|row| row.scored);
    if scored.is_some_and(|scored| definition.version != Some(scored.version)) {
        // It was switched to meanwhile.
        definition = Definition::of(env, organization).await?;
    }
    let as_of = match scored {
        Some(scored) => scored.as_of,
        None => local_day(zone(env, organization, creator).await?, env.now()),
    };
    let formula = definition.formula(env, as_of).await?;
    let (mut kinds, mut others) = (BTreeMap::new(), BTreeMap::new());
    for kind in &definition.scoring.kinds {
        let of = if kind.counts_as_interaction { &mut kinds } else { &mut others };
        of.insert(kind.id.clone(), 0);
    }
    let (mut did, mut recent) = (Vec::new(), 0);
    for row in &rows {
        let (Some(day), Some(number), Some(n)) = (row.day, row.kind, row.n) else { continue };
        let Some(name) = definition.names.get(&number) else { continue };
        let counts = definition.counts(name);
        let of = if counts { &mut kinds } else { &mut others };
        *of.entry(name.clone()).or_default() += n.max(0);
        if counts && (as_of - RECENT_DAYS < day && day <= as_of) {
            recent += n.max(0);
        }
        did.extend(definition.place(number).map(|kind| Did { day, kind, n }));
    }
    let rank = match scored.filter(|_| !deleted) {
        Some(scored) => Some(store::rank(&env.db, organization, &scored).await?),
        None => None,
    };
    let level = scored.and_then(|scored| Level::of(scored.level)).unwrap_or_default();
    let sums = scored.map_or([0; FACTORS_MAX], |scored| scored.sums());
    Ok(Score {
        brief: Brief {
            level,
            score: scored.map_or(0, |scored| scored.score),
            interactions_30d: recent,
            last_at: scored.map(|scored| scored.last_at),
        },
        rank,
        kinds,
        others,
        last_day: scored.map(|scored| scored.last_day),
        as_of,
        explanation: explain(&formula, &sums, level, as_of, &did),
    })
}
