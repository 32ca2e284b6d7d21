-- +goose Up
-- Until when the process that sends it has it to itself; 0: nobody has it.
ALTER TABLE mails ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN claimed_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_claimed ON deliveries (webhook_id, claimed_until) WHERE claimed_until > 0;

-- +goose Down
DROP INDEX deliveries_claimed;
ALTER TABLE deliveries DROP COLUMN claimed_until;
ALTER TABLE mails DROP COLUMN claimed_until;
