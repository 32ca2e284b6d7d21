package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/pizzaface/pizzeria/registry"
)

// Parameters of argon2id: OWASP's second recommendation, 19 MiB a hash.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonKey    = 32
	argonSalt   = 16
)

// Bounds of a password's length in characters, once normalized. The lower one follows NIST SP
// 800-63B for a password that a block list guards; the upper one keeps hashing cheap.
const (
	MinPassword = 10
	MaxPassword = 200

	maxPasswordBytes = 16 * MaxPassword // as typed: a letter may be several code points then
)

// hasher computes password hashes, so many at once and so many waiting: beyond
// that it answers CodeOverloaded, so that a flood of sign-ins costs bounded memory.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
}

// dummy is what a password is compared with where there is no hash. No password makes it.
var dummy = encodeHash(make([]byte, argonSalt), make([]byte, argonKey))

const maxWaiting = 64

func newHasher() *hasher {
	return &hasher{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

func (h *hasher) enter(ctx context.Context) error {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return registry.Errorf(registry.CodeOverloaded, "", "too many people are signing in: try again in a few seconds")
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hash returns the PHC string of a password. Error: CodeOverloaded.
func (h *hasher) hash(ctx context.Context, password string) (registry.PasswordHash, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt)
	key := argon2.IDKey([]byte(typedPassword(password)), salt, argonTime, argonMemory, argonLanes, argonKey)
	return encodeHash(salt, key), nil
}

// check compares a password with a hash; with the empty hash it takes the same time and says no. A
// password that was typed in another form than it is hashed in is tried as it was typed, too: hashes
// were once made of that. rehash says that the hash was, or with other parameters. Error: CodeOverloaded.
func (h *hasher) check(ctx context.Context, password string, stored registry.PasswordHash) (ok, rehash bool, err error) {
	if len(password) > maxPasswordBytes { // no account has one
		return false, false, nil
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-h.slots }()
	exists := stored != ""
	if !exists {
		stored = dummy
	}
	p, err := decodeHash(stored)
	if err != nil {
		return false, false, err
	}
	same := func(form string) bool {
		got := argon2.IDKey([]byte(form), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key)))
		return subtle.ConstantTimeCompare(got, p.key) == 1
	}
	rehash = p.memory != argonMemory || p.time != argonTime || p.lanes != argonLanes
	typed := typedPassword(password)
	// Whether there is an account must not show in the number of hashes: only a right password saves one.
	if ok = same(typed) && exists; !ok && typed != password {
		ok = same(password) && exists
		rehash = rehash || ok
	}
	return ok, rehash, nil
}

type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func encodeHash(salt, key []byte) registry.PasswordHash {
	b := base64.RawStdEncoding
	return registry.PasswordHash(fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, b.EncodeToString(salt), b.EncodeToString(key)))
}

func decodeHash(h registry.PasswordHash) (p phc, err error) {
	bad := fmt.Errorf("a stored password hash is damaged")
	f := strings.Split(string(h), "$")
	if len(f) != 6 || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, bad
	}
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil || p.time < 1 || p.lanes < 1 || p.memory > 1<<20 {
		return p, bad
	}
	if p.salt, err = base64.RawStdEncoding.DecodeString(f[4]); err != nil {
		return p, bad
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(f[5]); err != nil || len(p.key) < 16 {
		return p, bad
	}
	return p, nil
}

// CheckPassword returns a CodeInvalid error on field "password" for one that is
// too short, too long, common, or made of what is known about its user. There
// are no composition rules (NIST SP 800-63B, section 3.1.1.2).
func CheckPassword(password, email, name string) error {
	tooLong := registry.Errorf(registry.CodeInvalid, "password", "use at most %d characters", MaxPassword)
	if len(password) > maxPasswordBytes {
		return tooLong
	}
	password, name = typedPassword(password), typedPassword(name)
	n := utf8.RuneCountInString(password)
	switch {
	case n < MinPassword:
		return registry.Errorf(registry.CodeInvalid, "password", "use at least %d characters: a few words are easy to remember", MinPassword)
	case n > MaxPassword:
		return tooLong
	case commonPassword(password, email, name):
		return registry.Errorf(registry.CodeInvalid, "password", "this password is easy to guess: it is common, or made of your name or of one repeated pattern")
	}
	return nil
}
