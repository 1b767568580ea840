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
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "within {patience:?} there was never: {what}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets real time pass on purpose: for what only time shows, such as a lease that expires or the ticks of a clock.
pub(crate) async fn let_pass(time: Duration) {
    tokio::time::sleep(time).await;
}
