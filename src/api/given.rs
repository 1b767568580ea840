//! What a caller shows to be let in: a key, or a token of an issuer that the configuration names.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};
use memberd_jobs::{
    access::{self, Key},
    creators,
    kernel::{Timestamp, db},
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::{
    auth::{Caller, Refused, refuse, stranger},
    code::Code,
    error::Problem,
    limits::{KEY_CACHE_MAX, KEY_CACHE_TTL},
    state::ApiState,
};
use crate::jwt::{Refusal, Token};

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

/// Until when the tokens of callers are revoked, as it was read in the last second.
#[derive(Debug, Default)]
pub(super) struct Revocations(Mutex<HashMap<(String, String), Seen>>);

/// Until when tokens are revoked, and when that was read.
type Seen = (Option<Timestamp>, Timestamp);

impl Revocations {
    /// Whether a token was issued before its caller's were revoked.
    async fn hold(&self, db: &db::Db, token: &Token, now: Timestamp) -> db::Result<bool> {
        let whose = (token.organization.clone(), token.caller.clone());
        let seen = self.lock().get(&whose).copied();
        let fresh =
            seen.filter(|(_, read_at)| now >= *read_at && now.since(*read_at) < KEY_CACHE_TTL);
        let until = if let Some((until, _)) = fresh {
            until
        } else {
            let until = access::tokens_revoked(db, &token.organization, &token.caller).await?;
            let mut seen = self.lock();
            if seen.len() >= KEY_CACHE_MAX {
                seen.clear();
            }
            seen.insert(whose, (until, now));
            until
        };
        Ok(until.is_some_and(|until| token.issued_at <= until))
    }

    /// Forgets what was read of a caller, so that a revocation works at once in this process.
    pub(super) fn forget(&self, organization: &str, caller: &str) {
        self.lock()
            .remove(&(organization.to_owned(), caller.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    let revoked = state
        .revocations
        .hold(&state.env.db, &token, state.env.now());
    if revoked.await? {
        return Err(refused(state, text, Refusal::Revoked));
    }
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
