package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestNothingPersonalIsLeft: no column of any table has a deleted account's e-mail addresses, name,
// or network addresses, and its ID is only where it says nothing but that there was an account.
func TestNothingPersonalIsLeft(t *testing.T) {
	w := newAuditWorld(t)
	ctx, operator, system := t.Context(), registry.AsOperator(), registry.AsSystem("test")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	user := func(email, name string, admin bool) registry.User {
		t.Helper()
		u, err := w.s.CreateUser(ctx, operator, registry.NewUser{Email: email, Name: name, PlatformAdmin: admin, PasswordHash: "x"})
		ok(err)
		return u
	}
	user("root@example.com", "Root", true)
	boss := user("boss@example.com", "Boss", false)
	u := user("zoe.old@example.com", "Zoe Quill", true)
	acme, err := w.s.CreateOrg(ctx, operator, registry.NewOrg{Slug: "acme", Owner: boss.ID})
	ok(err)
	now := w.now
	sign := func(u registry.User, n int) registry.Actor {
		t.Helper()
		s, err := w.s.CreateSession(ctx, system, registry.NewSession{
			Token: registry.Hash{byte(n)}, User: u, Address: "198.51.100.77", UserAgent: "Quillbrowser/1", Methods: registry.MethodPassword,
		})
		ok(err)
		return registry.AsSession(u, s, "198.51.100.77")
	}
	as := sign(u, 1)
	asBoss := registry.AsSession(boss, registry.Session{ID: "boss", AuthTime: now}, "203.0.113.9")

	// Something in every table that can name a person.
	secret := func(s string) (h registry.Hash) { copy(h[:], s); return h }
	_, err = w.s.CreateAccountLink(ctx, as, registry.LinkEmail, u.ID, "zoe.new@example.com", secret("email"))
	ok(err)
	_, _, err = w.s.ConfirmEmail(ctx, as, secret("email"))
	ok(err)
	if u, err = w.s.User(ctx, system, u.ID); err != nil {
		t.Fatal(err)
	}
	as = registry.AsSession(u, registry.Session{ID: as.Session, AuthTime: now}, "198.51.100.77")
	_, err = w.s.CreateInvite(ctx, asBoss, acme.ID, u.Email, registry.RoleAdmin, secret("invite"))
	ok(err)
	_, err = w.s.AcceptInvite(ctx, as, secret("invite"))
	ok(err)
	_, err = w.s.CreateInvite(ctx, asBoss, acme.ID, "zoe.new@example.com", registry.RoleMember, secret("second invite"))
	if registry.ErrorCode(err) != registry.CodeConflict {
		t.Fatal(err)
	}
	_, err = w.s.AddFactor(ctx, as, registry.Factor{ID: registry.FactorID(registry.NewID()), Kind: registry.FactorTOTP, Name: "Zoe's phone", Sealed: []byte("x")}, 1, []registry.Hash{secret("code")})
	ok(err)
	_, err = w.s.CreateAPIKey(ctx, as, registry.NewAPIKey{Name: "Zoe's script", Scopes: []registry.Scope{registry.ScopeOrgRead}}, secret("key"))
	ok(err)
	_, err = w.s.CreateAPIKey(ctx, as, registry.NewAPIKey{Name: "ci", OrgID: acme.ID, Role: registry.RoleAdmin, Scopes: []registry.Scope{registry.ScopeOrgRead}}, secret("service key"))
	ok(err)
	_, err = w.s.CreateRunnerClaim(ctx, as, acme.ID, registry.NewRunnerClaim{Name: "build"}, secret("claim"))
	ok(err)
	_, err = w.s.EnrollRunner(ctx, registry.AsVisitor("203.0.113.9"), secret("claim"), "", secret("runner"))
	ok(err)
	_, err = w.s.CreateWebhook(ctx, as, registry.Webhook{OrgID: acme.ID, URL: "https://hooks.example/", Sealed: []byte("x")})
	ok(err)
	_, err = w.s.CreateClient(ctx, as, registry.NewClient{Name: "App", RedirectURIs: []string{"https://app.example/"}}, secret("app"))
	ok(err)
	ok(w.s.SetSettings(ctx, as, acme.ID, "", map[string]*registry.SettingValue{"COLOUR": {Value: "red"}}))
	ok(w.s.KeepDraft(ctx, as, u.ID, registry.DraftID(registry.NewID()), []byte("x")))
	ok(w.s.QueueMail(ctx, system, registry.Mail{ID: registry.NewID(), To: u.Email, Sealed: []byte("x")}, ""))
	if _, err := w.s.BeginIdempotent(ctx, as, "once", secret("request")); err != nil {
		t.Fatal(err)
	}
	name := "Zoe Quill-Vance"
	ok(w.s.UpdateUser(ctx, as, u.ID, registry.UserChange{Name: &name}))
	sign(u, 2)

	if left := w.traces(t, u.ID); len(left) < 15 {
		t.Fatalf("the account is in too few places to test anything: %q", left)
	}
	if _, err := w.s.DeleteUser(ctx, as, u.ID, registry.UserDeletion{}); err != nil {
		t.Fatal(err)
	}
	for _, place := range w.traces(t, u.ID) {
		switch place {
		case "audit.actor_id: ID", "audit.subject_id: ID", "audit.target: ID", // what there was, not who
			"feed.user_id: ID", "member_versions.user_id: ID", "runners.enrolled_by: ID", "api_keys.created_by_id: ID",
			"revocations.user_id: ID": // until the instances were told
		default:
			t.Errorf("left: %s", place)
		}
	}
	if _, err := w.s.VerifyAudit(ctx, system, nil); err != nil {
		t.Error(err)
	}
}

// traces are the columns in which something of an account of TestNothingPersonalIsLeft is.
func (w *auditWorld) traces(t *testing.T, id registry.UserID) (places []string) {
	t.Helper()
	rows, err := w.s.Reader().QueryContext(t.Context(),
		`SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose%' ORDER BY 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var columns [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		for what, text := range map[string]string{
			"ID": string(id), "address": "zoe.", "name": "zoe", "family name": "quill", "network": "198.51.100.77",
		} {
			var n int
			q := fmt.Sprintf(`SELECT count(*) FROM %q WHERE instr(lower(CAST(%q AS TEXT)), $1)`, c[0], c[1])
			if err := w.s.Reader().QueryRowContext(t.Context(), q, strings.ToLower(text)).Scan(&n); err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			if n > 0 {
				places = append(places, c[0]+"."+c[1]+": "+what)
			}
		}
	}
	return places
}
