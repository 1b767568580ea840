//! Where a member stands at the end of a day, brought on as days pass, and found anew by walking back.

use std::collections::BTreeMap;

use super::model::{Day, Formula, Sums, whole};
use crate::kernel::scoring::Level;

/// Where a member stands at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Sums of weighted interactions, one for each factor.
    pub sums: Sums,
    /// The day.
    pub day: Day,
    /// 0 to 100.
    pub score: i64,
    /// The level.
    pub level: Level,
    /// The level at the end of the day before.
    pub level_before: Level,
}

impl Standing {
    /// Of a member without interactions.
    pub const fn none(day: Day) -> Self {
        Self {
            sums: [0; crate::kernel::scoring::FACTORS_MAX],
            day,
            score: 0,
            level: Level::Inactive,
            level_before: Level::Inactive,
        }
    }

    /// The same member at the end of a later day, when she has done nothing since. An earlier day changes nothing.
    #[must_use]
    pub fn turned(mut self, formula: &Formula, day: Day) -> Self {
        if day <= self.day {
            return self;
        }
        for day in self.day + 1..=day {
            self.level_before = self.level;
            self.level = formula.levels().step(self.level, formula.score_milli(&self.sums, day));
        }
        self.score = whole(formula.score_milli(&self.sums, day));
        self.day = day;
        self
    }

    /// The same day with other sums, where what is added or taken away is of that day.
    #[must_use]
    pub fn with(mut self, formula: &Formula, sums: Sums) -> Self {
        let milli = formula.score_milli(&sums, self.day);
        self.sums = sums;
        self.score = whole(milli);
        self.level = formula.levels().step(self.level_before, milli);
        self
    }
}

/// What interactions of each day add to the sums.
pub(super) type ByDay = BTreeMap<Day, Sums>;

/// A walk back from a day to the last one whose score alone says the level, so that what was before does not matter.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// The sums of all days.
    total: Sums,
    day: Day,
    /// The day that is looked at next, and the sums at its end.
    at: Day,
    sums: Sums,
    /// The scores of the days from `day` down to the one after `at`, in thousandths.
    scores: Vec<i64>,
}

impl Walk {
    /// Begins at the end of a day, with the sums of everything up to it.
    pub(super) const fn from(day: Day, total: Sums) -> Self {
        Self { total, day, at: day, sums: total, scores: Vec::new() }
    }

    /// Walks back to `first` at the most, with the interactions of all days from there to the one that is looked at next.
    /// `None`: it must go on before that.
    pub(super) fn back(&mut self, formula: &Formula, by_day: &ByDay, first: Day) -> Option<Standing> {
        while self.at >= first {
            let milli = formula.score_milli(&self.sums, self.at);
            let (lowest, highest) = formula.levels().bounds(milli);
            if self.at < self.day && lowest == highest {
                return Some(self.fold(formula, lowest));
            }
            self.scores.push(milli);
            for (sum, added) in self.sums.iter_mut().zip(by_day.get(&self.at).into_iter().flatten()) {
                *sum -= added;
            }
            self.at -= 1;
        }
        None
    }

    /// Where she stands if nothing before the day that is looked at next weighs anything.
    pub(super) fn end(&self, formula: &Formula) -> Standing {
        self.fold(formula, Level::Inactive)
    }

    fn fold(&self, formula: &Formula, level: Level) -> Standing {
        let (mut level_before, mut level) = (level, level);
        for milli in self.scores.iter().rev() {
            level_before = level;
            level = formula.levels().step(level, *milli);
        }
        let milli = self.scores.first().copied().unwrap_or(0);
        Standing { sums: self.total, day: self.day, score: whole(milli), level, level_before }
    }
}

/// Where a member stands at the end of a day, from all her interactions.
pub(super) fn afresh(formula: &Formula, by_day: &ByDay, day: Day) -> Standing {
    let mut total = Standing::none(day).sums;
    for sums in by_day.values() {
        for (sum, added) in total.iter_mut().zip(sums) {
            *sum += added;
        }
    }
    // Before her first day the score is nothing, which says the level.
    let first = by_day.keys().next().map_or(day, |first| (*first).min(day)) - 1;
    let mut walk = Walk::from(day, total);
    walk.back(formula, by_day, first.min(day - 1)).unwrap_or_else(|| walk.end(formula))
}
