-- +goose Up
-- Names what this installation runs, wherever that is. Made once, and kept by every backup.
CREATE TABLE installation (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  uuid TEXT NOT NULL
) STRICT;
-- Backups from before this migration get the same one, each by itself: the ID of the oldest org,
-- which is as random and never changes.
INSERT INTO installation (id, uuid) SELECT 1, min(id) FROM orgs HAVING min(id) IS NOT NULL;

ALTER TABLE orgs ADD COLUMN provider TEXT NOT NULL DEFAULT ''; -- '': its plan's
-- What earlier generations may still run under; instances.provider is that of this generation, ''
-- until it is started.
ALTER TABLE instances ADD COLUMN previous_provider TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE instances DROP COLUMN previous_provider;
ALTER TABLE orgs DROP COLUMN provider;
DROP TABLE installation;
