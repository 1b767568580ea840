//! The table `audiences`: the members of one creator, and their local days.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::list;
use crate::{
    args,
    engagement::model::{Day, local_day},
    kernel::{
        Env,
        db::{Db, Result, Row, Sql, Tx},
    },
    of_each,
};

/// The members of one creator.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Audience {
    /// Its number.
    pub audience_no: i64,
    /// The creator; empty for the members of none.
    pub creator_id: String,
    /// The local day up to which it is turned; `None`: nothing was counted yet.
    pub day: Option<Day>,
    /// The creator's time zone, if she has one of her own.
    pub time_zone: Option<String>,
}

impl Audience {
    /// Where its days begin and end.
    pub fn zone(&self, env: &Env, organization: &str) -> Tz {
        let own = self.time_zone.as_deref().and_then(|name| name.parse().ok());
        let of_organization = || env.settings.organizations.get(organization).map(|it| it.time_zone);
        own.or_else(of_organization).unwrap_or_default()
    }

    /// The present day there. It never goes back, also when the time zone does.
    pub fn today(&self, env: &Env, organization: &str) -> Day {
        let today = local_day(self.zone(env, organization), env.now());
        self.day.map_or(today, |day| day.max(today))
    }
}

macro_rules! columns {
    () => {
        "a.audience_no, a.creator_id, a.day, c.time_zone"
    };
}

const ALL: Sql = Sql::both(concat!(
    "SELECT ",
    columns!(),
    " FROM audiences AS a LEFT JOIN creators AS c ON c.organization_id = a.organization_id AND c.id = a.creator_id
     WHERE a.organization_id = $1 ORDER BY a.audience_no"
));
const OF_CREATORS: Sql = of_each!(
    "a.audience_no, a.creator_id, a.day, c.time_zone",
    "audiences AS a LEFT JOIN creators AS c ON c.organization_id = a.organization_id AND c.id = a.creator_id
     WHERE a.organization_id = $1",
    "a.creator_id", "$2", ""
);
const BY_NUMBERS: Sql = Sql::split(
    concat!(
        "SELECT ",
        columns!(),
        " FROM audiences AS a LEFT JOIN creators AS c ON c.organization_id = a.organization_id AND c.id = a.creator_id
         WHERE a.organization_id = $1 AND a.audience_no IN (SELECT value FROM json_each($2))"
    ),
    concat!(
        "SELECT ",
        columns!(),
        " FROM audiences AS a LEFT JOIN creators AS c ON c.organization_id = a.organization_id AND c.id = a.creator_id
         WHERE a.organization_id = $1
           AND a.audience_no IN (SELECT jsonb_array_elements_text($2::jsonb)::bigint)"
    ),
);
const INSERT: Sql = Sql::both(
    "INSERT INTO audiences (organization_id, creator_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
);
const BEGIN_DAYS: Sql = Sql::both(
    "UPDATE audiences SET day = $3 WHERE organization_id = $1 AND audience_no = $2 AND day IS NULL",
);
const SET_DAY: Sql = Sql::split(
    "UPDATE audiences SET day = $3 WHERE organization_id = $1 AND day < $3
       AND audience_no IN (SELECT value FROM json_each($2))",
    "UPDATE audiences SET day = $3 WHERE organization_id = $1 AND day < $3
       AND audience_no IN (SELECT jsonb_array_elements_text($2::jsonb)::bigint)",
);

/// All audiences of an organization.
pub async fn all(db: &Db, organization: &str) -> Result<Vec<Audience>> {
    db.all(ALL, args![organization]).await
}

/// All audiences of an organization, as the transaction sees them.
pub async fn all_in(tx: &mut Tx, organization: &str) -> Result<Vec<Audience>> {
    tx.all(ALL, args![organization]).await
}

/// The audiences with these numbers, by number.
pub async fn by_numbers(
    tx: &mut Tx,
    organization: &str,
    numbers: impl IntoIterator<Item = i64>,
) -> Result<BTreeMap<i64, Audience>> {
    let rows: Vec<Audience> = tx.all(BY_NUMBERS, args![organization, list(numbers)]).await?;
    Ok(rows.into_iter().map(|row| (row.audience_no, row)).collect())
}

/// The audiences of creators, by creator; an empty id stands for the members of none. Those that are not there are made.
pub async fn of_creators(
    tx: &mut Tx,
    organization: &str,
    creators: &[&str],
) -> Result<BTreeMap<String, Audience>> {
    let wanted = serde_json::Value::from(creators).to_string();
    let read = args![organization, wanted];
    let mut rows: Vec<Audience> = tx.all(OF_CREATORS, read).await?;
    let there = |creator: &str, rows: &[Audience]| rows.iter().any(|row| row.creator_id == creator);
    let missing: Vec<Row<'_>> = creators
        .iter()
        .filter(|creator| !there(creator, &rows))
        .map(|creator| args![organization, *creator].to_vec())
        .collect();
    if !missing.is_empty() {
        tx.insert(INSERT, &missing).await?;
        rows = tx.all(OF_CREATORS, read).await?;
    }
    Ok(rows.into_iter().map(|row| (row.creator_id.clone(), row)).collect())
}

/// Notes on which day an audience's first interaction was counted.
pub async fn begin_days(tx: &mut Tx, organization: &str, audience: i64, day: Day) -> Result<()> {
    tx.execute(BEGIN_DAYS, args![organization, audience, day]).await?;
    Ok(())
}

/// Notes that audiences are turned to a day.
pub async fn set_day(
    tx: &mut Tx,
    organization: &str,
    audiences: &[i64],
    day: Day,
) -> Result<()> {
    let audiences = list(audiences.iter().copied());
    tx.execute(SET_DAY, args![organization, audiences, day]).await?;
    Ok(())
}
