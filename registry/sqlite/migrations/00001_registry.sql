-- +goose Up
-- Times are Unix microseconds. IDs are UUIDv7 text. Secrets are stored hashed (BLOB) or sealed.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_head (
  id  INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL
) STRICT;
INSERT INTO feed_head (id, seq) VALUES (1, 0);

CREATE TABLE feed (
  seq        INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  org_id     TEXT NOT NULL DEFAULT '',
  user_id    TEXT NOT NULL DEFAULT '',
  session_id TEXT NOT NULL DEFAULT '',
  slug       TEXT NOT NULL DEFAULT '',
  old_slug   TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX feed_at ON feed (at);

CREATE TABLE audit (
  seq        INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  actor_kind TEXT NOT NULL,
  actor      TEXT NOT NULL,
  actor_id   TEXT NOT NULL,
  address    TEXT NOT NULL,
  action     TEXT NOT NULL,
  org_id     TEXT NOT NULL,
  target     TEXT NOT NULL,
  detail     TEXT NOT NULL,
  hash       TEXT NOT NULL
) STRICT;
CREATE INDEX audit_org ON audit (org_id, seq);
-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd

CREATE TABLE users (
  id             TEXT PRIMARY KEY,
  email          TEXT NOT NULL UNIQUE,
  name           TEXT NOT NULL,
  platform_admin INTEGER NOT NULL DEFAULT 0,
  password_hash  TEXT NOT NULL,
  created_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE orgs (
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL,
  name       TEXT NOT NULL,
  plan       TEXT NOT NULL,
  status     TEXT NOT NULL,
  reason     TEXT NOT NULL DEFAULT '',
  settings   TEXT NOT NULL DEFAULT '{}',
  generation INTEGER NOT NULL DEFAULT 1,
  version    INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who has, or had, a slug. A row whose rests_until has passed is free to be taken.
CREATE TABLE slugs (
  slug           TEXT PRIMARY KEY,
  org_id         TEXT NOT NULL REFERENCES orgs (id),
  redirect_until INTEGER, -- a renamed org's old address leads to the new one until then
  rests_until    INTEGER  -- NULL: in use
) STRICT, WITHOUT ROWID;
CREATE INDEX slugs_org ON slugs (org_id);

CREATE TABLE memberships (
  org_id     TEXT NOT NULL REFERENCES orgs (id),
  user_id    TEXT NOT NULL REFERENCES users (id),
  role       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_id, org_id);

CREATE TABLE instances (
  org_id      TEXT PRIMARY KEY REFERENCES orgs (id),
  generation  INTEGER NOT NULL,
  desired     TEXT NOT NULL,
  state       TEXT NOT NULL,
  detail      TEXT NOT NULL DEFAULT '',
  address     TEXT NOT NULL DEFAULT '',
  provider    TEXT NOT NULL DEFAULT '',
  failures    INTEGER NOT NULL DEFAULT 0,
  steps       TEXT NOT NULL DEFAULT '[]',
  changed_at  INTEGER NOT NULL,
  lease_token INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX instances_unsettled ON instances (desired, state);

CREATE TABLE sessions (
  id           TEXT PRIMARY KEY,
  token_hash   BLOB NOT NULL UNIQUE,
  user_id      TEXT NOT NULL REFERENCES users (id),
  auth_time    INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  revoked_at   INTEGER,
  address      TEXT NOT NULL,
  user_agent   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE codes (
  hash         BLOB PRIMARY KEY,
  client_id    TEXT NOT NULL,
  org_id       TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  session_id   TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  challenge    TEXT NOT NULL,
  nonce        TEXT NOT NULL,
  expires_at   INTEGER NOT NULL,
  used_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_expires ON codes (expires_at);

CREATE TABLE links (
  hash       BLOB PRIMARY KEY,
  id         TEXT NOT NULL UNIQUE,
  kind       TEXT NOT NULL,
  org_id     TEXT NOT NULL DEFAULT '',
  role       TEXT NOT NULL DEFAULT '',
  email      TEXT NOT NULL DEFAULT '',
  created_by TEXT NOT NULL DEFAULT '', -- '' = the operator
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX links_org ON links (org_id, kind);

CREATE TABLE keys (
  id         TEXT PRIMARY KEY,
  purpose    TEXT NOT NULL,
  public     TEXT NOT NULL,
  private    BLOB NOT NULL,
  signs_from INTEGER NOT NULL,
  signs_to   INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_purpose ON keys (purpose, signs_from);
