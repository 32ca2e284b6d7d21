-- +goose Up
-- Where the audit log begins, once entries older than the operator keeps are removed. No other entry can be.

CREATE TABLE audit_start (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  seq  INTEGER NOT NULL, -- of the first entry that is kept
  hash TEXT NOT NULL     -- of the last one that was removed
) STRICT;
INSERT INTO audit_start (id, seq, hash) VALUES (1, 1, '');
CREATE INDEX audit_at ON audit (at);

DROP TRIGGER audit_no_delete;
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN OLD.seq >= (SELECT seq FROM audit_start) BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_start_forward BEFORE UPDATE ON audit_start WHEN NEW.seq < OLD.seq BEGIN SELECT RAISE(ABORT, 'what was removed does not come back'); END;
-- +goose StatementEnd
