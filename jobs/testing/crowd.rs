//! An organization with many members, each with all that belongs to her.

use super::{Engine, TestDb};
use crate::kernel::db::Sql;

/// So many are there.
pub(crate) const CROWD: i64 = 3_000;
/// Whose members are the first five.
pub(crate) const FEW: &str = "crt_few";
/// Whose members are every second of the others.
pub(crate) const MANY: &str = "crt_many";

macro_rules! each {
    ($table:literal, $values:literal) => {
        Sql::both(concat!(
            "INSERT INTO ",
            $table,
            " WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) SELECT ",
            $values,
            " FROM numbers"
        ))
    };
}
const TABLES: [Sql; 8] = [
    Sql::both(
        "INSERT INTO creators (id, organization_id, name, created_at, updated_at)
         VALUES ('crt_few', 'default', 'Few', 0, 0), ('crt_many', 'default', 'Many', 0, 0)",
    ),
    each!(
        "members (id, organization_id, email, email_normalized, joined_at, created_at, updated_at, creator_id, deleted_at)",
        "'mem_' || (10000 + n), 'default', n || '@example.com', n || '@example.com', n, n, n,
         CASE WHEN n <= 5 THEN 'crt_few' WHEN n % 2 = 0 THEN 'crt_many' END, CASE WHEN n % 10 = 9 THEN n END"
    ),
    each!(
        "member_tags (organization_id, member_id, tag)",
        "'default', 'mem_' || (10000 + n), CASE WHEN n % 500 = 7 THEN 'rare' ELSE 'often' END"
    ),
    each!(
        "member_keys (organization_id, provider, external_id, member_id, created_at)",
        "'default', 'crm', CAST(n AS TEXT), 'mem_' || (10000 + n), n"
    ),
    each!(
        "customers (organization_id, id, member_id, link, delinquent, deleted, created_at)",
        "'default', 'cus_' || (10000 + n), 'mem_' || (10000 + n), 'created', FALSE, FALSE, n"
    ),
    each!(
        "subscriptions (organization_id, id, customer_id, status, cancel_at_period_end, deleted, created_at)",
        "'default', 'sub_' || (10000 + n), 'cus_' || (10000 + n), 'active', FALSE, FALSE, n"
    ),
    each!(
        "invoices (organization_id, id, customer_id, subscription_id, status, currency, total, amount_due, amount_paid,
            amount_remaining, attempt_count, deleted, created_at)",
        "'default', 'in_' || (10000 + n), 'cus_' || (10000 + n), 'sub_' || (10000 + n), 'paid', 'usd', 9, 9, 9, 0, 1, FALSE, n"
    ),
    each!(
        "stripe_operations (id, organization_id, kind, account, livemode, method, path, form, form_hash, idempotency_key,
            state, object_type, object_id, member_id, actor, created_at, updated_at)",
        "'op_' || (10000 + n), 'default', 'cancel_subscription', '', FALSE, 'POST', '/', '[]', '', 'k' || n, 'succeeded',
         'subscription', 'sub_' || (10000 + n), 'mem_' || (10000 + n), 'cli', n, n"
    ),
];
const ANALYZE: Sql = Sql::both("ANALYZE");

/// Makes them.
pub(crate) async fn fill(db: &TestDb) {
    for table in TABLES {
        db.execute(table, &[]).await;
    }
}

/// Calls `check` with the statistics that each database has: PostgreSQL its own, SQLite those of the migrations, and then its
/// own as well.
pub(crate) async fn with_statistics(db: &TestDb, check: impl AsyncFn()) {
    if db.engine() == Engine::Sqlite {
        check().await;
    }
    db.execute(ANALYZE, &[]).await;
    check().await;
}
