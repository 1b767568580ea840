//! Waiting for conditions, never for time to pass.

use std::time::Duration;

use tokio::time::Instant;

/// How long anything may take before the test has failed. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until `probe` finds something. Panics after [`PATIENCE`], naming what never came.
pub(crate) async fn until<T>(what: &str, probe: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe).await
}

/// Looks until `probe` finds something. Panics after `patience`.
pub(crate) async fn within<T>(
    patience: Duration,
    what: &str,
    probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let found = at_last(patience, probe).await;
    found.unwrap_or_else(|| panic!("within {patience:?} there was never: {what}"))
}

/// Looks until `probe` finds something; `None` after `patience`.
pub(crate) async fn at_last<T>(
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = probe().await;
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The same without a runtime.
pub(crate) fn at_last_blocking<T>(
    patience: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = probe();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(LOOK);
    }
}

/// Lets real time pass on purpose: for what only time shows, such as a lease that expires or the ticks of a clock.
pub(crate) async fn let_pass(time: Duration) {
    tokio::time::sleep(time).await;
}
