//! Schedules that fire once, on any number of nodes.

use memberd_jobs::{
    both,
    kernel::{
        CatchUp,
        queue::schedules::{self, Wanted},
    },
};

use super::*;

fn hourly() -> Wanted {
    Wanted {
        name: "test.hourly".to_owned(),
        kind: Puppet::KIND.to_owned(),
        args: r#"{"does":"Complete","key":null}"#.to_owned(),
        cron: "0 0 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up: CatchUp::One,
        enabled: true,
    }
}

both! {
    async fn two_nodes_fire_a_tick_once(db: TestDb) {
        let nodes = [db.node().await, db.node().await];
        let processes = nodes.map(|env| Running::start(&env, |options| options.schedules = Some(vec![hourly()])));
        until("the schedule is declared", || async {
            let rows = schedules::all(&db.env.db).await.unwrap();
            rows.first().and_then(|row| row.next_due)
        })
        .await;
        for tick in 1..=3 {
            db.advance(Duration::from_hours(1));
            until("the tick has fired and its job has run", || async {
                let done = db.count("jobs_done WHERE schedule = 'test.hourly' AND state = 'completed'").await;
                (done >= tick).then_some(())
            })
            .await;
        }
        for process in processes {
            process.stop().await;
        }
        assert_eq!(db.count("jobs_done").await, 3);
        assert_eq!(db.count("jobs").await, 0);
    }
}
