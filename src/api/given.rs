//! What a caller shows to be let in: a key, or a token of an issuer that the configuration names.

use axum::http::{HeaderMap, header};
use memberd_jobs::{access::Key, creators};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{
    auth::{Caller, Refused, refuse, stranger},
    code::Code,
    error::Problem,
    state::ApiState,
};
use crate::jwt::Refusal;

/// What somebody shows.
pub(super) enum Given {
    /// A key, which the database has to know.
    Key(Key),
    /// A token, which its issuer has signed.
    Token(String),
}

impl Given {
    /// By which it is known again once it has worked.
    pub(super) fn hash(&self) -> String {
        match self {
            Self::Key(key) => key.hash(),
            Self::Token(text) => hash(text),
        }
    }
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// What the request shows.
pub(super) fn read(state: &ApiState, headers: &HeaderMap) -> Result<Given, Refused> {
    let header = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        stranger(
            "missing",
            "this needs a key: send `Authorization: Bearer mbd_…`",
        )
    })?;
    let text = header.to_str().unwrap_or_default();
    let token = text
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let token = token.ok_or_else(|| {
        stranger(
            "malformed",
            "the header Authorization must look like `Bearer mbd_…`",
        )
    })?;
    // No key has a dot, and every token has.
    if state.issuers.are_some() && token.contains('.') {
        return Ok(Given::Token(token.to_owned()));
    }
    let key = Key::parse(token).map_err(|error| stranger("malformed", &error.to_string()))?;
    Ok(Given::Key(key))
}

/// Who comes with the token. Nothing is asked of the database before its signature and its time are good.
pub(super) async fn check(state: &ApiState, text: &str) -> Result<Caller, Refused> {
    let checked = state.issuers.check(text, state.env.now(), Instant::now());
    let token = match checked.await {
        Ok(token) => token,
        Err(why) => return Err(refused(state, text, why)),
    };
    let creator = match &token.creator {
        None => None,
        Some(word) => match creators::open(&state.env.db, &token.organization, word).await? {
            Ok(creator) => Some(creator.id),
            Err(_) => return Err(refused(state, text, Refusal::Creator)),
        },
    };
    state.keys.works(&hash(text));
    Ok(Caller {
        key_id: token.caller,
        organization: token.organization,
        scopes: token.scopes,
        unlimited: false,
        creator,
        ends_at: Some(token.ends_at),
    })
}

/// A token that is not taken. Only one that may be anybody's counts for its address.
fn refused(state: &ApiState, text: &str, why: Refusal) -> Refused {
    let told = refuse(why.word(), &why.to_string());
    if why.is_a_strangers() {
        return Refused::Stranger(told);
    }
    if why == Refusal::NoKeys {
        return Refused::Problem(Problem::new(Code::Overloaded, why.to_string()));
    }
    state.keys.works_no_more(&hash(text));
    Refused::Problem(told)
}
