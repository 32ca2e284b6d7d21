package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// half is somebody who took the first step and not yet their second. It is kept sealed by the
// browser.
type half struct {
	User     registry.UserID
	Password registry.Hash // of the password's hash: another password ends it
	Methods  string        // of the first step
	By       registry.ConnectionID
	Ends     time.Time
}

const (
	purposeHalf   = "second-step"
	purposeFactor = "factor"
)

func errBadCode() error {
	return registry.Errorf(registry.CodeForbidden, "code", "this code is wrong, or was used")
}

// needsSecond returns what the second step goes on from, "" for an account without one.
func (s *Service) needsSecond(ctx context.Context, u registry.User, methods string, by registry.ConnectionID) (string, error) {
	list, err := s.store.Factors(ctx, registry.AsSystem("sign-in"), u.ID)
	if err != nil || len(list) == 0 {
		return "", err
	}
	b, err := json.Marshal(half{u.ID, sha256.Sum256([]byte(u.PasswordHash)), methods, by, s.now().Add(AttemptLife)})
	return base64.RawURLEncoding.EncodeToString(s.Seal(purposeHalf, "", b)), err
}

// Proof is what somebody shows as their second step: a code of an authenticator app, a recovery
// code, or a passkey's answer.
type Proof struct {
	Code           string
	Sealed, Answer string // of a passkey, in place of a code
}

// SignInSecond ends a sign-in whose password was right. Errors: CodeForbidden, CodeGone, CodeTooManyRequests.
func (s *Service) SignInSecond(ctx context.Context, second string, p Proof, c Client) (l Login, err error) {
	defer func() { s.note("second_step", c, l, err) }()
	u, h, err := s.halfWay(ctx, second)
	if err != nil {
		return Login{}, err
	}
	if p.Answer != "" {
		if _, err := s.checkPasskey(ctx, p.Sealed, p.Answer, u.ID, c); err != nil {
			return Login{}, err
		}
		if err := s.store.EndSecond(ctx, registry.AsSystem("sign-in"), u.ID, 0); err != nil {
			return Login{}, err
		}
		return s.login(ctx, u, c, registry.WithMethod(h.Methods, registry.MethodPasskey), h.By)
	}
	back, known := s.known(ctx, u.Email, c.Device)
	settle := s.settle(back)
	if !known {
		if settle, err = s.try(ctx, s.limits.second, "", c); err != nil {
			return Login{}, err
		}
	}
	defer func() { settle(&err) }()
	if err := s.countSecond(ctx, u, c, known, func() error { return s.checkSecond(ctx, u, p.Code) }); err != nil {
		return Login{}, err
	}
	return s.login(ctx, u, c, registry.WithMethod(h.Methods, registry.MethodCode), h.By)
}

// halfWay returns who took the first step and not yet their second. Error: CodeGone.
func (s *Service) halfWay(ctx context.Context, second string) (u registry.User, h half, err error) {
	late := registry.Errorf(registry.CodeGone, "", "That took too long. Sign in again.")
	b, err := base64.RawURLEncoding.DecodeString(second)
	if err != nil {
		return u, h, late
	}
	if b, err = s.Open(purposeHalf, "", b); err != nil || json.Unmarshal(b, &h) != nil || s.now().After(h.Ends) {
		return u, h, late
	}
	if u, err = s.store.User(ctx, registry.AsSystem("sign-in"), h.User); err != nil {
		return u, h, err
	}
	if sum := sha256.Sum256([]byte(u.PasswordHash)); subtle.ConstantTimeCompare(sum[:], h.Password[:]) != 1 {
		return u, h, late
	}
	return u, h, nil
}

// SecondSteps says which second steps somebody half-way has. Error: CodeGone.
func (s *Service) SecondSteps(ctx context.Context, second string) (code, passkey bool, err error) {
	u, _, err := s.halfWay(ctx, second)
	if err != nil {
		return false, false, err
	}
	list, err := s.store.Factors(ctx, registry.AsSystem("sign-in"), u.ID)
	for _, f := range list {
		code, passkey = code || f.Kind == registry.FactorTOTP, passkey || f.Kind == registry.FactorPasskey
	}
	return code, passkey, err
}

// countSecond counts wrong codes of an account in a row, and tells the person of many. Errors: that
// of check, CodeTooManyRequests, CodeForbidden.
func (s *Service) countSecond(ctx context.Context, u registry.User, c Client, known bool, check func() error) error {
	system := registry.AsSystem("sign-in")
	failures, err := s.store.BeginSecond(ctx, system, u.ID, registry.Browser(known))
	switch registry.ErrorCode(err) {
	case registry.CodeTooManyRequests:
		_ = s.busy(limitsSecond, limitDelay) // the store's says how long to wait
	case registry.CodeForbidden:
		_ = s.busy(limitsSecond, limitLocked)
	}
	if err != nil {
		return err
	}
	if err = check(); err == nil {
		return s.store.EndSecond(ctx, system, u.ID, failures)
	}
	if registry.ErrorCode(err) != registry.CodeForbidden {
		return err
	}
	letter := Letter{Kind: LetterCodes, Name: u.Name, Failures: failures}
	switch failures {
	case registry.SecondMailAt:
	case registry.SecondLockAt:
		letter.Kind = LetterLocked
	default:
		return err
	}
	if err := s.store.SecondFailed(ctx, system, u.ID, failures, c.Address); err != nil {
		s.log.Warn("cannot record wrong codes", "user", u.ID, "error", err)
	}
	s.notify(ctx, u.Email, letter)
	return err
}

func (s *Service) checkSecond(ctx context.Context, u registry.User, code string) error {
	system := registry.AsSystem("sign-in")
	code = typedCode(code)
	if len(code) == recoveryLength {
		left, err := s.store.UseRecoveryCode(ctx, system, u.ID, token.Secret(code).Hash())
		switch {
		case registry.ErrorCode(err) == registry.CodeNotFound:
			return errBadCode()
		case err == nil:
			s.notify(ctx, u.Email, Letter{Kind: LetterRecovery, Name: u.Name, Left: left})
		}
		return err
	}
	list, err := s.store.Factors(ctx, system, u.ID)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Kind != registry.FactorTOTP {
			continue
		}
		secret, err := s.Open(purposeFactor, string(f.ID), f.Sealed)
		if err != nil {
			return err
		}
		if step := stepOf(string(secret), code, s.now()); step > 0 {
			err := s.store.UseFactor(ctx, system, f.ID, step, nil)
			if registry.ErrorCode(err) == registry.CodeConflict {
				return errBadCode()
			}
			return err
		}
	}
	return errBadCode()
}

const (
	totpPeriod = 30 // seconds
	totpSkew   = 1  // steps before and after that count, too (RFC 6238, section 5.2)
)

// stepOf returns the step that a code belongs to, 0 when it is none near now.
func stepOf(secret, code string, now time.Time) int64 {
	for skew := int64(-totpSkew); skew <= totpSkew; skew++ {
		at := now.Add(time.Duration(skew*totpPeriod) * time.Second)
		want, err := totp.GenerateCodeCustom(secret, at, totp.ValidateOpts{Period: totpPeriod, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return at.Unix() / totpPeriod
		}
	}
	return 0
}

// AddTOTP adds an authenticator app that shows a right code; the password shows that it is the
// person. recovery are codes to write down, with the first factor. Errors: CodeForbidden, CodeInvalid,
// CodeConflict, CodeTooManyRequests.
func (s *Service) AddTOTP(ctx context.Context, a registry.Actor, sealed, name, code, password string) (recovery []string, err error) {
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return nil, err
	}
	if err := s.checkOwn(ctx, a, u, password); err != nil {
		return nil, err
	}
	secret, ok := s.openSetUp(a, sealed)
	if !ok {
		return nil, registry.Errorf(registry.CodeInvalid, "code", "That took too long. Scan the new code.")
	}
	step := stepOf(secret, typedCode(code), s.now())
	if step == 0 {
		return nil, registry.Errorf(registry.CodeInvalid, "code", "this code is wrong: is the clock of the device right?")
	}
	return s.addFactor(ctx, a, u, registry.FactorTOTP, name, []byte(secret), step)
}

// addFactor keeps a factor that was shown to work, and returns recovery codes with the first.
func (s *Service) addFactor(ctx context.Context, a registry.Actor, u registry.User, kind registry.FactorKind, name string, secret []byte, step int64) ([]string, error) {
	f := registry.Factor{ID: registry.FactorID(registry.NewID()), Kind: kind, Name: name}
	f.Sealed = s.Seal(purposeFactor, string(f.ID), secret)
	codes, hashes := newRecoveryCodes()
	first, err := s.store.AddFactor(ctx, a, f, step, hashes)
	if err != nil {
		return nil, err
	}
	s.notify(ctx, u.Email, Letter{Kind: LetterSecond, Name: u.Name})
	if !first {
		codes = nil
	}
	return codes, nil
}

// Factors returns the actor's second factors.
func (s *Service) Factors(ctx context.Context, a registry.Actor) ([]registry.Factor, error) {
	return s.store.Factors(ctx, a, a.User)
}

// RemoveFactor takes a factor from the actor's account; the password shows that it is the person.
// Errors: CodeForbidden, CodeNotFound, CodeTooManyRequests.
func (s *Service) RemoveFactor(ctx context.Context, a registry.Actor, id registry.FactorID, password string) error {
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return err
	}
	if err := s.checkOwn(ctx, a, u, password); err != nil {
		return err
	}
	if err := s.store.RemoveFactors(ctx, a, u.ID, id); err != nil {
		return err
	}
	s.notify(ctx, u.Email, Letter{Kind: LetterSecond, Name: u.Name})
	return nil
}

// RenewRecoveryCodes replaces the actor's recovery codes; the password shows that it is the person.
// Errors: CodeForbidden, CodeConflict, CodeTooManyRequests.
func (s *Service) RenewRecoveryCodes(ctx context.Context, a registry.Actor, password string) ([]string, error) {
	u, err := s.store.User(ctx, a, a.User)
	if err != nil {
		return nil, err
	}
	if err := s.checkOwn(ctx, a, u, password); err != nil {
		return nil, err
	}
	codes, hashes := newRecoveryCodes()
	return codes, s.store.SetRecoveryCodes(ctx, a, hashes)
}

// recoveryLength is that of a recovery code: base32 digits of 80 bits.
const recoveryLength = 16

var base32Secret = base32.StdEncoding.WithPadding(base32.NoPadding)

func newRecoveryCodes() (codes []string, hashes []registry.Hash) {
	for range registry.RecoveryCodeCount {
		var b [10]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		text := base32Secret.EncodeToString(b[:])
		codes, hashes = append(codes, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:]), append(hashes, token.Secret(text).Hash())
	}
	return codes, hashes
}
