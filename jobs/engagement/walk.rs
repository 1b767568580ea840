//! Walks back over the days of many members at once.

use std::collections::BTreeMap;

use super::{
    model::Day,
    standing::{ByDay, Standing, Walk},
    store::{
        count::{self, Activity},
        scores::Score,
    },
    versions::Version,
};
use crate::kernel::db::{Result, Tx};

/// Days that are read first; twice as many each time when that was not far enough.
const DAYS: Day = 32;

/// Adds up what the days of members are worth, by member.
pub(super) fn by_day(version: &Version, activity: &[Activity]) -> BTreeMap<i64, ByDay> {
    let mut members: BTreeMap<i64, ByDay> = BTreeMap::new();
    for it in activity {
        let days = members.entry(it.number).or_default();
        version.add(days.entry(it.day).or_default(), it.kind, it.day, it.n);
    }
    members
}

/// Works out the levels of members whose sums are right and who are to stand at the end of their `day`, or at the end of
/// their newest day where that is later.
pub(super) async fn levels(tx: &mut Tx, version: &Version, scores: &mut [Score]) -> Result<()> {
    let mut days = DAYS;
    let mut walks: BTreeMap<i64, Walk> = BTreeMap::new();
    let mut found: BTreeMap<i64, Standing> = BTreeMap::new();
    let begin = scores.iter().map(|score| score.standing.day).min().unwrap_or_default();
    let (mut first, mut last) = (begin - days, Day::from(i32::MAX));
    while found.len() < scores.len() {
        let open = scores.iter().filter(|score| !found.contains_key(&score.member_no));
        let open: Vec<Score> = open.copied().collect();
        let numbers = open.iter().map(|score| score.member_no);
        let activity = count::activity(tx, numbers, first, last).await?;
        let worth = by_day(version, &activity);
        let none = ByDay::new();
        for Score { member_no, standing, .. } in open {
            let days = worth.get(&member_no).unwrap_or(&none);
            let walk = walks.entry(member_no).or_insert_with(|| {
                let newest = days.keys().next_back().copied();
                Walk::from(newest.map_or(standing.day, |day| day.max(standing.day)), standing.sums)
            });
            let known = walk.back(&version.formula, days, first);
            let over = first <= version.formula.weights.first();
            if let Some(standing) = known.or_else(|| over.then(|| walk.end(&version.formula))) {
                found.insert(member_no, standing);
            }
        }
        last = first - 1;
        days *= 2;
        first -= days;
    }
    for score in scores {
        score.standing = found.get(&score.member_no).copied().unwrap_or(score.standing);
    }
    Ok(())
}
