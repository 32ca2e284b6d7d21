-- +goose Up

CREATE TABLE api_keys (
  id           TEXT PRIMARY KEY,
  hash         BLOB NOT NULL UNIQUE,
  kind         TEXT NOT NULL,
  name         TEXT NOT NULL,
  user_id      TEXT NOT NULL DEFAULT '', -- whose, of a personal key
  org_id       TEXT NOT NULL DEFAULT '', -- the one org that it reaches
  role         TEXT NOT NULL DEFAULT '', -- of a service key
  scopes       TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_user ON api_keys (user_id, kind);
CREATE INDEX api_keys_org ON api_keys (org_id, kind);
CREATE INDEX api_keys_expires ON api_keys (expires_at);
