-- +goose Up
-- Providers elsewhere by which people sign in here, and what orgs ask of a sign-in.

CREATE TABLE connections (
  id           TEXT PRIMARY KEY,
  org_id       TEXT NOT NULL DEFAULT '', -- '' = the operator's
  kind         TEXT NOT NULL,
  name         TEXT NOT NULL,
  issuer       TEXT NOT NULL,
  client_id    TEXT NOT NULL,
  sealed       BLOB,
  scopes       TEXT NOT NULL,
  sign_up      INTEGER NOT NULL,
  required     INTEGER NOT NULL,
  trust_email  INTEGER NOT NULL,
  roles_claim  TEXT NOT NULL,
  roles        TEXT NOT NULL,
  default_role TEXT NOT NULL,
  created_by   TEXT NOT NULL,
  created_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX connections_org ON connections (org_id, id);

CREATE TABLE identities (
  connection_id TEXT NOT NULL REFERENCES connections (id),
  subject       TEXT NOT NULL,
  user_id       TEXT NOT NULL REFERENCES users (id),
  email         TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  last_used_at  INTEGER NOT NULL,
  PRIMARY KEY (connection_id, subject)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX identities_user ON identities (user_id, connection_id);

CREATE TABLE domains (
  domain      TEXT NOT NULL,
  org_id      TEXT NOT NULL REFERENCES orgs (id),
  token       TEXT NOT NULL,
  verified_at INTEGER NOT NULL DEFAULT 0,
  verified_by TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (domain, org_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at > 0;
CREATE INDEX domains_org ON domains (org_id, domain);

ALTER TABLE orgs ADD COLUMN sso_required INTEGER NOT NULL DEFAULT 0; -- one of its connections is
ALTER TABLE orgs ADD COLUMN second_step_required INTEGER NOT NULL DEFAULT 0;

ALTER TABLE sessions ADD COLUMN methods TEXT NOT NULL DEFAULT 'pwd';  -- how the person showed who they are (RFC 8176)
ALTER TABLE sessions ADD COLUMN connection_id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN via_org TEXT NOT NULL DEFAULT '';     -- the connection's
CREATE INDEX sessions_connection ON sessions (connection_id) WHERE connection_id <> '';
