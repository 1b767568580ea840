//! The daemon ends in order while it has work.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::support::{World, let_pass, on_both};

/// Ends in the middle of the work.
const STOPS: usize = 4;

on_both! {
    async fn a_stop_under_load_loses_nothing(world: World) {
        let mut daemon = world.daemon().await;
        // Some jobs are waiting for Stripe whenever the signal comes.
        let slow = json!({"target": "stripe", "method": "GET", "mode": "slow", "delay_ms": 700, "rate": 0.2});
        world.fault(&slow).await;
        let busy = json!({"name": "busy_day", "events": 400, "rate_per_second": 150});
        let mut rng = StdRng::seed_from_u64(11);
        let stops = async {
            for _ in 0..STOPS {
                let_pass(Duration::from_millis(rng.random_range(100..600))).await;
                daemon.restart().await;
            }
        };
        tokio::join!(world.inspect("/stripe/scenario", &busy), stops);
        world.clear_faults().await;
        world.settled().await;
        world.assert_mirror_equals_truth().await;
        // Everything was given back or finished: no lease had to expire.
        assert_eq!(world.db.count("job_attempts WHERE error LIKE '%lease expired%'").await, 0);
        let deliveries = world.look("/stripe/deliveries").await;
        assert_eq!(deliveries["failed"], 0, "{deliveries}");
    }

    async fn a_stopped_daemon_says_so_on_the_list_of_nodes(world: World) {
        let mut daemon = world.daemon().await;
        assert_eq!(world.db.count("nodes WHERE stopped_at IS NULL").await, 1);
        daemon.stop();
        assert_eq!(world.db.count("nodes WHERE stopped_at IS NULL").await, 0);
        assert_eq!(world.db.count("nodes").await, 1);
    }
}
