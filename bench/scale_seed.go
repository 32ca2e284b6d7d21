package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver
)

// scaleHot is how many of the orgs have an instance.
const scaleHot = 20

// db opens the database of a server that is stopped.
func (b *scaleBench) db() (*sql.DB, error) {
	if b.postgres != nil {
		return sql.Open("pgx", b.postgres.url(b.postgres.port))
	}
	return sql.Open("sqlite", "file:"+filepath.Join(b.dir, "ours/data/pizzeria.db")+"?_txlock=immediate")
}

// seed puts orgs and as many people, memberships and sessions into the database of a server that is stopped.
// Everybody has the password of whoever set it up, who is a member of the orgs with an instance.
func (b *scaleBench) seed(orgs int) error {
	series := `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) INSERT`
	hex, random := `printf('%012x', i)`, `randomblob(32)`
	if b.postgres != nil {
		series = `WITH n(i) AS (SELECT generate_series(0::bigint, %d - 1)) INSERT`
		hex, random = `lpad(to_hex(i), 12, '0')`, `sha256(i::text::bytea)`
	}
	db, err := b.db()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	fill := strings.NewReplacer(
		"{org}", `'01890000-0001-7000-8000-' || `+hex, "{user}", `'01890000-0002-7000-8000-' || `+hex,
		"{session}", `'01890000-0003-7000-8000-' || `+hex, "{random}", random,
		"{now}", strconv.FormatInt(time.Now().UnixMicro(), 10), "{me}", `(SELECT id FROM users WHERE email = '`+email+`')`,
		"{hot}", strconv.Itoa(scaleHot), "{hash}", `(SELECT password_hash FROM users WHERE email = '`+email+`')`,
	)
	for _, rows := range []struct {
		n     int
		query string // for each i from 0 to n-1
	}{
		{orgs, `orgs (id, slug, name, plan, status, created_at, updated_at)
			SELECT {org}, 'scale-' || i, 'Org number ' || ((i * 7919) % 1000003), 'standard',
			CASE WHEN i < {hot} THEN 'active' ELSE 'suspended' END, {now} - i * 1000000, {now}`},
		{orgs, `slugs (slug, org_id) SELECT 'scale-' || i, {org}`},
		{orgs, `instances (org_id, generation, desired, state, changed_at)
			SELECT {org}, 1, CASE WHEN i < {hot} THEN 'running' ELSE 'stopped' END,
			CASE WHEN i < {hot} THEN 'pending' ELSE 'stopped' END, {now}`},
		{orgs, `users (id, email, name, password_hash, created_at)
			SELECT {user}, 'user-' || i || '@example.com', 'Person ' || i, {hash}, {now} - i * 1000000`},
		{orgs, `memberships (org_id, user_id, role, created_at) SELECT {org}, {user}, 'owner', {now}`},
		{min(orgs, scaleHot), `memberships (org_id, user_id, role, created_at) SELECT {org}, {me}, 'owner', {now}`},
		{orgs, `sessions (id, token_hash, user_id, auth_time, created_at, last_seen_at, expires_at, address, user_agent)
			SELECT {session}, {random}, {user}, {now}, {now}, {now}, {now} + 86400000000, '192.0.2.1', 'bench'`},
	} {
		query := fmt.Sprintf(series, rows.n) + ` INTO ` + fill.Replace(rows.query) + ` FROM n`
		if _, err := tx.Exec(query); err != nil {
			return fmt.Errorf("seeding: %w: %s", err, query)
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if _, err = db.Exec(`ANALYZE`); err != nil {
		return err
	}
	// The server's own copy of the routes does not know of them, since they are not in the feed.
	return os.Remove(filepath.Join(b.dir, "ours/data/snapshot.db"))
}
