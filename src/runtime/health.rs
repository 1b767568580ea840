//! Whether this process can take work, as `/readyz` and the drain see it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use memberd_jobs::kernel::Timestamp;

/// Signs of life, shared by those who give them and those who ask.
#[derive(Debug, Default)]
pub struct Readiness {
    draining: AtomicBool,
    /// Unix milliseconds; 0 before the first.
    beat: AtomicI64,
    /// When a webhook could not be stored and none was since, in Unix milliseconds; 0 when all is well.
    not_stored: AtomicI64,
}

impl Readiness {
    /// The process is about to end: send it nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// The task that looks after the leases is alive, and the database answered it last time.
    pub fn beat(&self, now: Timestamp) {
        self.beat.store(now.0, Ordering::Release);
    }

    /// A webhook could be stored, or could not: what a small probe write may not notice, such as a full disk.
    pub fn stored(&self, stored: bool, now: Timestamp) {
        self.not_stored
            .store(if stored { 0 } else { now.0 }, Ordering::Release);
    }

    /// When a webhook could not be stored, unless one was since.
    pub fn not_stored(&self) -> Option<Timestamp> {
        let at = self.not_stored.load(Ordering::Acquire);
        (at > 0).then_some(Timestamp(at))
    }

    /// The last sign of life; `None` before the first.
    pub fn last_beat(&self) -> Option<Timestamp> {
        let beat = self.beat.load(Ordering::Acquire);
        (beat > 0).then_some(Timestamp(beat))
    }
}
