//! Tokens of others (JWT, RFC 7519) that are taken in the place of keys.
//!
//! The configuration names issuers, each with its audience, algorithms and keys, and the one organization that its tokens
//! are for; and roles with their scopes. A token says who its subject is, which roles she has and, if it is for one creator,
//! which. Nothing else of it is believed: neither keys, nor places where keys are, nor an organization.

mod crypto;
mod keys;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, dangerous::insecure_decode_claims, decode,
    decode_header, errors::ErrorKind,
};
use memberd_jobs::{
    access::{Scopes, TOKEN_CALLER_DIGITS, TOKEN_CALLER_PREFIX},
    kernel::Timestamp,
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use keys::{Fetched, Keys, NoSet};
pub use keys::{SET_BYTES_MAX, Set};

/// Bytes of a token.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far the clocks of issuers may be from ours.
pub const LEEWAY: Duration = Duration::from_mins(1);

/// Bytes of a secret for HS256: as many as its hash has (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum Source {
    /// A secret that issuer and memberd share.
    Secret(SecretString),
    /// A set that does not change.
    Set(Set),
    /// A set that is fetched, and fetched again.
    Url(Url),
}

/// An issuer of tokens, as it is configured.
#[derive(Clone, Debug)]
pub struct IssuerOptions {
    /// What the configuration calls it: `[jwt.<id>]`.
    pub id: String,
    /// What its tokens say in `iss`.
    pub issuer: String,
    /// What they must say in `aud`.
    pub audience: String,
    /// Whose rows their callers see.
    pub organization: String,
    /// The algorithms that are allowed.
    pub algorithms: Vec<Algorithm>,
    /// The keys.
    pub source: Source,
    /// The longest time for which a token may be made.
    pub age_max: Duration,
    /// The claim with the roles.
    pub roles_claim: String,
    /// The claim with the creator.
    pub creator_claim: String,
}

/// What a role may do.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Its scopes.
    pub scopes: Scopes,
    /// Whether it is only for callers whose token names a creator.
    pub needs_creator: bool,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// `jwt:` and a hash of issuer and subject: a subject may be an address.
    pub caller: String,
    /// The organization of its issuer.
    pub organization: String,
    /// What its roles may do together.
    pub scopes: Scopes,
    /// The creator to whom it is narrowed, by id or external id.
    pub creator: Option<String>,
    /// When its issuer made it.
    pub issued_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Why a token is not taken. The words are for the one who sent it, and tell nothing about keys and configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read, or lacks a claim.
    #[error("the token is no signed JWT with exp, iat, iss, aud and sub")]
    Malformed,
    /// Nobody here knows its issuer and audience together.
    #[error("the token is of an issuer or for an audience that is not known here")]
    Issuer,
    /// Its algorithm or key is not allowed, or the signature is not that of its issuer.
    #[error("the token's signature is not that of its issuer")]
    Signature,
    /// Nobody can tell, because the keys of its issuer could not be had.
    #[error("the keys of the token's issuer cannot be had at the moment: try again")]
    NoKeys,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It begins later, or was made later.
    #[error("the token is not valid yet: compare the clocks")]
    NotYet,
    /// It was made for longer than is allowed.
    #[error("the token is made for too long a time")]
    TooLong,
    /// It has no role that is known.
    #[error("the token has no role that is known here")]
    Role,
    /// It was issued before the tokens of its subject were revoked.
    #[error("the token was revoked: get a new one from its issuer")]
    Revoked,
    /// It names no creator although its role asks for one, or one that is not known.
    #[error("the token names no creator who is known here and not archived, as its role demands")]
    Creator,
}

impl Refusal {
    /// Whether it may be anybody's: nothing shows that its issuer has made it.
    pub const fn is_a_strangers(self) -> bool {
        matches!(self, Self::Malformed | Self::Issuer | Self::Signature)
    }

    /// The word for metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "token_malformed",
            Self::Issuer => "token_issuer",
            Self::Signature => "token_signature",
            Self::NoKeys => "token_no_keys",
            Self::Expired => "token_expired",
            Self::NotYet => "token_not_yet",
            Self::TooLong => "token_too_long",
            Self::Role => "token_role",
            Self::Revoked => "token_revoked",
            Self::Creator => "token_creator",
        }
    }
}

/// The claims that every token must have, each of its own type.
#[derive(Deserialize)]
struct Claims {
    exp: i64,
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    iss: String,
    sub: String,
}

/// A token whose signature is good.
struct Verified {
    claims: Claims,
    /// All of its claims, also those above: the configuration may look for roles and creator in any.
    all: Map<String, Value>,
}

/// What a token says of itself before anybody believes it.
#[derive(Deserialize)]
struct Addressed {
    iss: String,
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

#[derive(Debug)]
struct Issuer {
    options: IssuerOptions,
    keys: Keys,
}

/// Everybody whose tokens are taken, and what roles may do.
#[derive(Debug, Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
    roles: BTreeMap<String, Role>,
}

impl Issuers {
    /// Those of the configuration.
    ///
    /// # Errors
    /// When an HTTP client cannot be built.
    pub fn new(
        issuers: impl IntoIterator<Item = IssuerOptions>,
        roles: BTreeMap<String, Role>,
    ) -> anyhow::Result<Self> {
        crypto::install();
        let issuers = issuers.into_iter().map(|options| {
            let keys = match &options.source {
                Source::Secret(secret) => {
                    Keys::Secret(DecodingKey::from_secret(secret.expose_secret().as_bytes()))
                }
                Source::Set(set) => Keys::Fixed(set.clone()),
                Source::Url(url) => Keys::Fetched(Fetched::new(options.id.clone(), url.clone())?),
            };
            anyhow::Ok(Issuer { options, keys })
        });
        Ok(Self {
            issuers: issuers.collect::<Result<_, _>>()?,
            roles,
        })
    }

    /// Whether tokens are taken at all.
    pub fn are_some(&self) -> bool {
        !self.issuers.is_empty()
    }

    /// Checks a token at this time, which is `at` on the clock by which sets of keys grow old.
    ///
    /// # Errors
    /// Why it is not taken.
    pub async fn check(&self, token: &str, now: Timestamp, at: Instant) -> Result<Token, Refusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::Malformed);
        }
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        // What a header calls critical must be understood, and nothing of the kind is here (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        let said: Addressed = insecure_decode_claims(token).map_err(|_| Refusal::Malformed)?;
        let is_its = |issuer: &&Issuer| {
            issuer.options.issuer == said.iss && said.aud.names(&issuer.options.audience)
        };
        let issuer = self.issuers.iter().find(is_its).ok_or(Refusal::Issuer)?;
        let verified = issuer.verified(token, &header, at).await?;
        issuer.timely(&verified.claims, now)?;
        self.token(issuer, &verified)
    }

    /// What a token says whose signature and time are good.
    fn token(&self, issuer: &Issuer, verified: &Verified) -> Result<Token, Refusal> {
        let Verified { claims, all } = verified;
        let said = claim(all, &issuer.options.roles_claim);
        let roles: Vec<&Role> = words(said.map_err(|NoPath| Refusal::Role)?)
            .filter_map(|role| self.roles.get(role))
            .collect();
        if roles.is_empty() {
            return Err(Refusal::Role);
        }
        let creator = match claim(all, &issuer.options.creator_claim) {
            Ok(None | Some(Value::Null)) => None,
            // Anything else than a name must not be taken for none, which would widen the token.
            Ok(Some(Value::String(word))) if !word.is_empty() && !word.contains('\0') => {
                Some(word.clone())
            }
            Ok(Some(_)) | Err(NoPath) => return Err(Refusal::Creator),
        };
        if creator.is_none() && roles.iter().any(|role| role.needs_creator) {
            return Err(Refusal::Creator);
        }
        Ok(Token {
            caller: caller_id(&claims.iss, &claims.sub),
            organization: issuer.options.organization.clone(),
            scopes: roles
                .iter()
                .flat_map(|role| role.scopes.iter())
                .collect::<Scopes>(),
            creator,
            issued_at: Timestamp::from_seconds(claims.iat),
            ends_at: Timestamp::from_seconds(claims.exp),
        })
    }
}

impl Issuer {
    /// A token whose signature is that of the issuer, by an algorithm that it may use.
    async fn verified(
        &self,
        token: &str,
        header: &Header,
        at: Instant,
    ) -> Result<Verified, Refusal> {
        let options = &self.options;
        if !options.algorithms.contains(&header.alg) {
            return Err(Refusal::Signature);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg, at).await;
        let key = key.map_err(|NoSet| Refusal::NoKeys)?;
        let key = key.ok_or(Refusal::Signature)?;
        let mut wanted = Validation::new(header.alg);
        wanted.set_audience(&[&options.audience]);
        wanted.set_issuer(&[&options.issuer]);
        wanted.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The crate would ask the machine's clock; ours is an argument.
        (wanted.validate_exp, wanted.validate_nbf) = (false, false);
        let read = decode::<Map<String, Value>>(token, &key, &wanted);
        let read = read.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => Refusal::Signature,
            ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Refusal::Issuer,
            _ => Refusal::Malformed,
        })?;
        // From the text again, where one of these that stands there twice is refused.
        let claims = insecure_decode_claims(token).map_err(|_| Refusal::Malformed)?;
        Ok(Verified {
            claims,
            all: read.claims,
        })
    }

    fn timely(&self, claims: &Claims, now: Timestamp) -> Result<(), Refusal> {
        let now = now.0.div_euclid(1_000);
        let leeway = seconds(LEEWAY);
        let later = now.saturating_add(leeway);
        if claims.exp.saturating_add(leeway) <= now {
            return Err(Refusal::Expired);
        }
        if claims.iat > later || claims.nbf.is_some_and(|begin| begin > later) {
            return Err(Refusal::NotYet);
        }
        if claims.exp.saturating_sub(claims.iat) > seconds(self.options.age_max) {
            return Err(Refusal::TooLong);
        }
        Ok(())
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// `jwt:` and the first digits of the SHA-256 of issuer, line break and subject.
fn caller_id(issuer: &str, subject: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(format!("{issuer}\n{subject}")));
    digits.truncate(TOKEN_CALLER_DIGITS);
    format!("{TOKEN_CALLER_PREFIX}{digits}")
}

/// On the way to a claim stands something that has no claims: it cannot be told whether the one that is looked for is there.
struct NoPath;

/// A claim by its name, else by a path with dots.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Value>, NoPath> {
    if let Some(value) = claims.get(name) {
        return Ok(Some(value));
    }
    let Some((first, rest)) = name.split_once('.') else {
        return Ok(None);
    };
    match claims.get(first) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => claim(inner, rest),
        Some(_) => Err(NoPath),
    }
}

/// The words of a list, or of one text with blanks.
fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    let text = value.and_then(Value::as_str).unwrap_or_default();
    list.filter_map(Value::as_str)
        .chain(text.split_whitespace())
}
