//! What scores of a million members cost: building them, turning a day, counting interactions.
//!
//! Jobs run in this program, one after another, on SQLite and on a PostgreSQL server of its own with durable commits.
//! CPU seconds are those of this program and of the server together; wall times suffer from whatever else runs. `./dev bench engagement`
//! prints a table and writes `docs/benchmarks/engagement.md`; `./dev bench engagement -- --quick` takes a hundredth of the members and
//! writes nothing. In both, scores that were kept up to date are compared with scores that are built anew, and SQLite's with
//! PostgreSQL's.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement that cannot be made ends"
)]

#[path = "../page.rs"]
#[expect(dead_code, reason = "other measurements need more of it")]
mod page;
mod usage;
mod world;

use std::{fmt::Write as _, path::Path, time::Duration};

use memberd_jobs::{
    engagement::{self, CountInteractions, TurnDays, local_day},
    kernel::{
        Job, Registry,
        db::Sql,
        outbox::NewJob,
        scoring::{Factor, InteractionKind, Levels, Scoring},
    },
    testing::{Engine, Server, TestDb},
};
use sqlx::Connection as _;

use self::usage::{Spent, measured};

/// Members and interactions of the year, as issue 6 asks for them.
const WORLD: (i64, f64) = (1_000_000, 20_000_000.0);
/// The same in a quick round.
const QUICK: (i64, f64) = (10_000, 200_000.0);
/// Settings of PostgreSQL: its defaults where durability is concerned, and memory for a database of this size.
const SETTINGS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "autovacuum=on",
    "shared_buffers=2GB",
    "max_wal_size=8GB",
];
/// The sums of every member in one plain statement, nothing written: what a rebuild is compared with.
const PLAIN: Sql = Sql::both(
    "SELECT count(*), CAST(sum(c0 + c1 + c2 + c3 + c4 + c5 + c6) AS TEXT) FROM (
        SELECT d.member_no,
            sum(CASE WHEN w.factor = 0 THEN d.n * w.weight ELSE 0 END) AS c0, sum(CASE WHEN w.factor = 1 THEN d.n * w.weight ELSE 0 END) AS c1,
            sum(CASE WHEN w.factor = 2 THEN d.n * w.weight ELSE 0 END) AS c2, sum(CASE WHEN w.factor = 3 THEN d.n * w.weight ELSE 0 END) AS c3,
            sum(CASE WHEN w.factor = 4 THEN d.n * w.weight ELSE 0 END) AS c4, sum(CASE WHEN w.factor = 5 THEN d.n * w.weight ELSE 0 END) AS c5,
            sum(CASE WHEN w.factor = 6 THEN d.n * w.weight ELSE 0 END) AS c6
        FROM activity_days AS d
        CROSS JOIN score_weights AS w
        WHERE w.version = (SELECT max(version) FROM score_versions) AND w.day = d.day
            AND w.factor = CASE WHEN d.kind = 8 THEN 6 ELSE d.kind - 1 END
        GROUP BY d.member_no) AS members",
);

/// The seven factors and eight kinds of `lab/engagement`.
fn scoring() -> Scoring {
    let factors = [
        (30, 20, 30),
        (20, 5, 30),
        (10, 3, 30),
        (20, 5, 14),
        (10, 8, 14),
        (5, 2, 90),
        (5, 10, 30),
    ];
    let kinds = [
        (0, 1, 20),
        (1, 1, 10),
        (2, 1, 10),
        (3, 1, 10),
        (4, 1, 3),
        (5, 1, 5),
        (6, 1, 5),
        (6, 3, 5),
    ];
    let factor = |(at, (cap, half_at, half_life))| Factor {
        id: format!("factor_{at}"),
        cap,
        half_at,
        half_life,
    };
    let kind = |(at, (factor, points, daily_cap)): (usize, (usize, i64, i64))| InteractionKind {
        id: format!("kind_{at}"),
        factor: format!("factor_{factor}"),
        points,
        daily_cap,
        counts_as_interaction: true,
        timed: false,
    };
    Scoring {
        factors: factors.into_iter().enumerate().map(factor).collect(),
        kinds: kinds.into_iter().enumerate().map(kind).collect(),
        levels: Levels {
            superfan: 60,
            engaged: 25,
            casual: 5,
            keep_percent: 85,
        },
    }
}

fn main() {
    let quick = std::env::args_os().any(|arg| arg == "--quick");
    let (members, events) = if quick { QUICK } else { WORLD };
    // On a disk, where commits cost something, and open to PostgreSQL's user, which may not be root.
    let folder = Path::new("/var/tmp");
    let runtime = page::runtime(folder);
    let mut text = format!(
        "# Engagement: scores of {members} members\n\n\
         Written by `./dev bench engagement`; do not edit. One round on {}.\n\n\
         {members} members of {} creators with {events} interactions over a year, the busy ones with most of them; 7 factors and 8 kinds. CPU \
         seconds are those of memberd and of the database together; `longest` is the longest time for which somebody else who wanted to write \
         had to wait, asked every few milliseconds. Goals of issue 6: building within 10 CPU s on PostgreSQL and 15 on SQLite, a day within 4, 30,000 interactions \
         per CPU second in large batches and 15,000 at 10,000, no wait over 150 ms on SQLite.\n\n",
        page::machine(folder),
        world::CREATORS,
    );
    let digests: Vec<_> = [Engine::Sqlite, Engine::Postgres]
        .into_iter()
        .map(|engine| runtime.block_on(one(engine, members, events, &mut text)))
        .collect();
    assert_eq!(
        digests[0], digests[1],
        "the scores of SQLite and PostgreSQL differ"
    );
    text.push_str("After all of this, the scores on both databases were the same, bit for bit, and the same as built anew.\n");
    println!("{text}");
    if !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks");
        std::fs::write(docs.join("engagement.md"), text).unwrap();
    }
}

/// A world, and where to write what was measured in it.
struct Bench<'a> {
    db: &'a TestDb,
    registry: Registry,
    text: &'a mut String,
}

/// Everything on one database.
async fn one(engine: Engine, members: i64, events: f64, text: &mut String) -> (i64, i64, i64, i64) {
    let server = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(Server::start_with(&SETTINGS).await),
    };
    let db = match &server {
        Some(server) => TestDb::on(server).await,
        None => TestDb::sqlite().await,
    };
    let db = db.with_settings(|settings| settings.scoring = scoring());
    let name = db.db.engine();
    let today = local_day(chrono_tz::Tz::UTC, db.now());
    let (rows, interactions) = world::fill(&db, today, members, events).await;
    println!("{name}: {rows} rows of activity with {interactions} interactions");
    if server.is_some() {
        let mut connection = sqlx::PgConnection::connect(&db.url()).await.unwrap();
        let vacuum = sqlx::raw_sql("VACUUM ANALYZE");
        vacuum.execute(&mut connection).await.unwrap();
    }
    let _ = writeln!(
        text,
        "| {name} | CPU s | s | longest | |\n|---|--:|--:|--:|---|"
    );
    let registry = Registry::of(memberd_jobs::FAMILIES);
    let mut bench = Bench {
        db: &db,
        registry,
        text,
    };
    // The first interactions make the version.
    world::tell(&db, today, members, 100, 7).await;
    bench.run(&CountInteractions {}).await;

    let plain = measured(&db, async {
        db.rows::<(i64, String)>(PLAIN, &[]).await;
    })
    .await;
    bench.line(
        "the sums in one plain statement, nothing written",
        &plain,
        "",
    );
    let built = bench.rebuilt().await;
    let ratio = format!("{:.2} times the plain statement", built.cpu / plain.cpu);
    bench.line("building all scores", &built, &ratio);
    let again = bench.rebuilt().await;
    bench.line(
        "building them beside those that are there, which are then deleted",
        &again,
        "",
    );
    for (how_many, seed) in [(10_000, 11), (100_000, 13)] {
        world::tell(&db, today, members, how_many, seed).await;
        let counted = bench.run(&CountInteractions {}).await;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let speed = format!("{:.0} per CPU s", how_many as f64 / counted.cpu);
        bench.line(
            &format!("counting {how_many} interactions"),
            &counted,
            &speed,
        );
    }
    let kept = world::digest(&db).await;
    bench.rebuilt().await;
    let built = world::digest(&db).await;
    assert_eq!(built, kept, "{name}: built anew, the scores differ");
    db.advance(Duration::from_hours(24));
    let turned = bench.run(&TurnDays {}).await;
    bench.line("turning a day", &turned, "");
    bench.text.push('\n');
    world::digest(&db).await
}

impl Bench<'_> {
    /// What it costs to run a job, and all that it enqueues.
    async fn run<J: Job>(&self, job: &J) -> Spent {
        self.db.enqueue(NewJob::of("default", job).unwrap()).await;
        self.drained().await
    }

    async fn rebuilt(&self) -> Spent {
        let mut tx = self.db.db.begin().await.unwrap();
        let rebuild = engagement::rebuild(&mut tx, &self.db.env, "default");
        rebuild.await.unwrap();
        tx.commit().await.unwrap();
        self.drained().await
    }

    async fn drained(&self) -> Spent {
        let drained = async {
            self.db.drain(&self.registry).await;
        };
        Box::pin(measured(self.db, drained)).await
    }

    fn line(&mut self, what: &str, spent: &Spent, note: &str) {
        let (name, Spent { cpu, wall, longest }) = (self.db.db.engine(), spent);
        println!("{name}: {what}: {cpu:.2} CPU s, {wall:.1} s, longest {longest:.0} ms {note}");
        let row = format!("| {what} | {cpu:.2} | {wall:.1} | {longest:.0} ms | {note} |");
        let _ = writeln!(self.text, "{row}");
    }
}
