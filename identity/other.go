package identity

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const purposeOther = "other-account"

// other is somebody whom a provider signed in, in a browser where somebody else is signed in. The
// provider may be another's, and the person may not know: they are asked. The browser keeps it
// sealed, and it is good in that session alone, which ends by it.
type other struct {
	User     registry.UserID
	Password registry.Hash // of the password's hash: another password ends it
	By       registry.ConnectionID
	In       registry.SessionID // that it takes the place of
	Since    time.Time          // when the person showed who they are
	Ends     time.Time
}

func (s *Service) askOther(
	u registry.User, by registry.ConnectionID, in registry.SessionID, since time.Time,
) (Login, error) {
	b, err := json.Marshal(other{
		u.ID, sha256.Sum256([]byte(u.PasswordHash)), by, in, since, s.now().Add(AttemptLife),
	})
	if err != nil {
		return Login{}, err
	}
	sealed := base64.RawURLEncoding.EncodeToString(s.Seal(purposeOther, "", b))
	return Login{User: u, Other: sealed}, nil
}

// ContinueAs signs in who was asked whether they want to change accounts (see Login.Other). a is
// who is signed in until then; their session is for the caller to end. Errors: CodeGone (begin again).
func (s *Service) ContinueAs(
	ctx context.Context, sealed string, a registry.Actor, at Client,
) (l Login, err error) {
	defer func() { s.note("connection", at, l, err) }()
	late := registry.Errorf(registry.CodeGone, "",
		"That took too long, or another session has begun. Sign in again.")
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return l, late
	}
	var o other
	if b, err = s.Open(purposeOther, "", b); err != nil || json.Unmarshal(b, &o) != nil ||
		s.now().After(o.Ends) || o.In == "" || o.In != a.Session {
		return l, late
	}
	u, err := s.store.User(ctx, registry.AsSystem("sign-in"), o.User)
	if err != nil {
		return l, err
	}
	sum := sha256.Sum256([]byte(u.PasswordHash))
	if subtle.ConstantTimeCompare(sum[:], o.Password[:]) != 1 {
		return l, late
	}
	return s.loginBy(ctx, u, at, o.By, o.Since)
}
