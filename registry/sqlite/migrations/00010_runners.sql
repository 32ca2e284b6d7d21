-- +goose Up

CREATE TABLE runners (
  id           TEXT PRIMARY KEY,
  hash         BLOB NOT NULL UNIQUE, -- of its key
  org_id       TEXT NOT NULL,
  name         TEXT NOT NULL,
  enrolled_by  TEXT NOT NULL DEFAULT '', -- '' = the operator
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL DEFAULT 0,
  address      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX runners_name ON runners (org_id, name COLLATE NOCASE, id);
CREATE INDEX runners_created ON runners (org_id, created_at, id);
CREATE INDEX runners_enrolled ON runners (org_id, enrolled_by, name COLLATE NOCASE, id);
CREATE INDEX runners_expires ON runners (expires_at);

-- Permissions to enroll one runner each; used up, they are gone.
CREATE TABLE runner_claims (
  hash       BLOB PRIMARY KEY,
  id         TEXT NOT NULL,
  org_id     TEXT NOT NULL,
  name       TEXT NOT NULL,
  life       INTEGER NOT NULL, -- of the runner's key, in microseconds
  created_by TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runner_claims_org ON runner_claims (org_id, expires_at);
CREATE INDEX runner_claims_expires ON runner_claims (expires_at);
