//! Calibration of an invented audience, on both databases.

use super::{Shares, calibrate};
use crate::{
    both,
    kernel::scoring::Scoring,
    testing::engaged::{Did, Engaged, Somebody},
};

const WANTED: Shares = Shares { superfan: 10, engaged: 20, casual: 40 };

both! {
    async fn constants_follow_from_the_median_and_the_wanted_shares_and_nothing_is_changed(db: TestDb) {
        assert_eq!(calibrate(&db.env, "default", WANTED).await.unwrap(), None);
        let world = Engaged::begin(&db, Scoring::default()).await;
        for number in 0..50 {
            // Member 9 looks at 1, member 49 at 41 things; the first nine at nothing, and two are deleted.
            let views = (number > 8).then_some(Did { ago: 0, kind: 1, n: number - 8, seconds: 0 });
            let deleted = matches!(number, 12 | 40);
            let one = Somebody { deleted, ..Somebody::new(&format!("mem_{number}"), views.as_slice()) };
            world.put(&one).await;
        }
        let versions = db.count("score_versions").await;
        let found = calibrate(&db.env, "default", WANTED).await.unwrap().unwrap();
        assert_eq!(found.members, 48);
        let views = found.factors.iter().find(|factor| factor.id == "views").unwrap();
        // What counts in a day is capped at 20, and so much has more than half of the 39 who look.
        assert_eq!((views.active, views.before, views.half_at), (39, 20, 20));
        let talk = found.factors.iter().find(|factor| factor.id == "talk").unwrap();
        assert_eq!((talk.active, talk.half_at), (0, talk.before));
        let levels = found.levels;
        assert!(levels.casual < levels.engaged && levels.engaged < levels.superfan, "{levels:?}");
        assert_eq!(found.reached.iter().sum::<i64>(), found.members);
        // Twenty-one look at so many that the cap makes them equal: a threshold takes all of them or none.
        let [inactive, casual, engaged, superfans] = found.reached;
        assert_eq!((engaged, superfans), (21, 0));
        assert!((12..=13).contains(&casual), "{casual} casual, {inactive} inactive");
        assert_eq!(db.count("score_versions").await, versions);
    }
}
