-- +goose Up

-- The app whose own runner it is; '' = none.
ALTER TABLE runners ADD COLUMN app TEXT NOT NULL DEFAULT '';
ALTER TABLE runner_claims ADD COLUMN app TEXT NOT NULL DEFAULT '';
CREATE INDEX runners_app ON runners (expires_at) WHERE app <> '';

-- +goose Down
DROP INDEX runners_app;
ALTER TABLE runner_claims DROP COLUMN app;
ALTER TABLE runners DROP COLUMN app;
