//! Finding or making the member behind each customer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    conflicts,
    model::Customer,
    store::{
        links,
        projections::{self, Linked, LinkedCustomer},
    },
};
use crate::{
    kernel::{
        Env,
        db::{Error, Result, Tx},
        events::{Event, emit_many},
    },
    members::{self, Link, LinkSources, NewMember, Whereabouts},
};

/// Who is behind some customers.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The members.
    pub(super) members: BTreeSet<String>,
    /// Those of them who were made for their customers just now.
    pub(super) joined: BTreeSet<String>,
    /// Customers that are not here.
    pub(super) unknown: Vec<String>,
}

/// Writes the customers that have changed, each with its member, and looks up the members of `payers`, customers of
/// whom something else has changed.
pub(super) async fn link(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    changed: &[Customer],
    payers: &BTreeSet<String>,
) -> Result<Links> {
    let mut ids: BTreeSet<&str> = payers.iter().map(String::as_str).collect();
    ids.extend(changed.iter().map(|customer| customer.id.as_str()));
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut known: BTreeMap<String, Linked> =
        links::of_customers(tx, organization, &ids).await?.into_iter().collect();
    let mut links = Links::default();
    let new: Vec<&Customer> = changed
        .iter()
        .filter(|customer| known.get(&customer.id).is_none_or(|linked| linked.member_id.is_none()))
        .collect();
    let found = find_members(tx, env, organization, &new, &mut links).await?;
    follow_profiles(tx, env, organization, changed, &known).await?;
    let mut linked = Vec::with_capacity(changed.len());
    for customer in changed {
        let (member, link) = match (found.get(&customer.id), known.get(&customer.id)) {
            (Some(found), _) => found.clone(),
            (None, Some(Linked { member_id: Some(member), link, .. })) => (member.clone(), link.clone()),
            (None, _) => continue,
        };
        links.members.insert(member.clone());
        linked.push(LinkedCustomer { customer, member, link });
    }
    projections::put_customers(tx, organization, &linked).await?;
    let linked: Vec<_> = linked.into_iter().map(|one| (one.customer, one.member)).collect();
    conflicts::note(tx, env, organization, &linked).await?;
    for payer in payers.iter().filter(|payer| !found.contains_key(*payer)) {
        match known.remove(payer) {
            Some(linked) => links.members.extend(linked.member_id),
            None => links.unknown.push(payer.clone()),
        }
    }
    Ok(links)
}

/// The member of each customer and how she was found. Who is not there is made.
async fn find_members(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customers: &[&Customer],
    links: &mut Links,
) -> Result<BTreeMap<String, (String, String)>> {
    if customers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let address = |customer: &Customer| customer.email.as_deref().and_then(members::normalize_email);
    let addresses: Vec<String> = customers.iter().filter_map(|customer| address(customer)).collect();
    let ids: Vec<&str> = customers.iter().map(|customer| customer.id.as_str()).collect();
    let by_key = members::store::by_keys(tx, organization, "stripe", &ids).await?;
    let mut by_email = members::store::by_emails(tx, organization, &addresses).await?;
    let named: Vec<&str> = customers.iter().filter_map(|customer| customer.member_id.as_deref()).collect();
    let named = members::store::whereabouts(tx, organization, &named).await?;
    let (mut found, mut joined, mut news) = (BTreeMap::new(), Vec::new(), Vec::new());
    for customer in customers {
        let email = address(customer);
        let sources = LinkSources {
            by_metadata: customer.member_id.clone().filter(|id| named.get(id) == Some(&Whereabouts::Here)),
            by_foreign_key: by_key.get(&customer.id).cloned(),
            by_email: email.as_ref().and_then(|email| by_email.get(email).cloned()),
        };
        let link = members::link(&sources);
        let word = link.as_str().to_owned();
        let member = match link {
            Link::Metadata(member) | Link::ForeignKey(member) | Link::Email(member) => member,
            Link::Create { email_taken } => {
                let id = env.id("mem");
                // The next customer with this address finds her.
                if let Some(email) = email.filter(|_| !email_taken) {
                    by_email.insert(email, (id.clone(), false));
                }
                joined.push((id.clone(), new_member(organization, customer, email_taken)));
                news.push(member_joined(organization, customer, &id));
                links.joined.insert(id.clone());
                id
            }
        };
        found.insert(customer.id.clone(), (member, word));
    }
    members::store::insert_many(tx, env, &joined).await?;
    emit_many(tx, env, &news).await?;
    let keys: Vec<(&str, &str)> =
        found.iter().map(|(customer, (member, _))| (customer.as_str(), member.as_str())).collect();
    members::store::add_keys(tx, env, organization, "stripe", &keys).await?;
    // Who got the key from people a moment ago is whose the customer is.
    let new: Vec<&str> = ids.into_iter().filter(|id| !by_key.contains_key(*id)).collect();
    for (customer, holder) in members::store::by_keys(tx, organization, "stripe", &new).await? {
        if found.get(&customer).is_some_and(|(member, _)| *member != holder) {
            return Err(Error::Conflict(format!("the key of {customer} was given to a member meanwhile")));
        }
    }
    Ok(found)
}

fn new_member(organization: &str, customer: &Customer, email_taken: bool) -> NewMember {
    NewMember {
        organization_id: organization.to_owned(),
        email: customer.email.clone().filter(|_| !email_taken),
        name: customer.name.clone(),
        joined_at: customer.created_at,
    }
}

fn member_joined(organization: &str, customer: &Customer, member: &str) -> Event {
    Event {
        kind: "audience.member_joined",
        organization_id: organization.to_owned(),
        member_id: Some(member.to_owned()),
        data: json!({ "customer_id": customer.id, "joined_at": customer.created_at }),
    }
}

/// Members whom the sync made follow their customers' addresses and names; those whom people made do not.
async fn follow_profiles<'a>(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    changed: &'a [Customer],
    known: &'a BTreeMap<String, Linked>,
) -> Result<()> {
    let follows = |customer: &'a Customer| {
        let linked = known.get(&customer.id)?;
        let member = linked.member_id.as_deref().filter(|_| linked.link == "created")?;
        Some((customer, member, linked.email.as_deref()))
    };
    let following: Vec<_> = changed.iter().filter_map(follows).collect();
    let ids: Vec<&str> = following.iter().map(|(_, member, _)| *member).collect();
    let profiles = members::store::profiles(tx, organization, &ids).await?;
    for (customer, member, address) in following {
        let is = (customer.email.clone(), customer.name.clone());
        if profiles.get(member) != Some(&is) {
            follow_profile(tx, env, organization, customer, member, address).await?;
        }
    }
    Ok(())
}

async fn follow_profile(
    tx: &mut Tx,
    env: &Env,
    organization: &str,
    customer: &Customer,
    member: &str,
    address: Option<&str>,
) -> Result<()> {
    let normalized = customer.email.as_deref().and_then(members::normalize_email);
    let holder = match &normalized {
        Some(email) => members::store::by_email(tx, organization, email).await?,
        None => None,
    };
    // An address that is another member's by now is not taken away from her.
    let taken = holder.is_some_and(|(other, _)| other != member);
    let email = if taken { address } else { customer.email.as_deref() };
    let name = customer.name.as_deref();
    members::store::set_profile(tx, organization, member, email, name, env.now()).await?;
    Ok(())
}
