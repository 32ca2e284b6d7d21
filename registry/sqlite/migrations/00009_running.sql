-- +goose Up

-- The most instances that ran at once; of the platform's rows alone.
ALTER TABLE usage ADD COLUMN running INTEGER NOT NULL DEFAULT 0;
