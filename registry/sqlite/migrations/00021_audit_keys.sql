-- +goose Up
-- Every entry of the audit log is authenticated under a key that is sealed under the secret key, and
-- so are the log's end and beginning. The store does that for the entries that are there when it is
-- first opened after this migration: SQL has no key.

ALTER TABLE audit ADD COLUMN format     INTEGER NOT NULL DEFAULT 1; -- 1: hash over values; 2: over commitments
ALTER TABLE audit ADD COLUMN subject_id TEXT NOT NULL DEFAULT '';   -- the account that it is about
ALTER TABLE audit ADD COLUMN salts      TEXT NOT NULL DEFAULT '{}'; -- by field, of actor, address, target and detail
ALTER TABLE audit ADD COLUMN erased     TEXT NOT NULL DEFAULT '{}'; -- commitments by field, in the place of value and salt
ALTER TABLE audit ADD COLUMN epoch      INTEGER NOT NULL DEFAULT 0; -- of the key
ALTER TABLE audit ADD COLUMN mac        TEXT NOT NULL DEFAULT '';   -- hex HMAC-SHA-256

CREATE TABLE audit_epochs (
  id      INTEGER PRIMARY KEY,
  sealed  BLOB NOT NULL,
  made_at INTEGER NOT NULL
) STRICT;

-- The newest entry. One MAC, under the secret key itself, is over this row and audit_start.
CREATE TABLE audit_head (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL, -- 0: there is no key yet
  seq   INTEGER NOT NULL,
  hash  TEXT NOT NULL,
  mac   TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (id, epoch, seq, hash, mac) VALUES (1, 0, 0, '', '');

-- Triggers stop mistakes; MACs show the rest.
DROP TRIGGER audit_no_update;
-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
WHEN NOT (
  NEW.seq = OLD.seq AND NEW.at = OLD.at AND NEW.actor_kind = OLD.actor_kind AND NEW.actor_id = OLD.actor_id
  AND NEW.action = OLD.action AND NEW.org_id = OLD.org_id AND NEW.subject_id = OLD.subject_id
  AND NEW.format = OLD.format AND NEW.hash = OLD.hash AND NEW.mac <> ''
  AND (OLD.mac = '' OR NEW.epoch = OLD.epoch)
  AND NEW.actor IN (OLD.actor, '') AND NEW.address IN (OLD.address, '')
  AND NEW.target IN (OLD.target, '') AND NEW.detail IN (OLD.detail, '')
)
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_keyed BEFORE INSERT ON audit WHEN NEW.mac = ''
BEGIN SELECT RAISE(ABORT, 'an audit entry needs its MAC'); END;
-- +goose StatementEnd
