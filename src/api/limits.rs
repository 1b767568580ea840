//! Every bound of the API that is not configuration.

use std::time::Duration;

/// Bytes of a request body unless configured otherwise.
pub const BODY_BYTES_DEFAULT: usize = 256 * 1024;

/// Time a request may take unless configured otherwise.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Nested arrays and objects of a request body.
pub const JSON_DEPTH_MAX: usize = 32;

/// Characters of a request id that a caller sends.
pub const REQUEST_ID_CHARS_MAX: usize = 64;

/// Characters of one parameter in a path or a query.
pub const PARAMETER_CHARS_MAX: usize = 500;

/// Time a key's row is believed without looking again: how long a revoked key may still work on another node.
pub const KEY_CACHE_TTL: Duration = Duration::from_secs(1);

/// Keys remembered by one process.
pub const KEY_CACHE_MAX: usize = 10_000;

/// Pause between two notes that a key was used.
pub const KEY_TOUCH_INTERVAL: Duration = Duration::from_mins(1);

/// How long a rotated key works on unless the request says otherwise.
pub const KEY_OVERLAP_DEFAULT: Duration = Duration::from_hours(24);

/// Seconds for which a rotated secret of a webhook endpoint may sign on.
pub const SECRET_OVERLAP_MAX: i64 = 30 * 24 * 60 * 60;

/// How long a rotated secret signs on unless the request says otherwise.
pub const SECRET_OVERLAP_DEFAULT: Duration = Duration::from_hours(24);

/// Time the database has to prove that it can be written.
pub const READY_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time an answer about readiness is believed, so that nobody can wear out the disk by asking.
pub const READY_CACHE_TTL: Duration = Duration::from_secs(1);

/// Silence after which the workers of this process count as stuck.
pub const WORKER_SILENCE_MAX: Duration = Duration::from_mins(1);

/// How long a webhook that could not be stored makes a process unready, unless one is stored before.
pub const NOT_STORED_MEMORY: Duration = Duration::from_mins(1);

/// Seconds after which a caller that met an overloaded daemon should come back.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// Slots of a queue that people may set.
pub const CONCURRENCY_MAX: i64 = 1_000;

/// Jobs of a queue running at once in the whole installation, as people may limit them.
pub const RUNNING_MAX: i64 = 100_000;

/// Jobs of a queue started per second in the whole installation, as people may limit them.
pub const RATE_MAX: i64 = 100_000;

/// Distance of a job's priority from the normal one that people may set.
pub const PRIORITY_SPAN: i64 = 100;

/// Things that a tier offers.
pub const BENEFITS_MAX: usize = 50;

/// Characters of one of them.
pub const BENEFIT_CHARS_MAX: usize = 200;

/// Characters of a member's words about her cancellation: Stripe's own limit for texts.
pub const COMMENT_CHARS_MAX: usize = 500;

/// Characters of a tier's name and of a plan's: Stripe's own limits are not smaller.
pub const TIER_NAME_CHARS_MAX: usize = 250;

/// Characters of a plan's name.
pub const NICKNAME_CHARS_MAX: usize = 250;

/// Characters of a tier's description.
pub const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// Members that a tier may be limited to.
pub const MEMBER_LIMIT_MAX: i64 = 100_000_000;

/// Minor units of a price: Stripe's own limit of eight digits.
pub const AMOUNT_MAX: i64 = 99_999_999;

/// Intervals between two payments; Stripe takes three years at the most.
pub const INTERVALS_MAX: i64 = 1_095;

/// Days of a trial: Stripe's own limit.
pub const TRIAL_DAYS_MAX: i64 = 730;

/// Characters of an address that Stripe sends a member to.
pub const URL_CHARS_MAX: usize = 2_000;

/// How long a request for a checkout waits for Stripe before it is left to its job.
pub const CHECKOUT_WAIT: Duration = Duration::from_secs(10);

/// Characters of an id of Stripe's in a request; Stripe asks to expect up to 255.
pub const STRIPE_ID_CHARS_MAX: usize = 255;

/// Differing objects that one comparison lists; all are counted.
pub const DRIFT_SHOWN_MAX: usize = 1_000;

/// How long calls are collected before they are written into the activity log.
pub const ACTIVITY_PAUSE: Duration = Duration::from_millis(250);

/// The same after the database has refused them.
pub const ACTIVITY_RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Times that a stop tries to write what the database refuses, with that pause in between.
pub const ACTIVITY_LAST_TRIES: u32 = 3;

/// Calls written into the activity log by one transaction, so that it is short.
pub const ACTIVITY_BATCH_MAX: usize = 512;

/// Calls that wait for the activity log while the database is away; what comes then is lost, and counted.
pub const ACTIVITY_HELD_MAX: usize = 20_000;

/// Sorts of refused calls (key, method and route) that are counted at a time.
pub const ACTIVITY_REFUSED_MAX: usize = 2_000;

/// Calls of one sort that were refused within this time share a row of the activity log.
pub const ACTIVITY_REFUSED_WINDOW: Duration = Duration::from_mins(1);
