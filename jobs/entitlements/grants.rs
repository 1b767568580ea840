//! Grants: access that nobody pays for here. Complimentary access, gifts, what was bought elsewhere, and the extension
//! of a subscription that is over. They are ours: the sync never touches them.

use serde_json::json;

use super::{
    model::{Changes, Present, Source},
    policy::of_grant,
    settle::settle,
    store::{self, GrantRow},
};
use crate::{
    kernel::{
        Env, Timestamp,
        db::{Result, Tx},
        events::{Event, emit},
    },
    members::{self, store::lock},
};

/// Characters of an external reference.
pub const REFERENCE_CHARS_MAX: usize = 200;
/// Characters of a note.
pub const NOTE_CHARS_MAX: usize = 500;

/// A grant to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// The product.
    pub product_id: String,
    /// Which sort of grant; one of [`Source::GRANTS`].
    pub source: Source,
    /// What it is called where it was decided. A second grant with it changes nothing.
    pub external_reference: Option<String>,
    /// The subscription that an extension prolongs.
    pub subscription_id: Option<String>,
    /// The member who gave a gift.
    pub from_member_id: Option<String>,
    /// Why, in words.
    pub note: Option<String>,
    /// From when; `None`: at once.
    pub starts_at: Option<Timestamp>,
    /// Until when; `None`: for a lifetime.
    pub ends_at: Option<Timestamp>,
}

impl NewGrant {
    /// Whether `row` is what this asks for. The note may have been put in other words.
    fn is(&self, member: &str, row: &GrantRow) -> bool {
        row.member_id == member
            && row.product_id == self.product_id
            && row.kind == self.source.as_str()
            && row.subscription_id == self.subscription_id
            && row.from_member_id == self.from_member_id
            && row.ends_at == self.ends_at
            && self.starts_at.is_none_or(|from| row.starts_at == from)
    }
}

/// What became of a [`NewGrant`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is given.
    New(GrantRow),
    /// It was given before, under the same reference.
    Known(GrantRow),
}

/// Why a grant was not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// There is no such living member.
    #[error("there is no such member")]
    NoMember,
    /// The product is not mirrored.
    #[error("there is no product {0}: only products of the mirror can be granted")]
    NoProduct(String),
    /// It would end before it begins.
    #[error("it would end at {ends_at}, and begins at {starts_at}: give a later end, or none for a lifetime")]
    EndsBeforeItBegins {
        /// When it would begin.
        starts_at: Timestamp,
        /// When it would end.
        ends_at: Timestamp,
    },
    /// The reference names another grant.
    #[error("the reference is that of {0}, which gives something else: use another one, or ask for the same again")]
    ReferenceTaken(String),
    /// An extension without a subscription.
    #[error("an extension names the subscription that it prolongs: give its id (sub_...), or make it complimentary")]
    SubscriptionMissing,
    /// A subscription without an extension.
    #[error("only an extension names a subscription: leave {0} out, or make it an extension")]
    NotAnExtension(String),
    /// A giver without a gift.
    #[error("only a gift names the member who gave it: leave {0} out, or make it a gift")]
    NotAGift(String),
    /// A giver who is nobody of this organization, or she herself.
    #[error("{0} cannot have given it: name another member of this organization, or leave the giver out")]
    NoGiver(String),
    /// The subscription never gave her the product.
    #[error("the subscription {0} never gave her this product: name one that did, or make it complimentary")]
    NotHerSubscription(String),
    /// The subscription gives access then, will again, or is only paused.
    #[error("the subscription {0} is not over then: begin when it is, or make it complimentary")]
    NotOver(String),
}

/// Gives a grant. With a reference that was used before it gives nothing again.
pub async fn grant(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    member: &str,
    by: &str,
    new: &NewGrant,
) -> Result<std::result::Result<Granted, NotGranted>> {
    let before = lock(tx, organization, member).await?;
    let Some(before) = before.filter(|member| member.deleted_at.is_none()) else {
        return Ok(Err(NotGranted::NoMember));
    };
    // Before anything is checked: what was given once is answered for ever.
    if let Some(known) = known(tx, organization, member, new).await? {
        return Ok(known);
    }
    let mut rows = rows(tx, organization, member).await?;
    if let Err(why) = check(new, &rows, env.now()) {
        return Ok(Err(why));
    }
    if let Err(why) = check_giver(tx, organization, member, new).await? {
        return Ok(Err(why));
    }
    if !store::has_product(tx, organization, &new.product_id).await? {
        return Ok(Err(NotGranted::NoProduct(new.product_id.clone())));
    }
    let Some(row) = store::insert_grant(tx, env, organization, member, by, new).await? else {
        // Another transaction has taken the reference meanwhile.
        let known = known(tx, organization, member, new).await?;
        return Ok(known.unwrap_or(Err(NotGranted::NoMember)));
    };
    let want = of_grant(&row.facts());
    rows.push(want.as_present());
    let changes = Changes { add: vec![want], ..Changes::default() };
    store::apply(tx, env, organization, &[(member, changes)]).await?;
    tell(tx, env, organization, "audience.access_granted", &row, by).await?;
    settle(tx, env, &[(&before, rows)]).await?;
    Ok(Ok(Granted::New(row)))
}

/// Whether the member who gave it could have, if one is named. She may have left since.
async fn check_giver(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    new: &NewGrant,
) -> Result<std::result::Result<(), NotGranted>> {
    let Some(giver) = new.from_member_id.as_deref() else { return Ok(Ok(())) };
    if new.source != Source::Gift {
        return Ok(Err(NotGranted::NotAGift(giver.to_owned())));
    }
    let could = giver != member && members::store::is_member(tx, organization, giver).await?;
    Ok(if could { Ok(()) } else { Err(NotGranted::NoGiver(giver.to_owned())) })
}

async fn rows(tx: &mut Tx, organization: &str, member: &str) -> Result<Vec<Present>> {
    let found = store::present_of(tx, organization, &[member]).await?;
    Ok(found.into_values().next().unwrap_or_default())
}

/// What was given under the reference, if it was used before.
async fn known(
    tx: &mut Tx,
    organization: &str,
    member: &str,
    new: &NewGrant,
) -> Result<Option<std::result::Result<Granted, NotGranted>>> {
    let Some(reference) = new.external_reference.as_deref() else { return Ok(None) };
    let known = store::by_reference(tx, organization, reference).await?;
    Ok(known.map(|known| {
        if new.is(member, &known) {
            Ok(Granted::Known(known))
        } else {
            Err(NotGranted::ReferenceTaken(known.id))
        }
    }))
}

fn check(
    new: &NewGrant,
    rows: &[Present],
    now: Timestamp,
) -> std::result::Result<(), NotGranted> {
    let from = new.starts_at.unwrap_or(now);
    if let Some(ends_at) = new.ends_at.filter(|end| *end <= from) {
        return Err(NotGranted::EndsBeforeItBegins { starts_at: from, ends_at });
    }
    let subscription = match (new.source, &new.subscription_id) {
        (Source::Extension, Some(subscription)) => subscription,
        (Source::Extension, None) => return Err(NotGranted::SubscriptionMissing),
        (_, Some(other)) => return Err(NotGranted::NotAnExtension(other.clone())),
        _ => return Ok(()),
    };
    let hers = rows.iter().find(|row| {
        row.source == Source::Subscription
            && row.source_id == *subscription
            && row.product_id == new.product_id
    });
    match hers {
        Some(row) if row.is_paused() || !row.spans.are_over(from.max(now)) => {
            Err(NotGranted::NotOver(subscription.clone()))
        }
        Some(row) if row.spans.give() => Ok(()),
        _ => Err(NotGranted::NotHerSubscription(subscription.clone())),
    }
}

/// Takes a grant back; access by it ends now. One that is over stays as it is. `None` when she has no such grant.
pub async fn revoke(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    member: &str,
    id: &str,
    by: &str,
) -> Result<Option<GrantRow>> {
    let Some(before) = lock(tx, organization, member).await? else { return Ok(None) };
    let revoked = store::revoke_grant(tx, organization, member, id, by, env.now()).await?;
    let Some(row) = store::grant(tx, organization, member, id).await? else { return Ok(None) };
    if revoked {
        let want = of_grant(&row.facts());
        let mut rows = rows(tx, organization, member).await?;
        if let Some(at) = rows.iter().position(|one| one.source_id == row.id) {
            let id = rows.remove(at).id;
            rows.push(want.as_present());
            let changes = Changes { set: vec![(id, want)], ..Changes::default() };
            store::apply(tx, env, organization, &[(member, changes)]).await?;
        }
        tell(tx, env, organization, "audience.access_revoked", &row, by).await?;
        settle(tx, env, &[(&before, rows)]).await?;
    }
    Ok(Some(row))
}

async fn tell(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    kind: &'static str,
    row: &GrantRow,
    by: &str,
) -> Result<()> {
    let event = Event {
        kind,
        organization_id: organization.to_owned(),
        member_id: Some(row.member_id.clone()),
        data: json!({ "grant_id": row.id, "product_id": row.product_id, "kind": row.kind,
                      "starts_at": row.starts_at, "ends_at": row.ends_at, "by": by }),
    };
    emit(tx, env, &event).await
}
