package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/pizzaface/pizzeria/registry"
)

// Ceremony is what a browser does with a passkey, and what it brings back (Web Authentication, Level 3).
type Ceremony struct {
	Options string // for navigator.credentials, as JSON
	Sealed  string // to come back with the answer
}

// ceremony is what is kept of one, sealed by the browser.
type ceremony struct {
	Session webauthn.SessionData
	Began   time.Time // an answer is good once: for a passkey that was not used since
	For     registry.UserID
}

const purposeCeremony = "passkey"

// relyingParty is this installation to authenticators: its host, and answers from its own origin alone. A page
// of an org may ask for the same passkey, since it is below that host; its answer names another origin.
func (s *Service) relyingParty() (*webauthn.WebAuthn, error) {
	u, err := url.Parse(s.site().Issuer)
	if err != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: s.site().Domain, RPOrigins: []string{s.site().Issuer}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
	})
}

// keyholder is an account with its passkeys.
type keyholder struct {
	registry.User
	factors  []registry.Factor // its passkeys
	passkeys []webauthn.Credential
}

func (k keyholder) WebAuthnID() []byte                         { return []byte(k.ID) }
func (k keyholder) WebAuthnName() string                       { return k.Email }
func (k keyholder) WebAuthnDisplayName() string                { return k.Name }
func (k keyholder) WebAuthnCredentials() []webauthn.Credential { return k.passkeys }

func (s *Service) keyholder(ctx context.Context, id registry.UserID) (k keyholder, err error) {
	system := registry.AsSystem("passkeys")
	if k.User, err = s.store.User(ctx, system, id); err != nil {
		return k, err
	}
	list, err := s.store.Factors(ctx, system, id)
	if err != nil {
		return k, err
	}
	for _, f := range list {
		if f.Kind != registry.FactorPasskey {
			continue
		}
		b, err := s.Open(purposeFactor, string(f.ID), f.Sealed)
		if err != nil {
			return k, err
		}
		var c webauthn.Credential
		if err := json.Unmarshal(b, &c); err != nil {
			return k, err
		}
		k.factors, k.passkeys = append(k.factors, f), append(k.passkeys, c)
	}
	return k, nil
}

// seal makes a Ceremony of what the library began.
func (s *Service) sealCeremony(options any, session *webauthn.SessionData, id registry.UserID) (Ceremony, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, err
	}
	b, err := json.Marshal(ceremony{*session, s.now(), id})
	return Ceremony{string(o), base64.RawURLEncoding.EncodeToString(s.Seal(purposeCeremony, "", b))}, err
}

func (s *Service) openCeremony(sealed string) (c ceremony, err error) {
	late := registry.Errorf(registry.CodeGone, "", "That took too long. Try again.")
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return c, late
	}
	if b, err = s.Open(purposeCeremony, "", b); err != nil || json.Unmarshal(b, &c) != nil || s.now().Sub(c.Began) > AttemptLife {
		return c, late
	}
	return c, nil
}

// NewPasskey begins to add a passkey to the actor's account. Nothing is kept.
func (s *Service) NewPasskey(ctx context.Context, a registry.Actor) (Ceremony, error) {
	w, err := s.relyingParty()
	if err != nil {
		return Ceremony{}, err
	}
	k, err := s.keyholder(ctx, a.User)
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := w.BeginRegistration(k, webauthn.WithExclusions(webauthn.Credentials(k.passkeys).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, err
	}
	return s.sealCeremony(options, session, a.User)
}

// AddPasskey adds the passkey that a browser answered with; the password shows that it is the
// person. recovery are codes to write down, with the first factor. Errors: CodeForbidden, CodeInvalid, CodeGone, CodeConflict, CodeTooManyRequests.
func (s *Service) AddPasskey(ctx context.Context, a registry.Actor, sealed, name, answer, password string) (recovery []string, err error) {
	k, err := s.keyholder(ctx, a.User)
	if err != nil {
		return nil, err
	}
	if err := s.checkOwn(ctx, a, k.User, password); err != nil {
		return nil, err
	}
	c, err := s.openCeremony(sealed)
	if err != nil {
		return nil, err
	}
	w, err := s.relyingParty()
	if err != nil {
		return nil, err
	}
	refused := registry.Errorf(registry.CodeInvalid, "passkey", "this passkey cannot be used here")
	if c.For != a.User {
		return nil, refused
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return nil, refused
	}
	credential, err := w.CreateCredential(k, c.Session, parsed)
	if err != nil {
		s.log.Info("a passkey was refused", "user", a.User, "error", err)
		return nil, refused
	}
	b, err := json.Marshal(credential)
	if err != nil {
		return nil, err
	}
	return s.addFactor(ctx, a, k.User, registry.FactorPasskey, name, b, c.Began.UnixMicro())
}

// AskPasskey begins a sign-in with a passkey, whoever has one.
func (s *Service) AskPasskey() (Ceremony, error) {
	w, err := s.relyingParty()
	if err != nil {
		return Ceremony{}, err
	}
	options, session, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, err
	}
	return s.sealCeremony(options, session, "")
}

// SignInPasskey signs the holder of a passkey in: it verified the person, so that nothing else is asked. Errors: CodeForbidden, CodeGone, CodeTooManyRequests.
func (s *Service) SignInPasskey(ctx context.Context, sealed, answer string, c Client) (l Login, err error) {
	defer func() { s.note("passkey", c, l, err) }()
	u, err := s.checkPasskey(ctx, sealed, answer, "", c)
	if err != nil {
		return Login{}, err
	}
	return s.login(ctx, u, c, registry.WithMethod(registry.MethodPasskey, "user"), "")
}

// checkPasskey returns whose passkey answered; want is the one account that may, "" for any.
func (s *Service) checkPasskey(ctx context.Context, sealed, answer string, want registry.UserID, at Client) (u registry.User, err error) {
	refused := registry.Errorf(registry.CodeForbidden, "passkey", "this passkey signs nobody in here")
	back, known := s.known(ctx, "", at.Device)
	settle := s.settle(back)
	if !known {
		if settle, err = s.try(ctx, s.limits.passkey, "", at); err != nil {
			return registry.User{}, err
		}
	}
	defer func() { settle(&err) }()
	c, err := s.openCeremony(sealed)
	if err != nil {
		return registry.User{}, err
	}
	w, err := s.relyingParty()
	if err != nil {
		return registry.User{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil {
		return registry.User{}, refused
	}
	var k keyholder
	var away error
	_, credential, err := w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		var err error
		if k, err = s.keyholder(ctx, registry.UserID(handle)); registry.ErrorCode(err) == "" {
			away = err
		}
		return k, err
	}, c.Session, parsed)
	if away != nil {
		return registry.User{}, away
	}
	if err != nil || credential.Authenticator.CloneWarning || want != "" && k.ID != want {
		if omitted, ok := s.passkeys.line(s.now(), at.Address); ok {
			s.log.Info("a passkey was refused", "user", k.ID, "error", err, "omitted", omitted)
		}
		return registry.User{}, refused
	}
	for i, f := range k.factors {
		if string(k.passkeys[i].ID) != string(credential.ID) {
			continue
		}
		b, err := json.Marshal(credential) // its counter, and whether it is backed up
		if err != nil {
			return k.User, err
		}
		err = s.store.UseFactor(ctx, registry.AsSystem("sign-in"), f.ID, c.Began.UnixMicro(), s.Seal(purposeFactor, string(f.ID), b))
		if registry.ErrorCode(err) == registry.CodeConflict {
			err = refused
		}
		return k.User, err
	}
	return k.User, refused
}
