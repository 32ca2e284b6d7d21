package sqlstore_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// TestEraseAudit: what is personal of an account goes from entries that it made and that are about
// it, also under an earlier address, and from the file; nothing of anybody else does, and the log
// holds, under each key.
func TestEraseAudit(t *testing.T) {
	w := newAuditWorld(t)
	ctx, operator, system := t.Context(), registry.AsOperator(), registry.AsSystem("test")
	make := func(email string) registry.User {
		t.Helper()
		u, err := w.s.CreateUser(
			ctx,
			operator,
			registry.NewUser{Email: email, Name: email, PasswordHash: "x"},
		)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	ada, bob := make("ada@example.com"), make("bob@example.com")
	say := func(a registry.Actor, c registry.Change, target, detail string) int64 {
		t.Helper()
		if err := w.s.Record(context.Background(), a, 1, c, target, detail); err != nil {
			t.Fatal(err)
		}
		return w.head().Seq
	}
	asAda, asBob := registry.AsUser(
		ada,
		"",
		"198.51.100.77",
	), registry.AsUser(
		bob,
		"",
		"203.0.113.5",
	)
	type want struct{ actor, address, target, detail string }
	wants := map[int64]want{}
	is := func(seq int64, w want) { wants[seq] = w }
	const gone = "(erased)"
	is(
		say(
			asAda,
			registry.Change{Kind: registry.ChangeSessionCreated, UserID: ada.ID},
			ada.Email,
			"Netscape/4.0",
		),
		want{gone, gone, gone, gone},
	)
	is(
		say(
			registry.AsVisitor("198.51.100.78"),
			registry.Change{Kind: registry.ChangeSignInLimited, UserID: ada.ID},
			ada.Email,
			"too many",
		),
		want{"visitor", gone, gone, "too many"},
	)
	is(say(asAda, registry.Change{Kind: registry.ChangeUserChanged, UserID: ada.ID}, "ada@example.org",
		"ada@example.com -> ada@example.org"), want{gone, gone, gone, gone})
	is(
		say(
			asBob,
			registry.Change{Kind: registry.ChangeMemberAdded, UserID: ada.ID},
			"ada@example.org",
			"admin",
		),
		want{bob.Email, "203.0.113.5", gone, "admin"},
	)
	is(say(asBob, registry.Change{Kind: registry.ChangeInviteCreated}, "ada@example.com", "member"),
		want{bob.Email, "203.0.113.5", gone, "member"})
	is(say(asAda, registry.Change{Kind: registry.ChangeOrgRenamed}, "acme", "acme -> globex"),
		want{gone, gone, "acme", "acme -> globex"})
	is(say(asAda, registry.Change{Kind: registry.ChangeMemberAdded, UserID: bob.ID}, bob.Email, "owner"),
		want{gone, gone, bob.Email, "owner"})
	is(
		say(
			asBob,
			registry.Change{Kind: registry.ChangeOrgSuspended},
			"acme",
			"asked by ada@example.com",
		),
		want{bob.Email, "203.0.113.5", "acme", gone},
	)
	is(
		say(
			asBob,
			registry.Change{Kind: registry.ChangeUserChanged, UserID: bob.ID},
			bob.Email,
			"new recovery codes",
		),
		want{bob.Email, "203.0.113.5", bob.Email, "new recovery codes"},
	)
	is(say(asBob, registry.Change{Kind: registry.ChangeInviteCreated}, "not-ada@example.com", "member"),
		want{bob.Email, "203.0.113.5", "not-ada@example.com", "member"})
	// A kind that nobody classified is about its account.
	is(say(asBob, registry.Change{Kind: "new.kind", UserID: ada.ID}, "a name", "a detail"),
		want{bob.Email, "203.0.113.5", gone, gone})
	w.rekey(otherKey(t))
	before := w.head()
	n, err := w.s.EraseAudit(ctx, system, ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range wants {
		e := w.entry(seq)
		for field, v := range map[string]string{
			"actor": want.actor, "address": want.address, "target": want.target, "detail": want.detail,
		} {
			if e.Shown(field) != v {
				t.Errorf("entry %d: %s is %q, want %q", seq, field, e.Shown(field), v)
			}
			if _, salted := e.Salts[field]; salted == (v == gone) {
				t.Errorf("entry %d: salt of %s: %t", seq, field, salted)
			}
		}
	}
	r, err := w.verify(before)
	if err != nil || r.Erased != int64(n) ||
		n != 10 { // nine of the above, and the account's creation
		t.Errorf("%+v %d %v", r, n, err)
	}
	if e := w.entry(before.Seq + 1); e.Action != registry.ChangeAuditErased || e.SubjectID != ada.ID ||
		e.Target != string(ada.ID) || e.Actor != "test" {
		t.Errorf("%+v", e)
	}
	if again, err := w.s.EraseAudit(ctx, system, ada.ID); err != nil || again != 0 {
		t.Errorf("%d %v", again, err)
	}
	for _, file := range []string{w.path, w.path + "-wal"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"Netscape/4.0", "198.51.100.77", "198.51.100.78", "ada@example.org"} {
			if bytes.Contains(b, []byte(text)) {
				t.Errorf("%s still has %s", file, text)
			}
		}
	}
	if _, err := w.s.EraseAudit(ctx, operator, bob.ID); registry.ErrorCode(
		err,
	) != registry.CodeForbidden {
		t.Error(err)
	}
	p, err := w.s.PlatformAudit(
		ctx,
		operator,
		registry.AuditList{List: registry.List{Search: "ada@"}},
	)
	if err != nil || slices.ContainsFunc(p.Items, func(e registry.AuditEntry) bool {
		return e.Target != "not-ada@example.com"
	}) {
		t.Errorf("%+v %v", p, err)
	}
}
