//! What is true of every score, whatever the configuration.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{
    engagement::{
        Day, Formula, Sums, Weights, level_by_folding,
        model::PRODUCT_MAX,
        overflowing,
        standing::{ByDay, Standing, afresh},
        whole,
    },
    kernel::scoring::{FACTORS_MAX, Factor, InteractionKind, Level, Levels, MILLI, Scoring},
};

/// The landmark of these formulas.
const LANDMARK: Day = 20_468;

prop_compose! {
    fn factors()(caps in prop::collection::vec(0_i64..100, 1..=FACTORS_MAX))
        (halves in prop::collection::vec((1_i64..40, 3_i64..120), caps.len()), caps in Just(caps)) -> Vec<Factor> {
        let mut left = 100;
        let last = caps.len() - 1;
        let factor = |(at, (cap, (half_at, half_life))): (usize, (i64, (i64, i64)))| {
            let cap = if at == last { left } else { cap.min(left) };
            left -= cap;
            Factor { id: format!("f{at}"), cap, half_at, half_life }
        };
        caps.into_iter().zip(halves).enumerate().map(factor).collect()
    }
}

prop_compose! {
    fn scorings()(factors in factors())
        (kinds in prop::collection::vec((0..factors.len(), 0_i64..9, 1_i64..30), 1..8), factors in Just(factors),
         casual in 1_i64..20, more in (1_i64..30, 1_i64..50), keep_percent in 50_i64..=100) -> Scoring {
        let kind = |(at, (factor, points, daily_cap)): (usize, (usize, i64, i64))| InteractionKind {
            id: format!("k{at}"),
            factor: format!("f{factor}"),
            points,
            daily_cap,
            counts_as_interaction: true,
            timed: false,
        };
        let (engaged, superfan) = (casual + more.0, casual + more.0 + more.1);
        Scoring {
            kinds: kinds.into_iter().enumerate().map(kind).collect(),
            factors,
            levels: Levels { superfan, engaged, casual, keep_percent },
        }
    }
}

/// What was done: kind, days before the present one, how often.
fn done() -> impl Strategy<Value = Vec<(usize, i64, i64)>> {
    prop::collection::vec((0_usize..8, 0_i64..300, -2_i64..40), 0..60)
}

fn formula(scoring: &Scoring, landmark: Day) -> Formula {
    Formula { weights: Weights::of(scoring, landmark), scoring: scoring.clone() }
}

fn days(formula: &Formula, done: &[(usize, i64, i64)], today: Day) -> ByDay {
    let mut counts: BTreeMap<(Day, usize), i64> = BTreeMap::new();
    for (kind, ago, n) in done {
        *counts.entry((today - ago, kind % formula.scoring.kinds.len())).or_default() += n;
    }
    let mut days = ByDay::new();
    for ((day, kind), n) in counts {
        let (factor, worth) = formula.worth(kind, day, n).unwrap();
        days.entry(day).or_default()[factor] += worth;
    }
    days
}

fn sums_at(days: &ByDay, day: Day) -> Sums {
    let mut sums = [0; FACTORS_MAX];
    for (_, added) in days.range(..=day) {
        for (sum, added) in sums.iter_mut().zip(added) {
            *sum += added;
        }
    }
    sums
}

proptest! {
    #[test]
    fn contributions_add_up_to_the_score_and_it_is_between_0_and_100(scoring in scorings(), done in done()) {
        let formula = formula(&scoring, LANDMARK);
        let sums = sums_at(&days(&formula, &done, LANDMARK), LANDMARK);
        let points = formula.points_milli(&sums, LANDMARK);
        let score = formula.score_milli(&sums, LANDMARK);
        prop_assert_eq!(points.iter().sum::<i64>(), score);
        prop_assert!((0..=100 * MILLI).contains(&score), "{}", score);
        for (points, factor) in points.iter().zip(&scoring.factors) {
            prop_assert!((0..=factor.cap * MILLI).contains(points));
        }
    }

    #[test]
    fn one_more_never_lowers_a_score_and_time_never_raises_it(
        scoring in scorings(), done in done(), more in (0_usize..8, 0_i64..300), ahead in 0_i64..20,
    ) {
        let formula = formula(&scoring, LANDMARK);
        let before = sums_at(&days(&formula, &done, LANDMARK), LANDMARK);
        let mut done = done;
        done.push((more.0, more.1, 1));
        let after = sums_at(&days(&formula, &done, LANDMARK), LANDMARK);
        let day = LANDMARK + ahead;
        prop_assert!(formula.score_milli(&after, day) >= formula.score_milli(&before, day));
        prop_assert!(formula.score_milli(&after, day + 1) <= formula.score_milli(&after, day));
    }

    #[test]
    fn a_million_on_one_day_are_worth_what_the_daily_cap_is(scoring in scorings(), kind in 0_usize..8) {
        let formula = formula(&scoring, LANDMARK);
        let kind = kind % scoring.kinds.len();
        let cap = scoring.kinds[kind].daily_cap;
        prop_assert_eq!(formula.worth(kind, LANDMARK, 1_000_000), formula.worth(kind, LANDMARK, cap));
        prop_assert_eq!(formula.worth(kind, LANDMARK, -3), formula.worth(kind, LANDMARK, 0));
    }

    #[test]
    fn a_level_is_lost_only_below_its_share_of_the_threshold(
        scoring in scorings(), before in 0_i64..4, score in 0_i64..=100_000,
    ) {
        let levels = scoring.levels;
        let before = Level::of(before).unwrap();
        let after = levels.step(before, score);
        let threshold = |level| match level {
            Level::Superfan => levels.superfan,
            Level::Engaged => levels.engaged,
            Level::Casual => levels.casual,
            Level::Inactive => 0,
        };
        let kept = |level| score * 100 >= threshold(level) * MILLI * levels.keep_percent;
        prop_assert_eq!(after < before, !kept(before));
        prop_assert!(kept(after), "{:?} with {}", after, score);
        if after > before {
            prop_assert!(score >= threshold(after) * MILLI);
        }
    }

    /// The walk back, the steps forward and the fold over everything are one.
    #[test]
    fn levels_are_the_same_walked_stepped_and_folded(scoring in scorings(), done in done(), ahead in 0_i64..20) {
        let formula = formula(&scoring, LANDMARK);
        let (days, today) = (days(&formula, &done, LANDMARK), LANDMARK + ahead);
        let first = LANDMARK - 301;
        let folded = |day| level_by_folding(&formula, first, day, |day| sums_at(&days, day));
        let sums = sums_at(&days, today);
        let right = Standing {
            sums,
            day: today,
            score: whole(formula.score_milli(&sums, today)),
            level: folded(today),
            level_before: folded(today - 1),
        };
        prop_assert_eq!(afresh(&formula, &days, today), right);
        prop_assert_eq!(afresh(&formula, &days, LANDMARK).turned(&formula, today), right);
    }

    #[test]
    fn another_landmark_changes_a_score_by_one_at_the_most(scoring in scorings(), done in done(), moved in 1_i64..20) {
        let (old, new) = (formula(&scoring, LANDMARK), formula(&scoring, LANDMARK + moved));
        let day = LANDMARK + moved;
        let score = |formula: &Formula| {
            whole(formula.score_milli(&sums_at(&days(formula, &done, LANDMARK), day), day))
        };
        prop_assert!((score(&old) - score(&new)).abs() <= 1, "{} {}", score(&old), score(&new));
    }
}

/// The largest that passes the check does fit: the products are worked out in more bits.
#[test]
fn a_definition_whose_products_might_overflow_is_found() {
    let mut scoring = Scoring::default();
    assert_eq!(overflowing(&scoring), None);
    scoring.factors[3].half_life = 365;
    scoring.kinds[1].daily_cap = 10_000;
    let mut fits = 0;
    for points in 1..=1_000 {
        scoring.kinds[1].points = points;
        if overflowing(&scoring).is_none() {
            fits = points;
        }
    }
    assert!((1..1_000).contains(&fits), "{fits}");
    scoring.kinds[1].points = fits;
    let weights = Weights::of(&scoring, LANDMARK);
    let sum: i128 = weights.of_factors()[3].iter().map(|weight| i128::from(*weight * fits * 10_000)).sum();
    assert!(sum * 40 * 1_000 < PRODUCT_MAX);
    assert!(sum * 40 * 1_000 * i128::from(fits + 1) / i128::from(fits) >= PRODUCT_MAX);
    scoring.kinds[1].points = fits + 1;
    assert_eq!(overflowing(&scoring), Some(3));
}
