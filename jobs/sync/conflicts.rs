//! Noting customers whose sources do not agree about their member. Nothing is merged or moved: people decide.

use std::collections::BTreeMap;

use super::{
    model::Customer,
    store::conflicts::{self as store, Conflict},
};
use crate::{
    kernel::{
        Env,
        db::{Result, Tx},
    },
    members::{self, Disagreement, LinkSources, Whereabouts, disagreements},
};

/// Notes what does not agree with the links of customers to members, and what agrees again.
pub(super) async fn note(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    linked: &[(&Customer, String)],
) -> Result<()> {
    if linked.is_empty() {
        return Ok(());
    }
    let sources = Sources::read(tx, organization, linked).await?;
    let now = env.now();
    let found: Vec<Conflict> = linked
        .iter()
        .flat_map(|(customer, member)| {
            sources.disagreements(customer, member).into_iter().map(|(kind, claimed)| Conflict {
                customer_id: customer.id.clone(),
                kind: kind.as_str().to_owned(),
                member_id: Some(member.clone()),
                claimed,
                first_seen_at: now,
                last_seen_at: now,
            })
        })
        .collect();
    let ids: Vec<&str> = linked.iter().map(|(customer, _)| customer.id.as_str()).collect();
    for open in store::of_customers(tx, organization, &ids).await? {
        let is_there = |one: &Conflict| one.customer_id == open.customer_id && one.kind == open.kind;
        if !found.iter().any(is_there) {
            store::resolve(tx, organization, &open.customer_id, &open.kind, now).await?;
        }
    }
    store::put(tx, organization, &found).await
}

/// Whom the sources name.
struct Sources {
    whereabouts: BTreeMap<String, Whereabouts>,
    by_key: BTreeMap<String, String>,
    by_email: BTreeMap<String, (String, bool)>,
}

impl Sources {
    async fn read(
        tx: &mut Tx,
        organization: &str,
        linked: &[(&Customer, String)],
    ) -> Result<Self> {
        let ids: Vec<&str> = linked.iter().map(|(customer, _)| customer.id.as_str()).collect();
        let emails: Vec<String> =
            linked.iter().filter_map(|(customer, _)| address(customer)).collect();
        let named = linked.iter().filter_map(|(customer, member)| {
            customer.member_id.as_deref().filter(|id| id != member)
        });
        let named: Vec<&str> = named.collect();
        Ok(Self {
            whereabouts: members::store::whereabouts(tx, organization, &named).await?,
            by_key: members::store::by_keys(tx, organization, "stripe", &ids).await?,
            by_email: members::store::by_emails(tx, organization, &emails).await?,
        })
    }

    fn disagreements(&self, customer: &Customer, member: &str) -> Vec<(Disagreement, String)> {
        let place = |id: &str| self.whereabouts.get(id).copied().unwrap_or(Whereabouts::Nowhere);
        let named = customer.member_id.as_deref().filter(|id| *id != member);
        let sources = LinkSources {
            by_metadata: None,
            by_foreign_key: self.by_key.get(&customer.id).cloned(),
            by_email: address(customer).and_then(|email| self.by_email.get(&email).cloned()),
        };
        disagreements(member, named.map(|id| (id, place(id))), &sources)
    }
}

fn address(customer: &Customer) -> Option<String> {
    customer.email.as_deref().and_then(members::normalize_email)
}
