//! What all routes that write members share: answers, refusals, and trying again after a race.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt as _;
use memberd_jobs::{
    creators::Refused::{Archived, NoCreator},
    kernel::db::{self, Tx},
    members::{Edit, store as members},
    roster::{self, Outcome, Refused, Whom},
};
use serde_json::Value;

use super::model::{Around, found, nobody};
use crate::api::{Answer, ApiState, Caller, Code, IfMatch, Kept, Once, Problem, tag};

/// Times it is tried when somebody else takes an address or a key at the same moment. The second time, that is seen.
pub(in crate::api::v1) const RACE_TRIES_MAX: u32 = 3;

/// A refusal as the caller's problem. A narrowed caller is not told the id of the member who has an address or a key: she
/// may be another creator's.
pub(super) fn refused(caller: &Caller, why: &Refused, word: &str) -> Problem {
    let detail = match why {
        Refused::EmailTaken(_) if caller.creator.is_some() => {
            "another member has this address".to_owned()
        }
        Refused::KeyTaken { key, .. } if caller.creator.is_some() => {
            format!("another member has the key of {}", key.provider)
        }
        _ => why.to_string(),
    };
    let pointer = format!("#/{}", why.field());
    match why {
        Refused::NoMember => nobody(word),
        Refused::Deleted => Problem::new(Code::MemberNotFound, detail),
        Refused::Changed => Problem::new(Code::PreconditionFailed, detail),
        Refused::EmailTaken(_) => Problem::field(Code::EmailTaken, pointer, detail),
        Refused::Invalid(invalid) => {
            Problem::field(Code::InvalidRequest, pointer, invalid.why.clone()).unprocessable()
        }
        Refused::Creator(NoCreator) if caller.creator.is_some() => not_hers(),
        Refused::Creator(Archived(id)) if !caller.sees(Some(id)) => not_hers(),
        Refused::KeyTaken { .. } | Refused::KeyLinked(_) | Refused::Creator(_) => {
            Problem::field(Code::InvalidRequest, pointer, detail).unprocessable()
        }
    }
}

/// A narrowed caller may make a member of its own creator, and of no other.
fn not_hers() -> Problem {
    let detail = "your key is narrowed to a creator: a member is hers, and can be nobody else's";
    Problem::field(Code::InsufficientScope, "#/creator_id", detail)
}

/// What to do to a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write<'a> {
    /// Change her.
    Edit(&'a Edit),
    /// Delete her.
    Delete,
    /// Restore her.
    Restore,
}

/// Changes a member and answers her as she is now.
pub(super) async fn edit(
    state: &ApiState,
    caller: &Caller,
    word: &str,
    expected: &IfMatch,
    edit: &Edit,
) -> Answer<Response> {
    let once = Once::without_key();
    let kept = write(state, caller, word, expected, Write::Edit(edit), &once).await?;
    headed(kept.into_response()).await
}

/// Does it in a transaction of its own, together with the answer.
pub(super) async fn write(
    state: &ApiState,
    caller: &Caller,
    word: &str,
    expected: &IfMatch,
    write: Write<'_>,
    once: &Once,
) -> Answer<Kept> {
    let row = found(state, caller, word).await?;
    let mut tries = 1;
    loop {
        let around = Around::of_written(state, caller, Some(&row)).await?;
        let mut tx = state.env.db.begin().await?;
        match done(&mut tx, state, caller, &row.id, expected, write).await {
            Err(db::Error::Conflict(_)) if tries < RACE_TRIES_MAX => tries += 1,
            Err(error) => return Err(error.into()),
            Ok(Err(why)) => return Err(refused(caller, &why, word)),
            Ok(Ok(what)) => {
                let kept = settle(tx, caller, &row.id, around, (StatusCode::OK, once)).await?;
                if let Some(what) = what {
                    tracing::info!(
                        member = row.id,
                        by = caller.key_id,
                        what,
                        "a member is written"
                    );
                }
                return Ok(kept);
            }
        }
    }
}

/// Does it; answers what that was if it made a difference.
async fn done(
    tx: &mut Tx,
    state: &ApiState,
    caller: &Caller,
    id: &str,
    IfMatch(expected): &IfMatch,
    write: Write<'_>,
) -> db::Result<Outcome<Option<&'static str>>> {
    let (env, organization) = (&state.env, &caller.organization);
    let whom = Whom {
        id,
        expected: expected.as_deref(),
        only: caller.creator.as_deref(),
    };
    let (what, done) = match write {
        Write::Edit(edit) => (
            "changed",
            roster::edit(tx, env, organization, whom, edit).await?,
        ),
        Write::Delete => (
            "deleted",
            roster::delete(tx, env, organization, whom).await?,
        ),
        Write::Restore => (
            "restored",
            roster::restore(tx, env, organization, whom).await?,
        ),
    };
    Ok(done.map(|is_new| is_new.then_some(what)))
}

/// Commits with the answer: the member as she is now. A narrowed caller commits nothing that is not its creator's then.
pub(super) async fn settle(
    mut tx: Tx,
    caller: &Caller,
    id: &str,
    mut around: Around,
    (status, once): (StatusCode, &Once),
) -> Answer<Kept> {
    let written = members::details_in(&mut tx, &caller.organization, id).await?;
    let (row, details) = written.ok_or_else(|| Problem::internal(&"a member vanished"))?;
    if !caller.sees(details.creator.as_deref()) {
        return Err(not_hers());
    }
    let kept = Kept::json(status, &around.show_written(row, details))?;
    once.settle(&mut tx, &kept).await?;
    tx.commit().await?;
    Ok(kept)
}

/// The answer with the member's version, and for a new one her place, in the headers; also when it is given again.
pub(super) async fn headed(response: Response) -> Answer<Response> {
    let (mut parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| Problem::internal(&error))?
        .to_bytes();
    let member: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(version) = member["version"].as_str() {
        tag(&mut parts.headers, version);
    }
    if let (StatusCode::CREATED, Some(id)) = (parts.status, member["id"].as_str())
        && let Ok(place) = HeaderValue::from_str(&format!("/v1/members/{id}"))
    {
        parts.headers.insert(header::LOCATION, place);
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
