//! Every bound that is not configuration, with its name and its reason.

use std::time::Duration;

/// Jobs claimed or acknowledged in one transaction. Larger batches stop paying on both databases.
pub const ROUND_JOBS_MAX: usize = 1_000;

/// Jobs enqueued by one statement; more are split.
pub const ENQUEUE_BATCH_MAX: usize = 5_000;

/// Bytes of a job's arguments. Arguments are ids; whatever is larger belongs into a table.
pub const JOB_ARGS_BYTES_MAX: usize = 16 * 1024;

/// Characters of an error text kept with an attempt.
pub const ERROR_CHARS_MAX: usize = 2_000;

/// Longest pause between two attempts, whatever a policy computes or a server asks for.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_hours(24);

/// Ticks that `catch_up = "all"` fires after a downtime; older ones are dropped.
pub const CATCH_UP_TICKS_MAX: usize = 100;

/// Times a statement is tried again when the database reports a lock or serialization conflict.
pub const BUSY_RETRIES_MAX: u32 = 5;

/// Rows of one page of a list.
pub const PAGE_ROWS_MAX: i64 = 100;

/// Rows of one page of a list when the caller names no limit.
pub const PAGE_ROWS_DEFAULT: i64 = 20;

/// Jobs of each table that one page of the list looks at. A longer walk finds more in a page, and takes longer: this
/// many take 10 to 30 ms where no job passes the filter.
pub const WALK_ROWS_MAX: i64 = 10_000;

/// Jobs of a table that are counted at once whenever somebody asks. More than that are counted now and then.
pub const COUNT_AT_ONCE_MAX: i64 = 10_000;

/// Jobs counted by one statement, so that no snapshot is held for long.
pub const COUNT_SLICE_ROWS: i64 = 20_000;

/// Rows deleted in one transaction by a pruning job, so that no lock is held for long.
pub const PRUNE_BATCH_MAX: i64 = 1_000;

/// How long a transaction on SQLite waits for another process that is writing.
pub const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a transaction on PostgreSQL may do nothing. No transaction waits for anything but the database, so one that
/// does has a process that is frozen or cut off; the server ends it, because its locks would keep others from rescuing
/// that process's jobs.
pub const IDLE_TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// How long a caller waits for a pooled connection.
pub const POOL_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A pooled connection that was used less than this ago is taken without asking whether it still lives.
pub const POOL_TRUST: Duration = Duration::from_secs(1);

/// Prepared statements kept per connection: about twice the number of statements memberd has.
pub const STATEMENT_CACHE: usize = 512;

/// Jobs that one bulk request may name by id.
pub const BULK_IDS_MAX: usize = 1_000;

/// Jobs that one bulk request may match by a filter; they are changed in one transaction.
pub const BULK_FILTER_JOBS_MAX: i64 = 10_000;
