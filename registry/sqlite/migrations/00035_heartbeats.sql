-- +goose Up
-- The last heartbeat of each org's instance.
CREATE TABLE heartbeats (
  org_id      TEXT PRIMARY KEY REFERENCES orgs (id),
  generation  INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  body        TEXT NOT NULL -- JSON: what it said
) STRICT, WITHOUT ROWID;

-- People and runners that an org's instance is yet to be told of. One of the two IDs is empty.
CREATE TABLE revocations (
  org_id    TEXT NOT NULL,
  user_id   TEXT NOT NULL,
  runner_id TEXT NOT NULL,
  seq       INTEGER NOT NULL, -- of the change in the feed
  PRIMARY KEY (org_id, user_id, runner_id)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE revocations;
DROP TABLE heartbeats;
