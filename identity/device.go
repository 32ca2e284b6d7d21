package identity

import (
	"context"
	"crypto/rand"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/registry"
)

// Device is the answer to a device that wants to be signed in (RFC 8628, section 3.2).
type Device struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int64  `json:"expires_in"`
	Interval        int64  `json:"interval"`
}

// deviceScope is what the command line is given.
const deviceScope = registry.OpenIDScope + " " + registry.OfflineScope

// userCodeLetters make no words, and are not mistaken for each other (RFC 8628, section 6.1).
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// BeginDevice answers the device authorization endpoint: the command line's alone. Errors: TokenError, CodeTooManyRequests, or that the store is away.
func (s *Service) BeginDevice(ctx context.Context, c Credentials, at Client) (Device, error) {
	app, err := s.authenticateApp(ctx, c)
	if err != nil {
		return Device{}, err
	}
	if app.ID != registry.CLIClient {
		return Device{}, UnauthorizedClient
	}
	if _, err := s.try(ctx, s.limits.device, "", at); err != nil { // each is a row: none is given back
		return Device{}, err
	}
	code, letters := token.NewSecret(), make([]byte, userCodeLength)
	for i := range letters {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters))))
		if err != nil {
			return Device{}, err
		}
		letters[i] = userCodeLetters[n.Int64()]
	}
	user := string(letters)
	if err := s.store.CreateDeviceRequest(ctx, registry.AsSystem("token"), registry.DeviceRequest{Code: code.Hash(), UserCode: user, ClientID: app.ID, Address: at.Address, UserAgent: at.UserAgent}); err != nil {
		return Device{}, err
	}
	shown, page := user[:4]+"-"+user[4:], s.site().Issuer+"/device"
	return Device{
		DeviceCode: code.Reveal(), UserCode: shown, VerificationURI: page, Complete: page + "?user_code=" + shown,
		ExpiresIn: int64(registry.DeviceLife / time.Second), Interval: int64(registry.DeviceInterval / time.Second),
	}, nil
}

// cleanUserCode reads a code as people write it.
func cleanUserCode(code string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userCodeLetters, r) {
			return r
		}
		return -1
	}, typedCode(code))
}

// DeviceRequest returns the device that waits with a code. Wrong codes are counted by person. Errors: CodeGone, CodeTooManyRequests.
func (s *Service) DeviceRequest(ctx context.Context, a registry.Actor, userCode string) (d registry.DeviceRequest, err error) {
	settle, err := s.tryOwn(ctx, s.limits.userCode, string(a.User))
	if err != nil {
		return registry.DeviceRequest{}, err
	}
	defer func() { settle(&err) }()
	return s.store.DeviceRequest(ctx, a, cleanUserCode(userCode))
}

// DecideDevice signs the device that waits with a code in as the actor, or refuses it. Errors: CodeGone, CodeTooManyRequests.
func (s *Service) DecideDevice(ctx context.Context, a registry.Actor, userCode string, d registry.Decision) (err error) {
	settle, err := s.tryOwn(ctx, s.limits.userCode, string(a.User))
	if err != nil {
		return err
	}
	defer func() { settle(&err) }()
	return s.store.DecideDevice(ctx, a, cleanUserCode(userCode), d)
}

// redeemDevice answers the device grant (RFC 8628, section 3.4).
func (s *Service) redeemDevice(ctx context.Context, id registry.ClientID, form url.Values) (Tokens, error) {
	refresh := token.NewSecret()
	g, err := s.store.RedeemDevice(ctx, registry.AsSystem("token"), token.Secret(form.Get("device_code")).Hash(),
		registry.Grant{ID: registry.GrantID(registry.NewID()), ClientID: id, Scope: deviceScope}, refresh.Hash())
	switch registry.ErrorCode(err) {
	case registry.CodeConflict:
		return Tokens{}, AuthorizationPending
	case registry.CodeTooManyRequests:
		return Tokens{}, SlowDown
	case registry.CodeForbidden:
		return Tokens{}, AccessDenied
	case registry.CodeGone:
		return Tokens{}, ExpiredToken
	}
	if err != nil {
		return Tokens{}, err
	}
	return s.appTokens(ctx, g, refresh, "")
}
