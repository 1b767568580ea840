//! By which definition an organization's scores are to be read, and how its kinds of interactions are called.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::{
    Day,
    model::{Formula, Weights},
    store::versions::{kinds, state},
    versions,
};
use crate::{
    creators,
    kernel::{Env, db::Result, scoring::Scoring},
};

/// The definition that an organization's scores follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its version; `None`: nothing was ever counted, and the definition is that of the configuration.
    pub version: Option<i64>,
    /// The definition.
    pub scoring: Scoring,
    /// Kinds by number, also those that it does not name any more.
    pub names: BTreeMap<i64, String>,
}

impl Definition {
    /// Reads it.
    pub async fn of(env: &Env, organization: &str) -> Result<Self> {
        let version = state(&env.db, organization).await?.map(|state| state.version);
        let scoring = match version {
            Some(version) => versions::get(&env.db, version).await?.formula.scoring.clone(),
            None => env.settings.scoring.clone(),
        };
        let names = kinds(&env.db).await?.into_iter().collect();
        Ok(Self { version, scoring, names })
    }

    /// With its weights: those that are stored. Where nothing was ever counted, those that would be made on `day`.
    pub async fn formula(&self, env: &Env, day: Day) -> Result<Formula> {
        Ok(match self.version {
            Some(version) => versions::get(&env.db, version).await?.formula.clone(),
            None => {
                Formula { scoring: self.scoring.clone(), weights: Weights::of(&self.scoring, day) }
            }
        })
    }

    /// The place of the kind with this number among those of the definition.
    pub fn place(&self, number: i64) -> Option<usize> {
        let name = self.names.get(&number)?;
        self.scoring.kinds.iter().position(|kind| kind.id == *name)
    }

    /// Whether the kind of this name counts as an interaction.
    pub fn counts(&self, name: &str) -> bool {
        self.scoring.kinds.iter().any(|kind| kind.counts_as_interaction && kind.id == name)
    }

    /// The numbers of the kinds that count as interactions, with blanks around each, as statements look for them.
    pub(super) fn counting(&self) -> String {
        let numbers = self.names.iter().filter(|(_, name)| self.counts(name));
        let numbers: Vec<_> = numbers.map(|(number, _)| number.to_string()).collect();
        format!(" {} ", numbers.join(" "))
    }
}

/// Where the days of a creator begin and end: those of the organization, unless she has a time zone of her own.
pub async fn zone(env: &Env, organization: &str, creator: Option<&str>) -> Result<Tz> {
    let own = match creator {
        Some(creator) => creators::find(&env.db, organization, creator).await?,
        None => None,
    };
    let own = own.and_then(|creator| creator.time_zone);
    Ok(zone_or_of(env, organization, own.as_deref()))
}

/// The zone of this name, or the organization's.
pub(super) fn zone_or_of(env: &Env, organization: &str, own: Option<&str>) -> Tz {
    let of_organization = || {
        let known = env.settings.organizations.get(organization);
        known.map_or(Tz::UTC, |known| known.time_zone)
    };
    own.and_then(|name| name.parse().ok()).unwrap_or_else(of_organization)
}
