package assertion

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signer signs with another library than the one that verifies.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

func (s signer) sign(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}
	by, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	o, err := by.Sign(b)
	if err != nil {
		t.Fatal(err)
	}
	token, err := o.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func jwks(t *testing.T, signers ...signer) []byte {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: &s.key.PublicKey, KeyID: s.kid, Algorithm: "ES256", Use: "sig",
		})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// good are claims that count at now, with some changed; nil takes one away.
func good(now time.Time, change map[string]any) map[string]any {
	c := map[string]any{
		"iss": "https://d.example", "aud": "urn:pizzeria:org:acme-id", "sub": "u", "org_id": "acme-id",
		"org_slug": "acme", "org_gen": 3, "role": "admin", "email": "a@example.com", "name": "A", "ver": 7,
		"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "later": map[string]any{"x": 1},
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func verifier(t *testing.T, keys Keys, now func() time.Time) *Verifier {
	t.Helper()
	v, err := New(Config{OrgID: "acme-id", Issuer: "https://d.example", Generation: 3, Keys: keys, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVerify: only a fresh assertion for this org and this generation counts.
func TestVerify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	key, other := newSigner(t, "k1"), newSigner(t, "k1") // another's key under the same name
	write(t, path, jwks(t, key))
	now := time.Now()
	v := verifier(t, File(path), func() time.Time { return now })
	got, err := v.Verify(t.Context(), key.sign(t, typ, good(now, nil)))
	want := Claims{
		Subject: "u", OrgID: "acme-id", OrgSlug: "acme", Generation: 3, Role: "admin", Email: "a@example.com",
		Name: "A", Version: 7, IssuedAt: time.Unix(now.Unix(), 0), Expires: time.Unix(now.Unix()+120, 0),
	}
	if err != nil || got != want {
		t.Fatalf("%+v %v", got, err)
	}
	for name, change := range map[string]map[string]any{
		"another org's":         {"aud": "urn:pizzeria:org:globex-id", "org_id": "globex-id"},
		"another audience":      {"aud": "urn:pizzeria:org:globex-id"},
		"another org ID":        {"org_id": "globex-id"},
		"an org session's":      {"aud": "urn:pizzeria:org:acme-id:session"},
		"two audiences":         {"aud": []string{"urn:pizzeria:org:acme-id", "x"}},
		"another issuer":        {"iss": "https://evil.example"},
		"the last generation's": {"org_gen": 2},
		"no generation":         {"org_gen": nil},
		"expired":               {"iat": now.Add(-3 * time.Minute).Unix(), "exp": now.Add(-time.Minute).Unix()},
		"from tomorrow":         {"iat": now.Add(time.Hour).Unix(), "exp": now.Add(time.Hour + time.Minute).Unix()},
		"of an hour":            {"exp": now.Add(time.Hour).Unix()},
		"without an end":        {"exp": nil},
		"without a beginning":   {"iat": nil},
		"ended before it began": {"exp": now.Add(-time.Second).Unix()},
		"without a user":        {"sub": nil},
		"without a role":        {"role": ""},
		"a role twice":          {"Role": "owner"},
	} {
		if _, err := v.Verify(t.Context(), key.sign(t, typ, good(now, change))); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string]string{
		"another typ": key.sign(t, "pizzeria-session+jwt", good(now, nil)), "no typ": key.sign(t, "", good(now, nil)),
		"another key": other.sign(t, typ, good(now, nil)), "nothing": "", "text": "a.b.c",
		"no algorithm": "eyJhbGciOiJub25lIiwidHlwIjoicGl6emVyaWEtYXNzZXJ0aW9uK2p3dCJ9.e30.",
	} {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	now = now.Add(2*time.Minute + skew - time.Second)
	if _, err := v.Verify(t.Context(), key.sign(t, typ, good(now.Add(-2*time.Minute), nil))); err != nil {
		t.Errorf("within the skew: %v", err)
	}
}

// TestFile: a new key counts when the file has it; a file that cannot be read changes nothing.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	key, next := newSigner(t, "k1"), newSigner(t, "k2")
	now := time.Now()
	v := verifier(t, File(path), nil)
	valid := func(s signer) error {
		_, err := v.Verify(t.Context(), s.sign(t, typ, good(now, nil)))
		return err
	}
	if err := valid(key); !errors.Is(err, ErrNoKeys) {
		t.Errorf("before the file is there: %v", err)
	}
	write(t, path, []byte(`{"jwks":[]}`))
	if err := valid(key); !errors.Is(err, ErrNoKeys) {
		t.Errorf("a file without keys: %v", err)
	}
	write(t, path, jwks(t, key))
	if err := valid(key); err != nil {
		t.Error(err)
	}
	if err := valid(next); !errors.Is(err, ErrInvalid) {
		t.Errorf("an unpublished key: %v", err)
	}
	// The host replaces the file; the times of both may be equal.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+".new", jwks(t, key, next))
	if err := errors.Join(os.Chtimes(path+".new", info.ModTime(), info.ModTime()), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if err := valid(next); err != nil {
		t.Errorf("a published key: %v", err)
	}
	write(t, path, []byte("{"))
	if err := valid(next); err != nil {
		t.Errorf("with a broken file: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := valid(key); err != nil {
		t.Errorf("without the file: %v", err)
	}
}

// TestURL: keys come from the address when they are needed, and stay while it is away.
func TestURL(t *testing.T) {
	key, next := newSigner(t, "k1"), newSigner(t, "k2")
	var (
		fetched atomic.Int64
		body    atomic.Pointer[[]byte]
		hold    atomic.Pointer[chan struct{}]
	)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		if c := hold.Load(); c != nil {
			<-*c
		}
		b := body.Load()
		if b == nil {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(*b)
	}))
	defer s.Close()
	start := time.Now()
	var after atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(after.Load())) }
	v := verifier(t, URL(s.URL, s.Client()), now)
	valid := func(s signer) error {
		_, err := v.Verify(t.Context(), s.sign(t, typ, good(now(), nil)))
		return err
	}
	step := func(name string, s signer, want error, fetches int64) {
		t.Helper()
		if err := valid(s); !errors.Is(err, want) || fetched.Load() != fetches {
			t.Errorf("%s: %v after %d fetches, want %v after %d", name, err, fetched.Load(), want, fetches)
		}
	}
	publish := func(signers ...signer) {
		b := jwks(t, signers...)
		body.Store(&b)
	}
	step("away from the beginning", key, ErrNoKeys, 1)
	publish(key)
	step("asked again at once", key, ErrNoKeys, 1)
	after.Add(int64(retryAfter))
	step("asked again", key, nil, 2)
	step("known", key, nil, 2)
	publish(key, next)
	step("unknown, at once", next, ErrInvalid, 2)
	after.Add(int64(retryAfter))
	step("unknown", next, nil, 3)
	body.Store(nil)
	after.Add(int64(retryAfter))
	step("unknown, away", newSigner(t, "k3"), ErrInvalid, 4)
	step("known, away", next, nil, 4)

	// While a fetch hangs, known keys count, and those who need it wait for the same one.
	publish(key)
	after.Add(int64(refreshAfter))
	release := make(chan struct{})
	hold.Store(&release)
	if err := valid(key); err != nil {
		t.Errorf("known, while the address hangs: %v", err)
	}
	latest := newSigner(t, "k4")
	publish(key, latest)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if err := valid(latest); err != nil {
				t.Errorf("unknown, until the address answers: %v", err)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Verify(ended, newSigner(t, "k5").sign(t, typ, good(now(), nil))); err == nil {
		t.Error("a request that has ended is served")
	}
	close(release)
	wait.Wait()
}

// TestHandler: the app sees requests with a valid assertion only, and whose they are.
func TestHandler(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	key := newSigner(t, "k1")
	v := verifier(t, File(path), nil)
	h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := FromContext(r.Context())
		if !ok {
			t.Error("no claims")
		}
		_, _ = w.Write([]byte(c.Subject))
	}))
	ask := func(tokens ...string) (int, string) {
		t.Helper()
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		for _, token := range tokens {
			r.Header.Add(Header, token)
		}
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	token := key.sign(t, typ, good(time.Now(), nil))
	if code, _ := ask(token); code != http.StatusServiceUnavailable {
		t.Errorf("without keys: %d", code)
	}
	write(t, path, jwks(t, key))
	if code, body := ask(token); code != http.StatusOK || body != "u" {
		t.Errorf("%d %s", code, body)
	}
	for name, tokens := range map[string][]string{"none": nil, "two": {token, token}, "a bad one": {"x"}} {
		if code, _ := ask(tokens...); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if _, ok := FromContext(t.Context()); ok {
		t.Error("claims of nobody")
	}
}

// TestFromEnv: what an instance is told is enough.
func TestFromEnv(t *testing.T) {
	key := newSigner(t, "k1")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jwks(t, key)) }))
	defer s.Close()
	dir := t.TempDir()
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "jwks.json")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	write(t, file, jwks(t, key))
	token := key.sign(t, typ, good(time.Now(), nil))
	for name, row := range map[string]struct {
		env map[string]string
		ok  bool
	}{
		"file":           {map[string]string{"PIZZERIA_JWKS_FILE": file}, true},
		"URI":            {map[string]string{"PIZZERIA_JWKS_URI": s.URL, "PIZZERIA_CA_FILE": ca}, true},
		"neither":        {nil, false},
		"no CA":          {map[string]string{"PIZZERIA_JWKS_URI": s.URL, "PIZZERIA_CA_FILE": filepath.Join(dir, "x")}, false},
		"an empty CA":    {map[string]string{"PIZZERIA_JWKS_URI": s.URL, "PIZZERIA_CA_FILE": file}, false},
		"no org":         {map[string]string{"PIZZERIA_JWKS_FILE": file, "PIZZERIA_ORG_ID": ""}, false},
		"no issuer":      {map[string]string{"PIZZERIA_JWKS_FILE": file, "PIZZERIA_ISSUER": ""}, false},
		"bad generation": {map[string]string{"PIZZERIA_JWKS_FILE": file, "PIZZERIA_ORG_GENERATION": "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{
				"PIZZERIA_ORG_ID": "acme-id", "PIZZERIA_ORG_GENERATION": "3", "PIZZERIA_ISSUER": "https://d.example",
				"PIZZERIA_JWKS_FILE": "", "PIZZERIA_JWKS_URI": "", "PIZZERIA_CA_FILE": "",
			}
			maps.Copy(env, row.env)
			for k, v := range env {
				t.Setenv(k, v)
			}
			v, err := FromEnv()
			if err == nil {
				_, err = v.Verify(t.Context(), token)
			}
			if (err == nil) != row.ok {
				t.Error(err)
			}
		})
	}
}
