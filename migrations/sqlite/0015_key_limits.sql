-- Keys of the operator's own programs may call as often as they like.

ALTER TABLE api_keys ADD COLUMN unlimited INTEGER NOT NULL DEFAULT FALSE;
