-- +goose Up
-- What each of several nodes tells the others: counts of its requests, and how it is.
CREATE TABLE node_reports (
  at     bigint NOT NULL,
  node   text COLLATE "C" NOT NULL,
  counts text COLLATE "C" NOT NULL, -- JSON
  state  text COLLATE "C" NOT NULL, -- JSON; empty when there is a newer one
  PRIMARY KEY (at, node)
);

-- +goose Down
DROP TABLE node_reports;
