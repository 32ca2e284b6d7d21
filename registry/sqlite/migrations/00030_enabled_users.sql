-- +goose Up
ALTER TABLE users ADD COLUMN enabled_at INTEGER NOT NULL DEFAULT 0; -- after it was disabled; 0: it never was

-- +goose Down
ALTER TABLE users DROP COLUMN enabled_at;
