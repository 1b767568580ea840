-- The activity log: every call of a key. It holds ids, words of the API and figures, and nothing that a caller has written
-- in a path, a query or a body.

CREATE TABLE activity (
    organization_id TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    key_id          TEXT COLLATE "C" NOT NULL,
    method          TEXT COLLATE "C" NOT NULL,
    -- the route's template
    route           TEXT COLLATE "C" NOT NULL,
    -- the object in the path, and the one that the answer told of
    object_id       TEXT COLLATE "C",
    made_id         TEXT COLLATE "C",
    request_id      TEXT COLLATE "C" NOT NULL,
    -- NULL: it began, and its end is not known
    status          BIGINT,
    milliseconds    BIGINT,
    -- more than one where calls that were refused for coming too often share a row
    calls           BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX activity_key ON activity (organization_id, key_id, id);
