//! temporary
use super::*;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throughput() {
    for (slots, does) in [(8, Does::Complete), (32, Does::Complete), (32, Does::CompleteItself), (100, Does::Complete)] {
        let db = TestDb::sqlite().await;
        let n = 5000;
        enqueue(&db.env, n, does).await;
        let t = Instant::now();
        let p = Running::start(&db.env, |o| { o.slots = Some([(Queue::Default, slots)].into_iter().collect()); });
        let all = n as i64;
        until("done", || async { (db.count("jobs").await == 0 && all > 0).then_some(()) }).await;
        let e = t.elapsed();
        eprintln!("sqlite slots={slots} {does:?}: {n} in {e:?} = {:.0}/s", n as f64 / e.as_secs_f64());
        p.stop().await;
    }
    let db = TestDb::postgres().await;
    enqueue(&db.env, 5000, Does::Complete).await;
    let t = Instant::now();
    let p = Running::start(&db.env, |o| { o.slots = Some([(Queue::Default, 32)].into_iter().collect()); });
    until("done", || async { (db.count("jobs").await == 0).then_some(()) }).await;
    eprintln!("pg slots=32: {:.0}/s", 5000.0 / t.elapsed().as_secs_f64());
    p.stop().await;
}
