package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

func TestCheckPassword(t *testing.T) {
	for _, bad := range []string{
		"short", "", "password123", "P@ssw0rd123", "qwertyuiop", "1234567890", "abcdefghij", "aaaaaaaaaaaa", "abcabcabcabc", "Pizzeria2026", "ada.lovelace1", "lovelace!!!!", "  password  ",
		strings.Repeat("x y", 100),
	} {
		if registry.ErrorCode(CheckPassword(bad, "ada.lovelace@example.com", "Ada Lovelace")) != registry.CodeInvalid {
			t.Errorf("%q is accepted", bad)
		}
	}
	for _, good := range []string{goodPassword, "Grüße aus Köln", "xK9$mQ2!vR", "ピザが大好きです本当に"} {
		if err := CheckPassword(good, "ada.lovelace@example.com", "Ada Lovelace"); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestHash(t *testing.T) {
	h := newHasher()
	a, err := h.hash(ctx, goodPassword)
	if err != nil || !strings.HasPrefix(string(a), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("%s %v", a, err)
	}
	if b, _ := h.hash(ctx, goodPassword); a == b {
		t.Error("no salt")
	}
	// A hash that other software made, with other parameters (from the argon2 reference).
	salt := []byte("somesalt")
	foreign := registry.PasswordHash(fmt.Sprintf("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$%s", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"))
	if ok, rehash, err := h.check(ctx, "password", foreign); err != nil || !ok || !rehash {
		t.Errorf("foreign hash: %v %v %v", ok, rehash, err)
	}
	_ = argon2.IDKey([]byte("password"), salt, 1, 8, 1, 32)
	for _, stored := range []registry.PasswordHash{a, ""} {
		if ok, _, err := h.check(ctx, "another one", stored); ok || err != nil {
			t.Errorf("%.10s: %v %v", stored, ok, err)
		}
	}
	if ok, rehash, err := h.check(ctx, goodPassword, a); !ok || rehash || err != nil {
		t.Errorf("%v %v %v", ok, rehash, err)
	}
	if _, _, err := h.check(ctx, "x", "$argon2id$v=19$m=99999999,t=2,p=1$AA$AAAA"); err == nil {
		t.Error("a hash that would take 100 GB is computed")
	}
}

// Old parameters are replaced at the next sign-in.
func TestRehash(t *testing.T) {
	f := newFixture(t)
	u := f.user("ada@example.com")
	old := registry.PasswordHash("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	if err := f.store.SetPassword(ctx, registry.AsUser(u, "", ""), old); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := f.s.SignIn(ctx, "ada@example.com", "password", Client{}); err != nil {
			t.Fatal(err)
		}
	}
	u, err := f.store.UserByEmail(ctx, registry.AsSystem("test"), "ada@example.com")
	if err != nil || !strings.Contains(string(u.PasswordHash), "m=19456") {
		t.Fatalf("%v %v", u, err)
	}
}

// A flood of sign-ins holds a bounded number of hashes in memory; the rest hear CodeOverloaded.
func TestHashingIsBounded(t *testing.T) {
	h := newHasher()
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	c, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var mu sync.Mutex
	busy := 0
	for range maxWaiting + 50 {
		wg.Go(func() {
			if _, err := h.hash(c, "x"); registry.ErrorCode(err) == registry.CodeOverloaded {
				mu.Lock()
				if busy++; busy == 50 {
					cancel() // all others wait
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if busy != 50 {
		t.Errorf("%d were refused, want 50", busy)
	}
	cancel()
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := token.NewSecret()
	k := &MasterKey{raw: [32]byte{42}}
	u := registry.User{PasswordHash: "canary-hash"}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "key", k, "user", u)
	j, _ := json.Marshal(map[string]any{"s": s, "u": u})
	all := b.String() + string(j) + fmt.Sprintf("%v %+v %#v %s %v %#v %+v", s, s, s, s, k, k, u)
	for _, canary := range []string{s.Reveal(), "canary-hash", "{42 0", "2a, 0x"} {
		if strings.Contains(all, canary) {
			t.Errorf("%q is printed in %s", canary, all)
		}
	}
}

func TestMasterKeyText(t *testing.T) {
	for text, ok := range map[string]bool{
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": true, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n": true, "short": false, "": false, strings.Repeat("A", 100): false,
	} {
		if _, err := ParseMasterKey(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
