//! The figures of an audience in a period. docs/analytics.md defines each of them.

mod model;
pub mod period;
mod store;
#[cfg(test)]
mod tests;

use chrono_tz::Tz;

pub use self::model::{Analytics, Contributor, OfKind, OfLevel};
pub use self::period::{Period, Span, Window};
use self::{model::Named, store::Moments};
use super::definition::Definition;
use crate::kernel::{Env, db::Result};

/// The figures of an organization, or of one of its creators, in a window whose days are those of `zone`.
pub async fn analytics(
    env: &Env,
    organization: &str,
    creator: Option<&str>,
    zone: Tz,
    window: Window,
) -> Result<Analytics> {
    let definition = Definition::of(env, organization).await?;
    let moments = Moments {
        begin: period::begin(zone, window.now.from),
        end: period::begin(zone, window.now.to + 1),
        end_before: period::begin(zone, window.before.to + 1),
    };
    let counting = definition.counting();
    let rows =
        store::figures(&env.db, (organization, creator), &window, moments, &counting).await?;
    let kinds = definition.scoring.kinds.iter();
    let known = kinds.map(|kind| (kind.id.as_str(), (kind.counts_as_interaction, kind.timed)));
    let named = Named { names: &definition.names, known: known.collect() };
    Ok(Analytics::of(window, rows, &named))
}
