//! `[organizations.<id>]`: the tenants.

use super::layers::DEFAULT_ORGANIZATION;
use super::problem::Fault;
use super::reader::Reader;
use super::stripe::Stripe;
use super::typed::{currency, text, time_zone};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// One tenant: it owns every row that is written for it.
#[derive(Debug, Clone)]
pub struct Organization {
    /// Name shown to people; its id if none is set.
    pub name: String,
    /// Time zone of its days and months.
    pub time_zone: Tz,
    /// Currency of its figures, as Stripe writes it (`usd`).
    pub currency: String,
    /// Its Stripe account.
    pub stripe: Stripe,
}

impl Organization {
    /// Every organization by id; `default` is always there.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> BTreeMap<String, Self> {
        let mut organizations = BTreeMap::new();
        for id in reader.names("organizations") {
            let organization = Self::read(reader, &id);
            organizations.insert(id, organization);
        }
        check_accounts(reader, &organizations);
        share_key(reader, &mut organizations);
        organizations
    }

    fn read(reader: &mut Reader<'_>, id: &str) -> Self {
        let stripe = Stripe::read(reader, &stripe_table(id));
        let mut section = reader.section(&["organizations", id]);
        Self {
            name: section
                .optional("name", text)
                .unwrap_or_else(|| id.to_owned()),
            time_zone: section.required("time_zone", time_zone),
            currency: section.required("currency", currency),
            stripe,
        }
    }
}

/// An organization of a connected account without a key of its own uses that of `[stripe]`, its platform.
fn share_key(reader: &mut Reader<'_>, organizations: &mut BTreeMap<String, Organization>) {
    let platform = organizations.get(DEFAULT_ORGANIZATION);
    let platform = platform.map(|it| (it.stripe.secret_key.clone(), it.stripe.livemode));
    let (key, livemode) = platform.unwrap_or_default();
    for (id, organization) in organizations {
        let stripe = &mut organization.stripe;
        if !stripe.connected || stripe.secret_key.is_some() {
            continue;
        }
        let mut section = reader.section(&stripe_table(id));
        if key.is_none() {
            section.warn(
                "secret_key",
                "is not set, nor is that of [stripe]: nothing is fetched from Stripe",
            );
        } else if stripe.livemode == livemode {
            stripe.secret_key.clone_from(&key);
        } else {
            let fix = "give it the same livemode, or a secret_key of its own";
            let fault = Fault::new(
                "is not the mode of the platform's key, stripe.secret_key",
                fix,
            );
            section.problem("livemode", fault);
        }
    }
}

/// Two organizations on one account and mode would each own the same customers.
fn check_accounts(reader: &mut Reader<'_>, organizations: &BTreeMap<String, Organization>) {
    let mut owners: BTreeMap<(&str, bool), &str> = BTreeMap::new();
    for (id, organization) in organizations {
        let Some(account) = organization.stripe.account.as_deref() else {
            continue;
        };
        if let Some(owner) = owners.insert((account, organization.stripe.livemode), id) {
            let what = format!("is also the account of the organization {owner}");
            let fault = Fault::new(what, "give each organization its own account");
            reader.section(&stripe_table(id)).problem("account", fault);
        }
    }
}

/// Where an organization's Stripe account stands.
fn stripe_table(id: &str) -> Vec<&str> {
    if id == DEFAULT_ORGANIZATION {
        vec!["stripe"]
    } else {
        vec!["organizations", id, "stripe"]
    }
}
