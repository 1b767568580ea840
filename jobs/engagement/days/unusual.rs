//! Which days are unusual for an audience. Pure.
//!
//! A day is compared with the same weekday of the eight weeks before, so that no weekend is an anomaly: its distance from
//! their median, in units of their spread (1.4826 times the median of the distances, as for the standard deviation of a normal
//! distribution). One such day is chance now and then; two in a row hardly ever are.

use std::collections::BTreeMap;

use crate::engagement::Day;

/// Weeks before, whose same weekday is compared.
pub const WEEKS: i64 = 8;
/// Days before a day that must be known to judge it and the day before it.
pub const HISTORY: i64 = WEEKS * 7 + 1;
/// From how many spreads on a day is unusual.
const SPREADS: f64 = 4.0;
/// Makes the median distance the standard deviation of a normal distribution.
const NORMAL: f64 = 1.4826;
/// The spread is at least this share of the median: so regular is nobody that less means something.
const SPREAD_SHARE_MIN: f64 = 0.05;

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Far fewer interactions than usual.
    Drop,
    /// Far more.
    Rise,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Drop, Self::Rise];

    /// The word in the table and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Rise => "rise",
        }
    }
}

/// A day against what is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The direction, if it is unusual.
    pub direction: Option<Direction>,
    /// Its interactions.
    pub interactions: i64,
    /// The median of the same weekday.
    pub usual: f64,
}

/// Interactions of an audience by day; days without any are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// The first day on which there were any, ever.
    pub first: Option<Day>,
    /// By day.
    pub daily: BTreeMap<Day, i64>,
}

impl Rhythm {
    fn on(&self, day: Day) -> i64 {
        self.daily.get(&day).copied().unwrap_or(0)
    }

    /// Judges a day; `None` without eight weeks before it, or where fewer than `min_daily` are usual: chance alone makes such
    /// days look unusual.
    pub fn judge(&self, day: Day, min_daily: i64) -> Option<Judged> {
        let long_enough = self.first.is_some_and(|first| first <= day - WEEKS * 7);
        if !long_enough {
            return None;
        }
        let before: Vec<f64> = (1..=WEEKS).map(|weeks| float(self.on(day - weeks * 7))).collect();
        let usual = median(before.clone());
        if usual < float(min_daily) {
            return None;
        }
        let distances = before.into_iter().map(|value| (value - usual).abs()).collect();
        let by_chance = usual.max(1.0).sqrt();
        let spread = (NORMAL * median(distances)).max(by_chance).max(SPREAD_SHARE_MIN * usual);
        let interactions = self.on(day);
        let off = (float(interactions) - usual) / spread;
        let direction = match off {
            off if off > SPREADS => Some(Direction::Rise),
            off if off < -SPREADS => Some(Direction::Drop),
            _ => None,
        };
        Some(Judged { direction, interactions, usual })
    }

    /// What a day says of an alert: `Some` opens it where none is open (the day and the one before are unusual in one
    /// direction), keeps it, or ends it.
    pub fn says(&self, day: Day, min_daily: i64) -> Option<(Judged, Said)> {
        let judged = self.judge(day, min_daily)?;
        let before = self.judge(day - 1, min_daily).and_then(|judged| judged.direction);
        let said = match judged.direction {
            None => Said::Usual,
            Some(direction) if before == Some(direction) => Said::Alert(direction),
            Some(direction) => Said::Perhaps(direction),
        };
        Some((judged, said))
    }
}

/// What a day says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is as usual: what is open ends.
    Usual,
    /// The first unusual day: an alert of this direction stays open, and none is opened.
    Perhaps(Direction),
    /// The second in a row.
    Alert(Direction),
}

impl Said {
    /// The direction whose alert may be open on this day.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::Usual => None,
            Self::Perhaps(direction) | Self::Alert(direction) => Some(direction),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a day are far below 2^53")]
const fn float(n: i64) -> f64 {
    n as f64
}

/// The middle; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        even if even % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
