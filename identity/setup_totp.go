package identity

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/registry"
)

// NewTOTP is an authenticator app that is about to be added.
type NewTOTP struct {
	Secret string // to type, in base32
	URL    string // to scan (otpauth://)
	Sealed string // to come back with AddTOTP
}

// totpSetUp is what the browser keeps, sealed, of an authenticator app that is about to be added.
type totpSetUp struct {
	Secret string
	Ends   time.Time
}

// NewTOTP returns the set-up of an authenticator app of the actor's: the one of sealed while that
// lives, so that an app that scanned it works, otherwise one with a new secret. Nothing is stored.
func (s *Service) NewTOTP(a registry.Actor, email, sealed string) (NewTOTP, error) {
	o := totp.GenerateOpts{
		Issuer: s.site().Domain, AccountName: email, Period: totpPeriod, SecretSize: 20,
		Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	}
	secret, kept := s.openSetUp(a, sealed)
	if kept {
		b, err := base32Secret.DecodeString(secret)
		if err != nil {
			return NewTOTP{}, err
		}
		o.Secret = b
	}
	key, err := totp.Generate(o)
	if err != nil {
		return NewTOTP{}, err
	}
	if !kept {
		b, err := json.Marshal(totpSetUp{key.Secret(), s.now().Add(AttemptLife)})
		if err != nil {
			return NewTOTP{}, err
		}
		b = s.Seal(purposeFactor, setUpOf(a), b)
		sealed = base64.RawURLEncoding.EncodeToString(b)
	}
	return NewTOTP{key.Secret(), key.URL(), sealed}, nil
}

// openSetUp returns the secret of a set-up of the actor's that still lives.
func (s *Service) openSetUp(a registry.Actor, sealed string) (secret string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || sealed == "" {
		return "", false
	}
	var t totpSetUp
	if b, err = s.Open(purposeFactor, setUpOf(a), b); err != nil || json.Unmarshal(b, &t) != nil {
		return "", false
	}
	return t.Secret, !s.now().After(t.Ends)
}

func setUpOf(a registry.Actor) string { return "new " + string(a.User) }
