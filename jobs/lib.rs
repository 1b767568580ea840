//! Everything memberd decides, one folder per family.
//!
//! A family may call the families listed above it, never the ones below. The crate opens no socket except the
//! database's; what it needs from outside stands in [`kernel::ports`].

pub mod kernel;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

kernel::families! {
    access,
    creators,
    housekeeping,
    webhooks_out,
    members,
    entitlements,
    sync,
    engagement,
    roster,
    operations,
}
