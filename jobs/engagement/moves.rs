//! Members who change their creator: they are ranked among others from then on, and other days are theirs. What they have
//! done stays theirs, and stays in the figures of the creator whose member they did it as.

use super::{
    count::Versions,
    standing::Standing,
    store::{
        audiences, count,
        scores::{self, Score},
        versions as states,
    },
    tell::{Changed, tell},
};
use crate::kernel::{
    Env,
    db::{Result, Tx},
};

/// Locks an organization's scores until the transaction ends. Whoever is going to move members does so before any of them is locked, as
/// everybody does who writes scores.
pub async fn lock(tx: &mut Tx, organization: &str) -> Result<()> {
    states::lock(tx, organization).await?;
    Ok(())
}

/// Moves a member's scores to the members of another creator, or of none. The caller holds both locks.
pub async fn move_member(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    id: &str,
    creator: Option<&str>,
) -> Result<()> {
    let Some(state) = states::lock(tx, organization).await? else { return Ok(()) };
    let Some(member) = count::members(tx, organization, &[id]).await?.pop() else { return Ok(()) };
    let creator = creator.unwrap_or_default();
    let there = audiences::of_creators(tx, organization, &[creator]).await?;
    let Some(there) = there.get(creator) else { return Ok(()) };
    let here = audiences::by_numbers(tx, organization, [member.audience_no]).await?;
    let here = here.get(&member.audience_no).and_then(|audience| audience.day);
    if there.day.is_none() {
        let today = there.today(env, organization);
        audiences::begin_days(tx, organization, there.audience_no, today).await?;
    }
    count::set_audience(tx, organization, id, there.audience_no).await?;
    let versions = Versions::read(env, &state).await?;
    for version in versions.among(state.versions_of(member.member_no)) {
        for score in scores::of(tx, version.number, [member.member_no]).await? {
            // A row stands for the day to which its audience is turned: so far it must be turned before it is another's.
            let stood = score.standing.day;
            let stood = Standing { day: here.map_or(stood, |day| day.max(stood)), ..score.standing };
            let standing = stood.turned(&version.formula, there.day.unwrap_or(stood.day));
            let score = Score { audience_no: there.audience_no, standing, ..score };
            scores::put(tx, version.number, &[score]).await?;
            let level = standing.level.number();
            if version.number == state.version && level != member.told_level {
                let changed = Changed {
                    member_no: member.member_no,
                    member_id: id.to_owned(),
                    told_level: member.told_level,
                    level,
                    score: standing.score,
                };
                tell(tx, env, organization, &[changed]).await?;
            }
        }
    }
    Ok(())
}
