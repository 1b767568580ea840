//! Counting a batch: members' days, and the scores that follow from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    model::{Day, Sums},
    standing::Standing,
    store::{
        audiences::{self, Audience},
        count::{self as store, Activity, Member, Told},
        intake,
        scores::{self, Score},
        versions::State,
    },
    tell::{Changed, tell},
    versions::{self, Version},
    walk,
};
use crate::{
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
    },
    members::store as members,
};

/// The versions that scores are kept in.
#[derive(Debug)]
pub(super) struct Versions(BTreeMap<i64, Arc<Version>>);

impl Versions {
    /// Those of an organization.
    pub(super) async fn read(env: &Env, state: &State) -> Result<Self> {
        let mut all = BTreeMap::new();
        for number in state.versions() {
            all.insert(number, versions::get(&env.db, number).await?);
        }
        Ok(Self(all))
    }

    /// Whether they are those of this state.
    pub(super) fn has(&self, state: &State) -> bool {
        state.versions().all(|number| self.0.contains_key(&number))
    }

    /// The versions with these numbers.
    pub(super) fn among(&self, numbers: impl Iterator<Item = i64>) -> impl Iterator<Item = &Version> {
        numbers.filter_map(|number| self.0.get(&number)).map(AsRef::as_ref)
    }
}

/// What was told of some members.
#[derive(Debug, Default)]
pub(super) struct Batch(BTreeMap<String, Vec<Told>>, usize);

impl Batch {
    /// Adds all that was told of a member.
    pub(super) fn add(&mut self, member: String, rows: Vec<Told>) {
        self.1 += rows.len();
        self.0.insert(member, rows);
    }

    /// How many rows of the inbox it is.
    pub(super) const fn rows(&self) -> usize {
        self.1
    }

    /// Their numbers.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> {
        self.0.values().flatten().map(|row| row.inbox_no)
    }
}

/// What a batch changes of a member: her days before and after.
struct Touched {
    member: Member,
    audience: Audience,
    /// Her days as they are now, each with what was added.
    days: Vec<(Activity, i64)>,
}

/// Counts a batch whose rows are out of the inbox; answers how many levels changed. `None`: a version that must be kept up
/// to date has no weights for today, and the transaction is to be dropped. The caller holds the lock on the organization's scores.
pub(super) async fn count(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    versions: &Versions,
    state: &State,
    batch: &Batch,
) -> Result<Option<usize>> {
    let members = known(tx, organization, batch).await?;
    let touched = add_up(tx, env, organization, members, batch).await?;
    let mut changed = Vec::new();
    for version in versions.among(state.versions()) {
        let kept = touched.values().filter(|it| state.versions_of(it.member.member_no).any(|number| number == version.number));
        let kept: Vec<&Touched> = kept.collect();
        let Some(scores) = score(tx, env, organization, version, &kept).await? else {
            return Ok(None);
        };
        scores::put(tx, version.number, &scores).await?;
        if version.number == state.version {
            let now = scores.iter().filter_map(|score| changed_level(score, &touched));
            changed.extend(now);
        }
    }
    tell(tx, env, organization, &changed).await?;
    Ok(Some(changed.len()))
}

fn changed_level(score: &Score, touched: &BTreeMap<i64, Touched>) -> Option<Changed> {
    let member = &touched.get(&score.member_no)?.member;
    let level = score.standing.level.number();
    (level != member.told_level).then(|| Changed {
        member_no: member.member_no,
        member_id: member.member_id.clone(),
        told_level: member.told_level,
        level,
        score: score.standing.score,
    })
}

/// The members of a batch by id, with numbers for those who had none.
async fn known(
    tx: &mut Tx,
    organization: &str,
    batch: &Batch,
) -> Result<BTreeMap<String, Member>> {
    let ids: Vec<&str> = batch.0.keys().map(String::as_str).collect();
    let rows = store::members(tx, organization, &ids).await?;
    let mut members: BTreeMap<String, Member> =
        rows.into_iter().map(|row| (row.member_id.clone(), row)).collect();
    let new: Vec<&str> = ids.into_iter().filter(|id| !members.contains_key(*id)).collect();
    if new.is_empty() {
        return Ok(members);
    }
    // So that nobody moves them to another creator before they have a number.
    members::lock_many(tx, organization, &new).await?;
    let new = intake::members(tx, organization, &new).await?;
    let creators: BTreeSet<&str> = new.iter().map(|member| member.creator_id.as_str()).collect();
    let creators: Vec<&str> = creators.into_iter().collect();
    let audiences = audiences::of_creators(tx, organization, &creators).await?;
    let rows = new.iter().filter_map(|member| {
        let (day, at) = newest(batch.0.get(&member.id)?)?;
        Some((member.id.as_str(), audiences.get(&member.creator_id)?.audience_no, day, at))
    });
    let made = store::insert_members(tx, organization, &rows.collect::<Vec<_>>()).await?;
    members.extend(made.into_iter().map(|row| (row.member_id.clone(), row)));
    Ok(members)
}

/// Day and time of the newest of some interactions; of one that is taken back if there are no others.
fn newest(rows: &[Told]) -> Option<(Day, Timestamp)> {
    let newest = rows.iter().max_by_key(|row| (row.n > 0, row.occurred_at));
    newest.map(|row| (row.day, row.occurred_at))
}

/// Writes the days of members and audiences, and when members were last active.
async fn add_up(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    members: BTreeMap<String, Member>,
    batch: &Batch,
) -> Result<BTreeMap<i64, Touched>> {
    let (mut of_members, mut of_audiences) = (BTreeMap::new(), BTreeMap::new());
    let mut last = Vec::new();
    for (id, rows) in &batch.0 {
        // Who is erased meanwhile has nothing to be counted.
        let Some(member) = members.get(id) else { continue };
        for row in rows {
            for (sums, number) in [(&mut of_members, member.member_no), (&mut of_audiences, row.audience_no)] {
                let sum: &mut (i64, i64) = sums.entry((number, row.day, row.kind)).or_default();
                sum.0 += row.n;
                sum.1 += row.seconds;
            }
        }
        let told = rows.iter().filter(|row| row.n > 0).max_by_key(|row| row.occurred_at);
        if let Some(row) = told.filter(|row| row.occurred_at > member.last_at) {
            last.push((member.member_no, row.day.max(member.last_day), row.occurred_at));
        }
    }
    let added = activity(&of_members);
    let after = store::add(tx, &added).await?;
    store::add_to_audiences(tx, &activity(&of_audiences)).await?;
    store::set_last(tx, organization, &last).await?;
    let numbers: BTreeSet<i64> = members.values().map(|member| member.audience_no).collect();
    let audiences = audiences::by_numbers(tx, organization, numbers).await?;
    for audience in audiences.values().filter(|audience| audience.day.is_none()) {
        let today = audience.today(env, organization);
        audiences::begin_days(tx, organization, audience.audience_no, today).await?;
    }
    let mut touched: BTreeMap<i64, Touched> = BTreeMap::new();
    for member in members.into_values() {
        let Some(audience) = audiences.get(&member.audience_no).cloned() else { continue };
        touched.insert(member.member_no, Touched { member, audience, days: Vec::new() });
    }
    for it in after {
        let n = of_members.get(&(it.number, it.day, it.kind)).map_or(0, |added| added.0);
        if let Some(touched) = touched.get_mut(&it.number) {
            touched.days.push((it, n));
        }
    }
    Ok(touched)
}

fn activity(sums: &BTreeMap<(i64, Day, i64), (i64, i64)>) -> Vec<Activity> {
    let row = |(&(number, day, kind), &(n, seconds)): (&(i64, Day, i64), &(i64, i64))| Activity {
        number,
        day,
        kind,
        n,
        seconds,
    };
    sums.iter().map(row).collect()
}

/// The scores of members in a version after their days changed.
async fn score(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    version: &Version,
    touched: &[&Touched],
) -> Result<Option<Vec<Score>>> {
    let numbers = touched.iter().map(|it| it.member.member_no);
    let before = scores::of(tx, version.number, numbers).await?;
    let before: BTreeMap<i64, Score> =
        before.into_iter().map(|score| (score.member_no, score)).collect();
    let (mut scores, mut late) = (Vec::new(), Vec::new());
    for Touched { member, audience, days } in touched {
        let newest = days.iter().map(|(it, _)| it.day).max().unwrap_or_default();
        let today = audience.today(env, organization).max(newest);
        if !version.reaches(today) {
            return Ok(None);
        }
        let stood = before.get(&member.member_no).map(|score| score.standing);
        let stood = stood.unwrap_or_else(|| Standing::none(today));
        // A row that was not written when a day turned stands for that day, too.
        let turned = Standing { day: stood.day.max(audience.day.unwrap_or(stood.day)), ..stood };
        let today = turned.turned(&version.formula, today);
        let (sums, is_late) = changed_sums(version, &today, days);
        let standing = today.with(&version.formula, sums);
        let score = Score { member_no: member.member_no, audience_no: member.audience_no, standing };
        if is_late { &mut late } else { &mut scores }.push(score);
    }
    walk::levels(tx, version, &mut late).await?;
    scores.extend(late);
    Ok(Some(scores))
}

/// The sums after days changed, and whether one of them is before the day on which she stands.
fn changed_sums(version: &Version, today: &Standing, days: &[(Activity, i64)]) -> (Sums, bool) {
    let (mut sums, mut is_late) = (today.sums, false);
    for (it, added) in days {
        let (factor, after) = version.worth(it.kind, it.day, it.n);
        let (_, before) = version.worth(it.kind, it.day, it.n - added);
        sums[factor] += after - before;
        is_late |= after != before && it.day < today.day;
    }
    (sums, is_late)
}
