//! The score: integers only, so that every engine, order and batch gives the same bits.
//!
//! After forward decay (Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay", ICDE 2009): an interaction's weight grows with
//! its day, counted from a landmark, instead of shrinking with its age. So what is stored never changes as time goes by;
//! only the constant that it is compared with does.

use chrono_tz::Tz;

use crate::kernel::{
    Timestamp,
    scoring::{FACTORS_MAX, Factor, Level, Levels, MILLI, Scoring, UNIT},
};

/// A day of the calendar: days since 1970-01-01.
pub type Day = i64;

/// The day that it is at a moment in a time zone.
pub fn local_day(zone: Tz, at: Timestamp) -> Day {
    at.utc().with_timezone(&zone).date_naive().to_epoch_days().into()
}

/// Sums of weighted interactions, one for each factor.
pub type Sums = [i64; FACTORS_MAX];

/// Weights of the days by factor, as far as they are not nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    first: Day,
    of_factor: Vec<Vec<i64>>,
}

impl Weights {
    /// The weights for a landmark: `round(65536 * 2^((day - landmark) / half_life))` for each factor.
    ///
    /// The power is the machine's, so two machines might round one weight differently: it is computed once for a version and
    /// stored with it, and everybody uses what is stored.
    pub fn of(scoring: &Scoring, landmark: Day) -> Self {
        let (first, last) = (
            landmark - scoring.days_back(),
            landmark + scoring.days_ahead(),
        );
        let of_factor = scoring
            .factors
            .iter()
            .map(|factor| {
                (first..=last)
                    .map(|day| weight(day - landmark, factor.half_life))
                    .collect()
            })
            .collect();
        Self { first, of_factor }
    }

    /// Weights as they were stored: of each factor, for the days from `first` on.
    pub const fn stored(first: Day, of_factor: Vec<Vec<i64>>) -> Self {
        Self { first, of_factor }
    }

    /// The first day that has weights; days before it weigh nothing.
    pub const fn first(&self) -> Day {
        self.first
    }

    /// The last day that has weights. Nothing can be said about days after it.
    pub fn last(&self) -> Day {
        let days = self.of_factor.first().map_or(0, Vec::len);
        self.first + i64::try_from(days).unwrap_or(i64::MAX) - 1
    }

    /// Of each factor, the weights from [`Weights::first`] on.
    pub fn of_factors(&self) -> &[Vec<i64>] {
        &self.of_factor
    }

    /// The weight of a day; nothing before the first and after the last.
    pub fn get(&self, factor: usize, day: Day) -> i64 {
        let days = self.of_factor.get(factor);
        let place = usize::try_from(day - self.first).ok();
        place
            .and_then(|place| days?.get(place))
            .copied()
            .unwrap_or(0)
    }
}

/// The weight of a day so many days after the landmark.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "between 0 and 2^24, by the bounds of the configuration; both ways exact"
)]
fn weight(days: i64, half_life: i64) -> i64 {
    let halvings = days as f64 / half_life as f64;
    (UNIT as f64 * halvings.exp2()).round() as i64
}

/// Every product stays below this, which leaves a bit to spare in an `i64`.
pub(super) const PRODUCT_MAX: i128 = 1 << 62;

/// The place of a factor whose products might not fit, if every kind of it came as often as it counts on every day.
pub fn overflowing(scoring: &Scoring) -> Option<usize> {
    let weights = Weights::of(scoring, 0);
    let fits = |(at, factor): (usize, &Factor)| {
        let kinds = scoring.kinds.iter().filter(|kind| kind.factor == factor.id);
        let a_day: i128 = kinds
            .map(|kind| i128::from(kind.daily_cap) * i128::from(kind.points))
            .sum();
        let of_days = &weights.of_factor[at];
        let sum = a_day * of_days.iter().copied().map(i128::from).sum::<i128>();
        let half = i128::from(factor.half_at) * i128::from(of_days.last().copied().unwrap_or(0));
        i128::from(factor.cap * MILLI) * sum < PRODUCT_MAX && sum + half < PRODUCT_MAX
    };
    scoring
        .factors
        .iter()
        .enumerate()
        .position(|factor| !fits(factor))
}

/// A definition of the score with its weights: everything a score follows from but the interactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// The definition.
    pub scoring: Scoring,
    /// Its weights.
    pub weights: Weights,
}

impl Formula {
    /// What `n` interactions of one kind on one day add to the sum of its factor: the kind's place among
    /// [`Scoring::kinds`]. Less than none count as none (removals may arrive first), more than the cap as the cap.
    pub fn worth(&self, kind: usize, day: Day, n: i64) -> Option<(usize, i64)> {
        let kind = self.scoring.kinds.get(kind)?;
        let factor = self.scoring.factor(&kind.factor)?;
        let counted = n.clamp(0, kind.daily_cap);
        Some((factor, counted * kind.points * self.weights.get(factor, day)))
    }

    /// Thousandths of a point that each factor gives on a day: `cap * 1000 * sum DIV (sum + half_at * weight(day))`.
    pub fn points_milli(&self, sums: &Sums, day: Day) -> Sums {
        let mut points = [0; FACTORS_MAX];
        for (at, factor) in self.scoring.factors.iter().enumerate() {
            if sums[at] > 0 {
                let half = factor.half_at * self.weights.get(at, day);
                points[at] = factor.cap * MILLI * sums[at] / (sums[at] + half);
            }
        }
        points
    }

    /// The score of a day in thousandths of a point, 0 to 100,000: the sum of what the factors give.
    pub fn score_milli(&self, sums: &Sums, day: Day) -> i64 {
        self.points_milli(sums, day).iter().sum()
    }

    /// The levels.
    pub const fn levels(&self) -> &Levels {
        &self.scoring.levels
    }
}

/// A score as it is shown: whole points, rounded half up.
pub const fn whole(score_milli: i64) -> i64 {
    (score_milli + MILLI / 2) / MILLI
}

/// A member's level at the end of `day`, folded day by day from before her first interaction: the definition, in its
/// plainest form. `sums_at` gives the sums with everything up to and including a day.
pub fn level_by_folding(
    formula: &Formula,
    first: Day,
    day: Day,
    mut sums_at: impl FnMut(Day) -> Sums,
) -> Level {
    (first..=day).fold(Level::Inactive, |level, day| {
        formula
            .levels()
            .step(level, formula.score_milli(&sums_at(day), day))
    })
}
