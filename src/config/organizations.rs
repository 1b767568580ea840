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
        organizations
    }

    fn read(reader: &mut Reader<'_>, id: &str) -> Self {
        let table = ["organizations", id, "stripe"];
        let stripe = if id == DEFAULT_ORGANIZATION {
            Stripe::read(reader, &["stripe"])
        } else {
            Stripe::read(reader, &table)
        };
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

/// Two organizations on one account would each own the same customers.
fn check_accounts(reader: &mut Reader<'_>, organizations: &BTreeMap<String, Organization>) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, organization) in organizations {
        let Some(account) = organization.stripe.account.as_deref() else {
            continue;
        };
        if let Some(owner) = owners.insert(account, id) {
            let table = ["organizations", id.as_str(), "stripe"];
            let at: &[&str] = if id == DEFAULT_ORGANIZATION {
                &["stripe"]
            } else {
                &table
            };
            let what = format!("is also the account of the organization {owner}");
            let fault = Fault::new(what, "give each organization its own account");
            reader.section(at).problem("account", fault);
        }
    }
}
