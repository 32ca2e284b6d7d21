-- +goose Up
-- What each of several nodes tells the others: counts of its requests, and how it is.
CREATE TABLE node_reports (
  at     INTEGER NOT NULL,
  node   TEXT    NOT NULL,
  counts TEXT    NOT NULL, -- JSON
  state  TEXT    NOT NULL, -- JSON; empty when there is a newer one
  PRIMARY KEY (at, node)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE node_reports;
