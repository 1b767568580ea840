//! The schedule, what answers mean, and payloads.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    kernel::{Timestamp, ports::Answer},
    testing::{silence, status},
    webhooks_out::{
        EVENT_TYPES,
        model::{Disabled, PAUSES, PAYLOAD_BYTES_MAX, REST_MAX, State, Told, Verdict, has_failed_too_long, payload},
    },
};

const NOW: Timestamp = Timestamp(1_768_473_000_000);
/// The middle of the jitter.
const MIDDLE: f64 = 0.5;

#[test]
fn ten_attempts_are_made_over_three_days() {
    let mut at = NOW;
    let mut pauses = Vec::new();
    for attempts in 0.. {
        let verdict = Verdict::of(attempts, &status(500), at, MIDDLE);
        if verdict.state == State::Failed {
            assert_eq!(attempts, 9);
            break;
        }
        pauses.push(verdict.due_at.since(at));
        at = verdict.due_at;
    }
    assert_eq!(pauses, PAUSES);
    assert_eq!(at.since(NOW).as_secs(), 5 + 35 * 60 + 75 * 3600);
}

#[test]
fn only_a_status_from_200_to_299_is_a_success() {
    for (code, state) in [(200, State::Delivered), (204, State::Delivered), (299, State::Delivered), (199, State::Pending),
        (301, State::Pending), (308, State::Pending), (400, State::Pending), (404, State::Pending), (410, State::Pending),
        (429, State::Pending), (500, State::Pending)]
    {
        let verdict = Verdict::of(0, &status(code), NOW, MIDDLE);
        assert_eq!((verdict.state, verdict.gone), (state, code == 410), "{code}");
    }
    let verdict = Verdict::of(0, &silence(), NOW, MIDDLE);
    assert_eq!((verdict.state, verdict.error, verdict.status), (State::Pending, Some("timeout"), None));
}

#[test]
fn a_busy_receiver_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
    let after = |code, seconds| Answer { retry_after: Some(Duration::from_secs(seconds)), ..status(code) };
    let rests = |answer: &Answer| Verdict::of(0, answer, NOW, MIDDLE).rests_until.map(|until| until.since(NOW));
    assert_eq!(rests(&after(429, 90)), Some(Duration::from_secs(90)));
    assert_eq!(rests(&after(503, 1_000_000)), Some(REST_MAX));
    assert_eq!(rests(&after(500, 90)), None);
    // The later of the two counts.
    assert_eq!(Verdict::of(0, &after(429, 90), NOW, MIDDLE).due_at.since(NOW), Duration::from_secs(90));
    assert_eq!(Verdict::of(1, &after(429, 90), NOW, MIDDLE).due_at.since(NOW), PAUSES[1]);
}

#[test]
fn the_log_names_the_answer_that_disables_an_endpoint() {
    let verdict = |code| Verdict::of(0, &status(code), NOW, MIDDLE);
    let (fine, gone, failed) = (verdict(200), verdict(410), verdict(500));
    let hopeless = Verdict::hopeless("too_large", NOW);
    let of = |why: Disabled, all: &[&Verdict]| why.decided_by(all).and_then(|one| one.status);
    assert_eq!(of(Disabled::Gone, &[&failed, &gone, &fine, &failed]), Some(410));
    assert_eq!(of(Disabled::Failing, &[&gone, &failed, &hopeless]), Some(500));
    assert_eq!(of(Disabled::ByHand, &[&failed]), None);
}

#[test]
fn five_days_of_failures_are_too_many() {
    let days = |days: u64| NOW.minus(Duration::from_hours(24 * days));
    assert!(has_failed_too_long(days(5), NOW));
    assert!(!has_failed_too_long(Timestamp(days(5).0 + 1), NOW));
}

#[test]
fn a_payload_is_the_event_and_stays_below_its_bound() {
    let event = |data: String| Told {
        id: "evt_1".to_owned(),
        kind: "audience.member_joined".to_owned(),
        member_id: Some("mem_1".to_owned()),
        sequence: Some(3),
        occurred_at: NOW,
        data,
    };
    assert_eq!(
        payload(&event(r#"{"b":1,"a":[2]}"#.to_owned())).unwrap(),
        r#"{"data":{"a":[2],"b":1},"id":"evt_1","member_id":"mem_1","occurred_at":"2026-01-15T10:30:00Z","sequence":3,"type":"audience.member_joined"}"#
    );
    let large = format!("{:?}", "x".repeat(PAYLOAD_BYTES_MAX));
    assert_eq!(payload(&event(large)), None);
}

#[test]
fn every_type_is_listed_once() {
    let words: std::collections::BTreeSet<_> = EVENT_TYPES.iter().map(|(word, _)| word).collect();
    assert_eq!(words.len(), EVENT_TYPES.len());
    assert!(words.iter().all(|word| !word.contains(' ')), "types are stored with blanks between them");
}

proptest! {
    #[test]
    fn the_jitter_is_a_tenth_of_the_pause(attempts in 0_i64..9, chance in 0.0_f64..1.0) {
        let pause = PAUSES[usize::try_from(attempts).unwrap()];
        let found = Verdict::of(attempts, &status(500), NOW, chance).due_at.since(NOW);
        let one = Duration::from_millis(1);
        prop_assert!(found + one >= pause.mul_f64(0.9) && found <= pause.mul_f64(1.1) + one, "{found:?}");
    }
}
