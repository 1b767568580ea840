//! From a webhook to its effect: a customer nobody has heard of is announced, and the API is asked until it shows the
//! member.

use std::time::{Duration, Instant};

use crate::support::{Daemon, World, id, webhook};

/// Pause between two probes.
const PAUSE: Duration = Duration::from_millis(250);
/// Pause between two questions.
const LOOK: Duration = Duration::from_millis(3);
/// The longest wait for one effect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Customers to be announced during a load.
pub(crate) async fn customers(world: &World, load: Duration) -> Vec<String> {
    let mut made = Vec::new();
    for number in 0..load.as_millis() / PAUSE.as_millis() {
        let form = format!("email=probe{number}@example.test");
        made.push(id(&world.stripe("POST", "/v1/customers", &form).await));
    }
    made
}

/// The time from sending the webhook to the first answer that shows its effect, for each customer.
pub(crate) async fn run(world: &World, daemon: &Daemon, customers: Vec<String>) -> Vec<Duration> {
    let mut times = Vec::new();
    let begun = Instant::now();
    for (number, customer) in (0_u32..).zip(&customers) {
        tokio::time::sleep_until((begun + PAUSE * number).into()).await;
        let event = webhook::customer_event(&format!("evt_probe{number}"), customer);
        let sent = Instant::now();
        webhook::good(daemon, &event).await.ok();
        let path = format!("/v1/members/ext:stripe:{customer}");
        while daemon.get_as(&world.key, &path).await.status != 200 {
            assert!(sent.elapsed() < PATIENCE, "no effect of {event}");
            tokio::time::sleep(LOOK).await;
        }
        times.push(sent.elapsed());
    }
    times
}
