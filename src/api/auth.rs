//! Who is asking: keys, and what they may do. Tokens in their place are checked in `given`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use memberd_jobs::{
    access::{self, Key, KeyRow, Scope, Scopes},
    kernel::{Timestamp, db},
    members::Whose,
};
use tokio::time::Instant;

use super::{
    activity,
    code::Code,
    error::Problem,
    given::{self, Given},
    limits::{KEY_CACHE_MAX, KEY_CACHE_TTL, KEY_TOUCH_INTERVAL},
    page::List,
    rates::{self, Peer},
    state::ApiState,
};

/// The organization of the installation itself: only its keys see queues, schedules and nodes.
pub const HOME_ORGANIZATION: &str = "default";

/// The hash that an unknown key is compared with, so that it takes as long as a known one.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The caller of a request, as its key says. The organization comes from here and from nowhere else.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `key_…`, or `jwt:…` for a token.
    pub key_id: String,
    /// Whose rows the caller sees.
    pub organization: String,
    /// What the caller may do.
    pub scopes: Scopes,
    /// Whether it may call as often as it likes.
    pub unlimited: bool,
    /// The creator whose members' rows alone it sees and touches; `None`: all of the organization.
    pub creator: Option<String>,
    /// When its key or token ends, if it does: no key that it makes works longer.
    pub ends_at: Option<Timestamp>,
}

impl Caller {
    /// The list of this name, as the caller's organization sees it.
    pub(super) fn list(&self, name: &'static str) -> List<'_> {
        List {
            name,
            organization: &self.organization,
        }
    }

    /// Whose rows the caller lists who asks for those of `member`, or of all.
    pub(super) fn whose<'a>(&'a self, member: Option<&'a str>) -> Whose<'a> {
        Whose {
            member,
            creator: self.creator.as_deref(),
        }
    }

    /// Whether it works as long as a key that ends `until`; no key may outlive who made it.
    pub(super) fn lasts(&self, until: Option<Timestamp>) -> bool {
        let own = self.ends_at;
        own.is_none_or(|own| until.is_some_and(|until| until <= own))
    }

    /// Whether rows of members of `creator` are the caller's to see.
    pub(super) fn sees(&self, creator: Option<&str>) -> bool {
        let own = self.creator.as_deref();
        own.is_none_or(|own| creator == Some(own))
    }
}

/// Who may use a route. A key that is narrowed to a creator may use those alone that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Every key that works.
    AnyKey,
    /// Keys with a scope, and not narrowed: the route is about the whole organization.
    Scope(Scope),
    /// Keys with a scope, narrowed ones too: the endpoint keeps to the rows of the creator's members.
    Narrowed(Scope),
    /// Keys with a scope, of the organization [`HOME_ORGANIZATION`]: the route is about the whole installation.
    Installation(Scope),
}

impl Gate {
    /// The scope that is needed.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::AnyKey => None,
            Self::Scope(scope) | Self::Narrowed(scope) | Self::Installation(scope) => Some(scope),
        }
    }

    /// Lets the request through, with its [`Caller`], or refuses it. Either way the activity log hears of it.
    pub(super) async fn pass(self, mut request: Request, next: Next) -> Response {
        let Some(state) = request.extensions().get::<ApiState>().cloned() else {
            return Problem::internal(&"a gate without a state").into_response();
        };
        let peer = request.extensions().get::<Peer>().copied();
        let caller = match authenticate(&state, peer, request.headers()).await {
            Ok(caller) => caller,
            Err(refused) => return refused.into_response(),
        };
        let call = activity::call(&state, &caller, &mut request).await;
        let reads = rates::reads(request.method());
        let standing = if caller.unlimited {
            None
        } else {
            let now = Instant::now();
            state
                .rates
                .admit(state.limits.rates, &caller.key_id, reads, now)
        };
        let admitted = match (&standing, self.admit(&caller)) {
            (Some(Err(standing)), _) => {
                let problem = standing.problem();
                let status = problem.status.as_u16();
                state.activity.refuse(&state, call, status);
                Err(problem)
            }
            (_, admitted) => {
                let begun = match admitted {
                    Ok(()) => activity::begin(&state, &call, reads).await,
                    Err(refused) => Err(refused),
                };
                activity::hold(&request, call);
                begun
            }
        };
        let mut response = if let Err(refused) = admitted {
            refused.into_response()
        } else {
            request.extensions_mut().insert(caller);
            next.run(request).await
        };
        match standing {
            Some(Ok(standing)) => standing.write(response.headers_mut(), false),
            Some(Err(standing)) => standing.write(response.headers_mut(), true),
            None => {}
        }
        response
    }

    fn admit(self, caller: &Caller) -> Result<(), Problem> {
        if let Some(scope) = self.scope().filter(|scope| !caller.scopes.has(*scope)) {
            return Err(Problem::new(
                Code::InsufficientScope,
                format!("this needs a key with the scope {scope}"),
            ));
        }
        if let (Self::Scope(_) | Self::Installation(_), Some(creator)) = (self, &caller.creator) {
            let detail = format!(
                "this is about the whole organization, and your key is narrowed to the creator {creator}"
            );
            return Err(Problem::new(Code::InsufficientScope, detail));
        }
        if matches!(self, Self::Installation(_)) && caller.organization != HOME_ORGANIZATION {
            return Err(Problem::new(
                Code::InsufficientScope,
                format!(
                    "this is about the whole installation and needs a key of the organization {HOME_ORGANIZATION}"
                ),
            ));
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal(&"an endpoint that needs a caller has no gate"))
    }
}

/// Who is asking. An address from which too many keys came that do not work may only use those that have worked, and nobody
/// looks at others: so a flood costs no database, and behind a proxy whose word is not believed it locks nobody out.
async fn authenticate(
    state: &ApiState,
    peer: Option<Peer>,
    headers: &HeaderMap,
) -> Result<Caller, Refused> {
    let origin = peer.map(|Peer(peer)| state.proxies.origin(peer, headers));
    let given = given::read(state, headers);
    let limit = state.limits.unauthorized;
    let wait = origin.map_or(Duration::ZERO, |origin| {
        state.strangers.wait(origin, limit, Instant::now())
    });
    let has_worked = |given: &Given| state.keys.has_worked(&given.hash());
    if !wait.is_zero() && !given.as_ref().is_ok_and(has_worked) {
        return Err(Refused::TooMany(wait));
    }
    let checked = match given {
        Ok(Given::Key(key)) => check(state, &key).await,
        Ok(Given::Token(text)) => given::check(state, &text).await,
        Err(refused) => Err(refused),
    };
    checked.inspect_err(|refused| {
        if let (Refused::Stranger(_), Some(origin)) = (refused, origin) {
            state.strangers.note(origin, limit, Instant::now());
        }
    })
}

/// Why nobody is let in.
pub(super) enum Refused {
    /// What is shown is no key that works, and may be anybody's, so it counts for the address.
    Stranger(Problem),
    /// Something else is the matter.
    Problem(Problem),
    /// Too many strangers came from there; when to come back.
    TooMany(Duration),
}

impl From<db::Error> for Refused {
    fn from(error: db::Error) -> Self {
        Self::Problem(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger(problem) | Self::Problem(problem) => problem.into_response(),
            Self::TooMany(wait) => rates::too_many_strangers(wait),
        }
    }
}

async fn check(state: &ApiState, key: &Key) -> Result<Caller, Refused> {
    let now = state.env.now();
    let row = state.keys.find(&state.env.db, &key.id(), now).await?;
    let hash = row.as_ref().map_or(NO_HASH, |row| &row.secret_hash);
    if !key.matches(hash) {
        return Err(stranger("unknown", "the key is unknown"));
    }
    let Some(row) = row else {
        return Err(stranger("unknown", "the key is unknown"));
    };
    if row.has_ended(now) {
        state.keys.works_no_more(&row.secret_hash);
    }
    if row.revoked_at.is_some() {
        return Err(stranger("revoked", "the key was revoked"));
    }
    if row.expires_at.is_some_and(|at| at <= now) {
        return Err(stranger("expired", "the key has expired"));
    }
    state.keys.works(&row.secret_hash);
    note_use(state, &row, now);
    Ok(Caller {
        scopes: Scopes::stored(&row.scopes),
        key_id: row.id,
        organization: row.organization_id,
        unlimited: row.unlimited,
        creator: row.creator_id,
        ends_at: row.expires_at,
    })
}

/// Refuses somebody who counts for the address.
pub(super) fn stranger(reason: &'static str, detail: &str) -> Refused {
    Refused::Stranger(refuse(reason, detail))
}

/// Refuses what somebody shows.
pub(super) fn refuse(reason: &'static str, detail: &str) -> Problem {
    metrics::counter!("memberd_auth_failures_total", "reason" => reason).increment(1);
    Problem::new(Code::Unauthorized, detail)
}

/// Writes down that the key was used, after the answer and at most once a minute.
fn note_use(state: &ApiState, row: &KeyRow, now: Timestamp) {
    if !state.keys.should_touch(row, now) {
        return;
    }
    let (db, id) = (state.env.db.clone(), row.id.clone());
    state.tasks.spawn(async move {
        if let Err(error) = touch(&db, &id, now).await {
            tracing::warn!(%error, key = id, "could not note that a key was used");
        }
    });
}

async fn touch(db: &db::Db, id: &str, now: Timestamp) -> db::Result<()> {
    let mut tx = db.begin().await?;
    access::touch_key(&mut tx, id, now).await?;
    tx.commit().await
}

/// Keys read in the last second, so that not every request reads its key.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    rows: HashMap<String, (Arc<KeyRow>, Timestamp)>,
    touched: HashMap<String, Timestamp>,
    /// Hashes of secrets that have worked.
    worked: HashSet<String>,
}

impl KeyCache {
    async fn find(&self, db: &db::Db, id: &str, now: Timestamp) -> db::Result<Option<KeyRow>> {
        if let Some(row) = self.fresh(id, now) {
            return Ok(Some((*row).clone()));
        }
        let row = access::find_key(db, id).await?;
        if let Some(row) = &row {
            let mut cached = self.lock();
            if cached.rows.len() >= KEY_CACHE_MAX {
                cached.rows.clear();
            }
            cached
                .rows
                .insert(id.to_owned(), (Arc::new(row.clone()), now));
        }
        Ok(row)
    }

    fn fresh(&self, id: &str, now: Timestamp) -> Option<Arc<KeyRow>> {
        let cached = self.lock();
        let (row, read_at) = cached.rows.get(id)?;
        (now.since(*read_at) < KEY_CACHE_TTL && now >= *read_at).then(|| Arc::clone(row))
    }

    /// Forgets a key, so that its revocation works at once in this process.
    pub fn forget(&self, id: &str) {
        self.lock().rows.remove(id);
    }

    /// Reads which keys have worked before this process began, so that its start forgets nobody.
    ///
    /// # Errors
    /// The database's.
    pub async fn remember(&self, db: &db::Db) -> db::Result<()> {
        let limit = i64::try_from(KEY_CACHE_MAX).unwrap_or(i64::MAX);
        let hashes = access::used_keys(db, limit).await?;
        self.lock().worked.extend(hashes);
        Ok(())
    }

    /// Whether the secret with this hash has worked, as far as is known here.
    fn has_worked(&self, hash: &str) -> bool {
        self.lock().worked.contains(hash)
    }

    pub(super) fn works(&self, hash: &str) {
        let mut cached = self.lock();
        if cached.worked.contains(hash) {
            return;
        }
        if cached.worked.len() >= KEY_CACHE_MAX {
            // Not all: they would have to show themselves again, from addresses that may be waiting.
            let one = cached.worked.iter().next().cloned();
            one.map(|hash| cached.worked.remove(&hash));
        }
        cached.worked.insert(hash.to_owned());
    }

    pub(super) fn works_no_more(&self, hash: &str) {
        self.lock().worked.remove(hash);
    }

    fn should_touch(&self, row: &KeyRow, now: Timestamp) -> bool {
        let mut cached = self.lock();
        let last = cached.touched.get(&row.id).copied().max(row.last_used_at);
        if last.is_some_and(|last| now.since(last) < KEY_TOUCH_INTERVAL) {
            return false;
        }
        if cached.touched.len() >= KEY_CACHE_MAX {
            cached.touched.clear();
        }
        cached.touched.insert(row.id.clone(), now);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
