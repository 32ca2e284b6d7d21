package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // driver
)

// populate puts 1,000 suspended orgs, 10,000 users, 1,000 runners, 50,000 audit entries and a
// week of usage of 100 orgs beside what there is. One org has all users as
// members; whoever signs in is a member of 20 orgs.
func (s *servers) populate() error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "ours/data/pizzeria.db")+"?_pragma=busy_timeout(30000)&_txlock=immediate")
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
		"{org}", `printf('01890000-0001-7000-8000-%012x', i)`, "{user}", `printf('01890000-0002-7000-8000-%012x', i)`, "{crowded}", `'01890000-0001-7000-8000-000000000000'`,
		"{now}", strconv.FormatInt(time.Now().UnixMicro(), 10), "{me}", `(SELECT id FROM users WHERE email = '`+email+`')`,
	)
	for _, rows := range []struct {
		n     int
		query string // for each i from 0 to n-1
	}{
		{1000, `INSERT INTO orgs (id, slug, name, plan, status, created_at, updated_at) SELECT {org}, printf('list-%d', i), printf('Org number %d', (i * 7919) % 1000), 'standard', 'suspended', {now} - i * 1000000, {now}`},
		{1000, `INSERT INTO slugs (slug, org_id) SELECT printf('list-%d', i), {org}`},
		{1000, `INSERT INTO instances (org_id, generation, desired, state, changed_at) SELECT {org}, 1, 'stopped', 'stopped', {now}`},
		{10_000, `INSERT INTO users (id, email, name, password_hash, created_at) SELECT {user}, printf('user-%d@example.com', i), printf('Person %d', (i * 7919) % 10000), 'none', {now} - i * 1000000`},
		{10_000, `INSERT INTO memberships (org_id, user_id, role, created_at) SELECT {crowded}, {user}, 'member', {now}`},
		{20, `INSERT INTO memberships (org_id, user_id, role, created_at) SELECT {org}, {me}, 'owner', {now}`},
		{1000, `INSERT INTO runners (id, hash, org_id, name, enrolled_by, created_at, expires_at) SELECT printf('01890000-0003-7000-8000-%012x', i), randomblob(32), {crowded}, printf('runner-%d', (i * 7919) % 1000), {user}, {now} - i * 1000000, {now} + 86400000000`},
		{50_000, `INSERT INTO audit (seq, at, actor_kind, actor, actor_id, address, action, org_id, target, detail, hash, mac)
			SELECT (SELECT max(seq) FROM audit) + 1 + i, {now}, 'user', printf('user-%d@example.com', i % 100), '', '192.0.2.1', 'member.added', printf('01890000-0001-7000-8000-%012x', i % 1000), printf('user-%d@example.com', i), 'member', '', 'none'`},
		{100_000, `INSERT INTO usage (org_id, at, requests, errors, latency) SELECT printf('01890000-0001-7000-8000-%012x', i % 100), ({now} / 600000000 - i / 100) * 600000000, 100, 1, '[10,20,30,20,10,5,5,0,0,0,0,0,0,0,0,0]'`},
	} {
		if _, err := tx.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) `, rows.n) + fill.Replace(rows.query) + ` FROM n`); err != nil {
			return fmt.Errorf("populate: %w: %s", err, rows.query)
		}
	}
	return tx.Commit()
}

// lists are the console's pages and the API's lists that are timed.
var lists = []string{
	"/", "/account", "/platform", "/platform?range=week", "/platform/orgs", "/platform/orgs?search=number+99", "/platform/orgs?status=suspended", "/platform/orgs?sort=-created_at",
	"/platform/users", "/platform/users?search=person+999", "/platform/users?sort=-name", "/platform/instances", "/platform/instances?state=failed", "/platform/webhooks", "/platform/audit",
	"/platform/audit?search=user-4999", "/platform/audit?action=org.created", "/orgs/list-0", "/orgs/list-0?range=week", "/orgs/list-0/members", "/orgs/list-0/members?search=person+999",
	"/orgs/list-0/instance", "/orgs/list-0/runners", "/orgs/list-0/runners?search=runner-99", "/orgs/list-0/settings", "/orgs/list-0/keys", "/orgs/list-0/webhooks", "/orgs/list-0/audit",
	"/api/v1/me", "/api/v1/orgs?limit=200", "/api/v1/orgs?limit=200&search=999", "/api/v1/orgs/list-0", "/api/v1/users?limit=200", "/api/v1/orgs/list-0/members?limit=200",
	"/api/v1/orgs/list-0/runners?limit=200", "/api/v1/audit?limit=200", "/api/v1/orgs/list-0/audit?limit=200", "/api/v1/usage?range=week", "/api/v1/orgs/list-0/usage?range=week", "/api/v1/platform",
}

// timeLists times each page and list, one request at a time.
func (s *servers) timeLists(n int) (map[string]quantiles, error) {
	if err := s.populate(); err != nil {
		return nil, err
	}
	out := map[string]quantiles{}
	for _, path := range lists {
		var took []time.Duration
		for range n {
			began := time.Now()
			code, body, err := s.do(s.client, "GET", s.url("")+path, "", map[string]string{"Sec-Fetch-Site": "same-origin"})
			if err != nil || code != http.StatusOK {
				return nil, fmt.Errorf("%s: %d %.300s %w", path, code, body, err)
			}
			took = append(took, time.Since(began))
		}
		out[path] = quantilesOf(took)
	}
	return out, nil
}
