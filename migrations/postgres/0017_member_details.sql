-- What people write about members.

ALTER TABLE members ADD COLUMN phone TEXT;
-- when people first wrote her address or name; from then on Stripe's customer does not change them
ALTER TABLE members ADD COLUMN profile_edited_at BIGINT;

CREATE TABLE member_tags (
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    member_id       TEXT COLLATE "C" NOT NULL REFERENCES members (id),
    tag             TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (member_id, tag)
);
CREATE INDEX member_tags_tag ON member_tags (organization_id, tag, member_id);
