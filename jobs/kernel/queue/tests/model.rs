//! The lease protocol as a model: every order of claims, renewals, expiries, rescues, crashes, lost answers and late
//! words of two processes, checked exhaustively within small bounds.
//!
//! A process that is paused (SIGSTOP, a blocked thread, a hung disk) is one that takes no step for a while, which is
//! among the orders anyway. The model's steps are the transactions of `claim`, `ack` and `lease`, each atomic. Weaker
//! fences than ours fail here, which shows that the model can tell.

use stateright::{Checker, Model, Property};

/// Processes.
const PROCESSES: usize = 2;
/// Attempts of the job.
const ATTEMPTS_MAX: u8 = 2;
/// Claims after which nothing is claimed any more, so that the model is finite: snoozing spends no attempt.
const CLAIMS_MAX: u8 = 4;
/// Crashes in one history.
const CRASHES_MAX: u8 = 2;

/// What an acknowledgement is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fence {
    /// Number of the claim and owner: ours.
    ClaimAndOwner,
    /// The attempt and the owner: attempts are refunded, so two claims can have the same.
    AttemptAndOwner,
    /// The attempt alone.
    Attempt,
    /// The owner alone: a process may claim the same job twice.
    Owner,
    /// Nothing.
    None,
}

#[derive(Clone, Debug)]
struct Protocol {
    fence: Fence,
    /// Whether a process that starts again is another owner.
    new_owner_at_start: bool,
}

/// The row of the job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    owner: Option<u8>,
    claim: u8,
    attempt: u8,
    /// The lease has run out and nobody has noticed.
    expired: bool,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    Completed,
    Discarded,
}

/// What a run knows about its claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    owner: u8,
    claim: u8,
    attempt: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    owner: u8,
    runs: Vec<Run>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    row: Row,
    processes: Vec<Process>,
    crashes: u8,
    next_owner: u8,
    /// Times that the job's transactional work took effect.
    effects: u8,
    /// A word was heard that was not the holder's.
    wrong: bool,
}

/// What a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Completed,
    Retry,
    Snooze,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Claim(usize),
    Renew(usize),
    /// Time passes until the lease has run out.
    Expire,
    Rescue,
    /// A run's word is committed; the answer may be lost, then it says it again.
    Say(usize, usize, Word, bool),
    Crash(usize),
}

impl Protocol {
    /// Whether the row hears the run.
    fn hears(&self, row: &Row, run: &Run) -> bool {
        let (claim, attempt) = (row.claim == run.claim, row.attempt == run.attempt);
        let owner = row.owner == Some(run.owner);
        row.owner.is_some()
            && match self.fence {
                Fence::ClaimAndOwner => claim && owner,
                Fence::AttemptAndOwner => attempt && owner,
                Fence::Attempt => attempt,
                Fence::Owner => owner,
                Fence::None => true,
            }
    }

    fn say(&self, world: &mut World, run: &Run, said: Word) {
        if !self.hears(&world.row, run) {
            return;
        }
        let row = &mut world.row;
        world.wrong |= row.claim != run.claim;
        (row.owner, row.expired) = (None, false);
        match said {
            Word::Completed => {
                row.end = Some(End::Completed);
                world.effects += 1;
            }
            Word::Retry if row.attempt >= ATTEMPTS_MAX => row.end = Some(End::Discarded),
            Word::Retry => {}
            Word::Snooze => row.attempt -= 1,
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let process = |owner| Process {
            owner,
            runs: Vec::new(),
        };
        vec![World {
            row: Row {
                owner: None,
                claim: 0,
                attempt: 0,
                expired: false,
                end: None,
            },
            processes: vec![process(0), process(1)],
            crashes: 0,
            next_owner: 2,
            effects: 0,
            wrong: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let row = &world.row;
        if row.owner.is_some() {
            steps.push(if row.expired {
                Step::Rescue
            } else {
                Step::Expire
            });
        }
        for at in 0..PROCESSES {
            let process = &world.processes[at];
            if row.owner.is_none() && row.end.is_none() && row.claim < CLAIMS_MAX {
                steps.push(Step::Claim(at));
            }
            if row.owner == Some(process.owner) && row.expired {
                steps.push(Step::Renew(at));
            }
            if world.crashes < CRASHES_MAX {
                steps.push(Step::Crash(at));
            }
            for run in 0..process.runs.len() {
                for word in [Word::Completed, Word::Retry, Word::Snooze] {
                    steps.push(Step::Say(at, run, word, false));
                    steps.push(Step::Say(at, run, word, true));
                }
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::Claim(at) => {
                let (row, process) = (&mut world.row, &mut world.processes[at]);
                row.claim += 1;
                row.attempt += 1;
                row.owner = Some(process.owner);
                process.runs.push(Run {
                    owner: process.owner,
                    claim: row.claim,
                    attempt: row.attempt,
                });
            }
            Step::Renew(_) => world.row.expired = false,
            Step::Expire => world.row.expired = true,
            Step::Rescue => {
                let row = &mut world.row;
                (row.owner, row.expired) = (None, false);
                if row.attempt >= ATTEMPTS_MAX {
                    row.end = Some(End::Discarded);
                }
            }
            Step::Say(at, run, says, lost) => {
                let said = world.processes[at].runs[run].clone();
                if !lost {
                    world.processes[at].runs.remove(run);
                }
                self.say(&mut world, &said, says);
            }
            Step::Crash(at) => {
                world.crashes += 1;
                let process = &mut world.processes[at];
                process.runs.clear();
                if self.new_owner_at_start {
                    process.owner = world.next_owner;
                    world.next_owner += 1;
                }
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HOLDER, |_, world: &World| !world.wrong),
            Property::always(ONCE, |_, world: &World| world.effects <= 1),
            Property::always("attempts are bounded", |_, world: &World| {
                world.row.attempt <= ATTEMPTS_MAX
            }),
            Property::always("what has ended has no owner", |_, world: &World| {
                world.row.end.is_none() || world.row.owner.is_none()
            }),
            Property::sometimes("it completes", |_, world: &World| {
                world.row.end == Some(End::Completed)
            }),
            Property::sometimes(
                "a job that kills its process is discarded",
                |_, world: &World| {
                    world.row.end == Some(End::Discarded) && world.crashes == CRASHES_MAX
                },
            ),
        ]
    }
}

const HOLDER: &str = "only the holder of the claim is heard";
const ONCE: &str = "transactional work takes effect at most once";

fn check(fence: Fence, new_owner_at_start: bool) -> impl Checker<Protocol> {
    let protocol = Protocol {
        fence,
        new_owner_at_start,
    };
    protocol.checker().spawn_bfs().join()
}

#[test]
fn every_history_of_two_processes_keeps_the_promises() {
    let checked = check(Fence::ClaimAndOwner, true);
    checked.assert_properties();
    assert!(
        checked.unique_state_count() > 1_000,
        "{} states",
        checked.unique_state_count()
    );
}

#[test]
fn the_number_of_the_claim_alone_would_do_for_processes_that_keep_their_name() {
    check(Fence::ClaimAndOwner, false).assert_properties();
}

#[test]
fn weaker_fences_let_somebody_else_be_heard() {
    for fence in [
        Fence::AttemptAndOwner,
        Fence::Attempt,
        Fence::Owner,
        Fence::None,
    ] {
        let found = check(fence, true).discovery(HOLDER);
        assert!(found.is_some(), "{fence:?} was not shown to fail");
    }
}
