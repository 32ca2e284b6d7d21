-- +goose Up
-- The change that gave a setting its value. Clocks do not tell two changes apart.
ALTER TABLE settings ADD COLUMN change_id TEXT NOT NULL DEFAULT '';
