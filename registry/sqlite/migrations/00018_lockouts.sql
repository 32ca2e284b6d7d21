-- +goose Up
-- Wrong codes of a second step in a row. They outlive a restart, so that nobody guesses on.

CREATE TABLE second_failures (
  user_id  TEXT PRIMARY KEY REFERENCES users (id),
  failures INTEGER NOT NULL,
  next_at  INTEGER NOT NULL -- when the next code may be tried
) STRICT, WITHOUT ROWID;

-- A browser that has signed in before is known as long as this is the number that it was given.
ALTER TABLE users ADD COLUMN device_epoch INTEGER NOT NULL DEFAULT 0;
