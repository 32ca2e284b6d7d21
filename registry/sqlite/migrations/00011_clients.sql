-- +goose Up
-- Apps that people sign in to with their account here, and what they were given.

CREATE TABLE clients (
  id            TEXT PRIMARY KEY,
  name          TEXT NOT NULL,
  org_id        TEXT NOT NULL DEFAULT '', -- whose members alone may sign in; '' = everybody with an account
  secret        BLOB,                     -- SHA-256; NULL: a public client
  redirect_uris TEXT NOT NULL,            -- JSON array
  logout_uris   TEXT NOT NULL,            -- JSON array
  created_by    TEXT NOT NULL,
  created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX clients_name ON clients (name COLLATE NOCASE, id);

-- Tokens of an app hang under one row, which ends with its sign-in session at the latest.
CREATE TABLE grants (
  id         TEXT PRIMARY KEY,
  client_id  TEXT NOT NULL,
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  org_id     TEXT NOT NULL DEFAULT '',
  scope      TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_session ON grants (session_id);

CREATE TABLE refresh_tokens (
  hash     BLOB PRIMARY KEY,
  grant_id TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
  used_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_grant ON refresh_tokens (grant_id);

ALTER TABLE codes ADD COLUMN grant_id TEXT NOT NULL DEFAULT ''; -- '' of an org's gateway
ALTER TABLE codes ADD COLUMN scope TEXT NOT NULL DEFAULT '';
CREATE INDEX codes_client ON codes (client_id) WHERE grant_id <> '';

-- Requests of devices to be signed in by somebody in a browser (RFC 8628).
CREATE TABLE device_codes (
  hash       BLOB PRIMARY KEY,
  user_code  TEXT NOT NULL UNIQUE,
  client_id  TEXT NOT NULL,
  address    TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  state      TEXT NOT NULL DEFAULT 'pending', -- pending, approved, denied
  session_id TEXT NOT NULL DEFAULT '',        -- of an approved one
  polled_at  INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_codes_expires ON device_codes (expires_at);

-- Of a device: it goes with what the device was given.
ALTER TABLE sessions ADD COLUMN device INTEGER NOT NULL DEFAULT 0;
