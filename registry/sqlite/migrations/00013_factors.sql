-- +goose Up
-- What somebody shows beside their password.

CREATE TABLE factors (
  id           TEXT PRIMARY KEY,
  user_id      TEXT NOT NULL REFERENCES users (id),
  kind         TEXT NOT NULL,
  name         TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  step         INTEGER NOT NULL DEFAULT 0, -- the last one that was used: none is good twice
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX factors_user ON factors (user_id, id);

CREATE TABLE recovery_codes (
  hash    BLOB PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX recovery_codes_user ON recovery_codes (user_id);
