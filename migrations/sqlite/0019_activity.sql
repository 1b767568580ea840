-- The activity log: every call of a key. It holds ids, words of the API and figures, and nothing that a caller has written
-- in a path, a query or a body.

CREATE TABLE activity (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    key_id          TEXT NOT NULL,
    method          TEXT NOT NULL,
    -- the route's template
    route           TEXT NOT NULL,
    -- the object in the path, and the one that the answer told of
    object_id       TEXT,
    made_id         TEXT,
    request_id      TEXT NOT NULL,
    -- NULL: it began, and its end is not known
    status          INTEGER,
    milliseconds    INTEGER,
    -- more than one where calls that were refused for coming too often share a row
    calls           INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX activity_key ON activity (organization_id, key_id, id);
