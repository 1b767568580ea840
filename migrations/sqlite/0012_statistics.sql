-- SQLite takes ten rows for each value of an index's first column unless statistics tell otherwise. Every index here
-- begins with the organization, and one organization has nearly all rows: so it walked all of them rather than look up
-- the few that a statement names. These are the statistics of 100,000 members of one organization, row for row as
-- ANALYZE writes them; whoever runs ANALYZE replaces them.
-- Makes the table; of tiers there are few.
ANALYZE tiers;
DELETE FROM sqlite_stat1 WHERE tbl IN ('tiers', 'members', 'member_keys', 'customers', 'subscriptions', 'subscription_items',
    'invoices', 'invoice_payments', 'charges', 'entitlements', 'stripe_objects');
INSERT INTO sqlite_stat1 (tbl, idx, stat)
SELECT m.tbl_name, m.name,
    '100000' || (SELECT group_concat(CASE
            WHEN i.name IN ('organization_id', 'account', 'livemode', 'type', 'provider', 'status') THEN ' 50000'
            WHEN i.name IN ('tier_id', 'product_id', 'price_id') THEN ' 10000'
            ELSE ' 1' END, '')
        FROM (SELECT name FROM pragma_index_info(m.name) ORDER BY seqno) AS i)
FROM sqlite_schema AS m
WHERE m.type = 'index' AND m.tbl_name IN ('members', 'member_keys', 'customers', 'subscriptions', 'subscription_items',
    'invoices', 'invoice_payments', 'charges', 'entitlements', 'stripe_objects');
ANALYZE sqlite_schema;
