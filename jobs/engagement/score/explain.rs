//! Why a score is what it is, and what is missing to the next level. Pure.

use crate::{
    engagement::{Day, Formula, Sums},
    kernel::scoring::{Level, MILLI},
};

/// Days that are named for each factor, at the most.
pub const TOP_DAYS_MAX: usize = 3;

/// What a member did on one day in one kind; the kind's place among [`crate::kernel::scoring::Scoring::kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    /// The local day.
    pub day: Day,
    /// The kind's place.
    pub kind: usize,
    /// How often; less than none while removals came first.
    pub n: i64,
}

/// Why a score is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What each factor gives; the sum is the score in thousandths of a point.
    pub factors: Vec<FactorPoints>,
    /// What is missing to the level above; `None` for superfans.
    pub next: Option<Next>,
}

/// What a factor gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorPoints {
    /// Its name.
    pub id: String,
    /// Thousandths of a point that it gives.
    pub points_milli: i64,
    /// Points that it can give.
    pub cap: i64,
    /// What all interactions are worth today, in thousandths of one recent interaction of one point.
    pub effective_milli: i64,
    /// The days that give most of it, the most first.
    pub days: Vec<TopDay>,
}

/// A day that gives much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopDay {
    /// The local day.
    pub day: Day,
    /// Its interactions, as far as they count.
    pub counted: i64,
    /// What they are worth today, in the unit of [`FactorPoints::effective_milli`].
    pub effective_milli: i64,
}

/// The level above, and the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The level.
    pub level: Level,
    /// The score at which it begins.
    pub score: i64,
    /// Thousandths of a point that are missing.
    pub missing_milli: i64,
    /// How many more of one kind alone, today, lead there. Kinds that do not are left out.
    pub ways: Vec<Way>,
    /// Whether it can be reached today at all, with every kind up to its daily cap.
    pub today: bool,
}

/// So many more interactions of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The kind's name.
    pub kind: String,
    /// How many.
    pub more: i64,
}

/// Explains the score that follows on `today` from these sums, which are of these days.
pub fn explain(
    formula: &Formula,
    sums: &Sums,
    level: Level,
    today: Day,
    did: &[Did],
) -> Explanation {
    let points = formula.points_milli(sums, today);
    let factors = formula.scoring.factors.iter().enumerate();
    let factors = factors.map(|(at, factor)| {
        let weight = formula.weights.get(at, today);
        FactorPoints {
            id: factor.id.clone(),
            points_milli: points[at],
            cap: factor.cap,
            effective_milli: milli_of(sums[at], weight),
            days: top_days(formula, at, weight, did),
        }
    });
    Explanation {
        factors: factors.collect(),
        next: next(formula, sums, level, today, did),
    }
}

/// A sum of weighted interactions, in thousandths of one that is of today.
fn milli_of(sum: i64, weight: i64) -> i64 {
    if weight == 0 {
        return 0;
    }
    let milli = i128::from(sum) * i128::from(MILLI) / i128::from(weight);
    i64::try_from(milli).unwrap_or(i64::MAX)
}

fn top_days(formula: &Formula, factor: usize, weight: i64, did: &[Did]) -> Vec<TopDay> {
    let mut days: Vec<(TopDay, i64)> = Vec::new();
    for one in did {
        let Some((of, worth)) = formula.worth(one.kind, one.day, one.n) else {
            continue;
        };
        if of != factor || worth == 0 {
            continue;
        }
        let counted = one.n.min(formula.scoring.kinds[one.kind].daily_cap);
        if let Some((day, sum)) = days.iter_mut().find(|(day, _)| day.day == one.day) {
            day.counted += counted;
            *sum += worth;
        } else {
            let day = TopDay { day: one.day, counted, effective_milli: 0 };
            days.push((day, worth));
        }
    }
    days.sort_by_key(|(day, worth)| (-worth, -day.day));
    let top = days.into_iter().take(TOP_DAYS_MAX);
    top.map(|(day, worth)| TopDay { effective_milli: milli_of(worth, weight), ..day }).collect()
}

/// The level above, what is missing, and what would be enough.
fn next(formula: &Formula, sums: &Sums, level: Level, today: Day, did: &[Did]) -> Option<Next> {
    let levels = formula.levels();
    let (level, score) = match level {
        Level::Inactive => (Level::Casual, levels.casual),
        Level::Casual => (Level::Engaged, levels.engaged),
        Level::Engaged => (Level::Superfan, levels.superfan),
        Level::Superfan => return None,
    };
    let wanted = score * MILLI;
    let ways = Ways { formula, sums, today, did };
    let kinds = 0..formula.scoring.kinds.len();
    let alone = kinds.clone().filter_map(|kind| {
        let more = ways.more(kind, wanted)?;
        Some(Way { kind: formula.scoring.kinds[kind].id.clone(), more })
    });
    let everything = kinds.fold(*sums, |sums, kind| ways.with(&sums, kind, ways.room(kind)));
    Some(Next {
        level,
        score,
        missing_milli: (wanted - formula.score_milli(sums, today)).max(0),
        ways: alone.collect(),
        today: formula.score_milli(&everything, today) >= wanted,
    })
}

/// What more interactions of today would change.
struct Ways<'a> {
    formula: &'a Formula,
    sums: &'a Sums,
    today: Day,
    did: &'a [Did],
}

impl Ways<'_> {
    fn so_far(&self, kind: usize) -> i64 {
        let today = self.did.iter().filter(|one| one.day == self.today && one.kind == kind);
        today.map(|one| one.n).sum()
    }

    /// How many more of a kind change anything today.
    fn room(&self, kind: usize) -> i64 {
        (self.formula.scoring.kinds[kind].daily_cap - self.so_far(kind)).max(0)
    }

    /// The sums with so many more.
    fn with(&self, sums: &Sums, kind: usize, more: i64) -> Sums {
        let (so_far, mut sums) = (self.so_far(kind), *sums);
        let worth = |n| self.formula.worth(kind, self.today, n);
        if let (Some((factor, before)), Some((_, after))) = (worth(so_far), worth(so_far + more)) {
            sums[factor] += after - before;
        }
        sums
    }

    /// The fewest that lift the score to `wanted`. More never lower it, so they are found by halving.
    fn more(&self, kind: usize, wanted: i64) -> Option<i64> {
        let reaches = |more| {
            let sums = self.with(self.sums, kind, more);
            self.formula.score_milli(&sums, self.today) >= wanted
        };
        let (mut low, mut high) = (1, self.room(kind));
        if high < 1 || !reaches(high) {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if reaches(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }
}
