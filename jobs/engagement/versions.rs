//! Versions of the scores: a definition with a landmark, and the weights that were made from it once.
//!
//! A new version is made when the configuration says something that no version says, when the landmark of the one that does
//! has come too far, and when somebody asks for a rebuild.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use chrono_tz::Tz;

use super::{
    model::{Day, Formula, Sums, Weights, local_day},
    store::versions::{self as store, Row},
};
use crate::kernel::{
    Env,
    db::{Db, Error, Result, Tx},
    scoring::Scoring,
};

/// Versions whose weights a process keeps.
const KEPT: usize = 4;

/// Of the days for which there are weights after the landmark, the share that has passed when the next one is due.
const DUE: (i64, i64) = (2, 3);

/// A version, as whoever scores needs it.
#[derive(Debug)]
pub struct Version {
    /// Its number in the tables.
    pub number: i64,
    /// The definition and its weights.
    pub formula: Formula,
    /// The places among the definition's kinds, by the kinds' numbers in the tables.
    pub places: BTreeMap<i64, usize>,
}

impl Version {
    /// What so many interactions of a kind on a day add to the sums; nothing for a kind that the definition does not name.
    pub fn worth(&self, kind: i64, day: Day, n: i64) -> (usize, i64) {
        let place = self.places.get(&kind);
        place.and_then(|place| self.formula.worth(*place, day, n)).unwrap_or((0, 0))
    }

    /// Adds what so many interactions of a kind on a day are worth.
    pub fn add(&self, sums: &mut Sums, kind: i64, day: Day, n: i64) {
        let (factor, worth) = self.worth(kind, day, n);
        sums[factor] += worth;
    }

    /// Whether it has weights for this day. A version without can say nothing about it.
    pub fn reaches(&self, day: Day) -> bool {
        day <= self.formula.weights.last()
    }
}

/// What this process has read. A number alone does not say which database it is of.
static READ: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// Versions with the rows that they were made from, the latest read first.
type Kept = VecDeque<(Row, Arc<Version>)>;

/// The version with this number.
///
/// # Errors
/// When there is none, or what it says cannot be read.
pub async fn get(db: &Db, number: i64) -> Result<Arc<Version>> {
    let row = store::find(db, number).await?.ok_or_else(|| Error::from(sqlx::Error::RowNotFound))?;
    let known = |kept: &Kept| {
        kept.iter().find(|(known, _)| *known == row).map(|(_, version)| Arc::clone(version))
    };
    if let Some(version) = known(&READ.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(version);
    }
    let scoring: Scoring = serde_json::from_str(&row.scoring).map_err(decoding)?;
    let numbers = store::kinds(db).await?;
    let mut weights = vec![Vec::new(); scoring.factors.len()];
    let mut first = row.landmark;
    for (factor, day, weight) in store::weights(db, number).await? {
        first = first.min(day);
        let of_factor = usize::try_from(factor).ok().and_then(|at| weights.get_mut(at));
        of_factor.ok_or_else(|| Error::from(sqlx::Error::RowNotFound))?.push(weight);
    }
    let place = |(number, name): (i64, String)| {
        Some((number, scoring.kinds.iter().position(|kind| kind.id == name)?))
    };
    let places = numbers.into_iter().filter_map(place).collect();
    let formula = Formula { weights: Weights::stored(first, weights), scoring };
    let version = Arc::new(Version { number, formula, places });
    let mut kept = READ.lock().unwrap_or_else(PoisonError::into_inner);
    kept.push_front((row, Arc::clone(&version)));
    kept.truncate(KEPT);
    drop(kept);
    Ok(version)
}

fn decoding(error: serde_json::Error) -> Error {
    sqlx::Error::Decode(error.into()).into()
}

/// The number of the version that should be read: the newest of what is configured, made if there is none or its landmark
/// has come too far.
///
/// # Errors
/// A conflict when another process makes one at the same moment: tried again, it is there.
pub async fn wanted(env: &Env) -> Result<i64> {
    let (text, today) = (text(env)?, today(env));
    let scoring = &env.settings.scoring;
    if let Some(row) = store::newest(&env.db, &text).await?
        && (today - row.landmark) * DUE.1 < scoring.days_ahead() * DUE.0
    {
        return Ok(row.version);
    }
    let mut tx = env.db.begin().await?;
    let number = make(&mut tx, env).await?;
    tx.commit().await?;
    Ok(number)
}

/// Makes a version of what is configured, with the present day as its landmark.
pub async fn make(tx: &mut Tx, env: &Env) -> Result<i64> {
    let (scoring, landmark) = (&env.settings.scoring, today(env));
    let weights = Weights::of(scoring, landmark);
    let names: Vec<&str> = scoring.kinds.iter().map(|kind| kind.id.as_str()).collect();
    store::number_kinds(tx, &names).await?;
    let number = store::insert(tx, &text(env)?, landmark, env.now()).await?;
    store::insert_weights(tx, number, &weights).await?;
    Ok(number)
}

fn text(env: &Env) -> Result<String> {
    serde_json::to_string(&env.settings.scoring).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

/// Landmarks are of the installation, not of a creator, so they go by UTC.
fn today(env: &Env) -> Day {
    local_day(Tz::UTC, env.now())
}
