package registry

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// ClientID names an OpenID client: of a registered one it is a UUIDv7.
type ClientID string

// Client is an app that people sign in to with their account here. Platform admins register it.
type Client struct {
	ID           ClientID  `json:"id" doc:"client_id of the application (UUIDv7)"`
	Name         string    `json:"name" doc:"display name, shown at sign-in"`
	OrgID        OrgID     `json:"org_id,omitempty" doc:"org whose members alone can sign in; absent: everybody with an account"`
	Public       bool      `json:"public" doc:"runs in a browser or on the machine of its user, and has no secret"`
	RedirectURIs []string  `json:"redirect_uris" doc:"where people may return after a sign-in, compared byte for byte"`
	LogoutURIs   []string  `json:"post_logout_redirect_uris" doc:"where the browser may go after a sign-out"`
	CreatedBy    string    `json:"created_by" doc:"email address of the creator, or operator"`
	CreatedAt    time.Time `json:"created_at" doc:"when it was registered"`
	// What its ID tokens are signed with: AlgRS256, or "" for what the installation uses.
	IDTokenAlg string `json:"id_token_signed_response_alg,omitempty" doc:"signature of its ID tokens; absent: the installation's usual one"`
	Secret     Hash   `json:"-"` // of a client that is not public
}

// CLIClient is the command line: public, and signed in as a device. Nobody registers it.
const CLIClient ClientID = "pizzeria-cli"

// NewClient is what CreateClient needs.
type NewClient struct {
	Name         string
	OrgID        OrgID // "" = everybody with an account may sign in
	Public       bool
	RedirectURIs []string
	LogoutURIs   []string // where an app may send the browser after a sign-out
	IDTokenAlg   string   // AlgRS256, or "" for what the installation uses
}

// ClientChange is what UpdateClient changes of an app: what is not nil.
type ClientChange struct {
	Name         *string
	RedirectURIs *[]string
	LogoutURIs   *[]string
}

// AlgRS256 is the algorithm that every OpenID client has to know, and some know alone (RFC 7518,
// section 3.3).
const AlgRS256 = "RS256"

// Bounds of clients.
const (
	ClientsMax    = 200
	ClientURIsMax = 20 // of each sort
)

// CleanClientURIs checks where a browser may be sent (RFC 9700, section 2.1):
// https, or http to the machine that the browser is on. They are compared byte
// for byte, so nothing is rewritten. Error: CodeInvalid on field.
func CleanClientURIs(field string, uris []string) ([]string, error) {
	if len(uris) > ClientURIsMax {
		return nil, Errorf(CodeInvalid, field, "name at most %d addresses", ClientURIsMax)
	}
	for _, s := range uris {
		u, err := url.Parse(s)
		switch {
		case err != nil || !isStorable(s) || len(s) > 500 || u.Host == "" || u.Opaque != "" || strings.ContainsAny(s, " \t\r\n\\*"):
			return nil, Errorf(CodeInvalid, field, "%q is no absolute URL", s)
		case strings.ContainsAny(u.Host, `;,'"`):
			return nil, Errorf(CodeInvalid, field, "%q has no host name", s)
		case u.User != nil || strings.Contains(s, "#"):
			return nil, Errorf(CodeInvalid, field, "%q holds a user name or a fragment: leave it out", s)
		case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
			return nil, Errorf(CodeInvalid, field, "%q is not https: http is for localhost alone", s)
		}
	}
	out := slices.Clone(uris)
	if out == nil {
		out = []string{}
	}
	return out, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// GrantID identifies what an app was given at one sign-in: a UUIDv7.
type GrantID string

// Scopes of OpenID Connect that an app is given when it asks for them.
const (
	OpenIDScope  = "openid"
	ProfileScope = "profile"
	EmailScope   = "email"
	OfflineScope = "offline_access" // refresh tokens
)

// HasWord reports whether a space-separated list, as of scopes, holds a word.
func HasWord(list, word string) bool { return slices.Contains(ascii.Words(list), word) }

// RefreshGrace is how long after its use a refresh token may be used again by a
// client that did not see the answer: while what it got is unused.
const RefreshGrace = 10 * time.Second

// RefreshMatch is what a client presents to refresh: all of it must match.
type RefreshMatch struct {
	Token    Hash
	Next     Hash // of the token that takes its place
	ClientID ClientID
}

// DeviceRequest is a device that waits to be signed in (RFC 8628).
type DeviceRequest struct {
	Code      Hash   // of the device code
	UserCode  string // clean: letters alone
	ClientID  ClientID
	Address   string // client IP of the device
	UserAgent string
	CreatedAt time.Time
}

// DeviceLife is how long somebody has to sign a device in, and DeviceInterval the least time between two of its questions.
const (
	DeviceLife     = 10 * time.Minute
	DeviceInterval = 5 * time.Second
)

// DeviceStore signs devices in.
type DeviceStore interface {
	CreateDeviceRequest(ctx context.Context, a Actor, d DeviceRequest) error
	DeviceRequest(ctx context.Context, a Actor, userCode string) (DeviceRequest, error)
	DecideDevice(ctx context.Context, a Actor, userCode string, decision Decision) error
	RedeemDevice(ctx context.Context, a Actor, code Hash, g Grant, refresh Hash) (Grant, error)
}

// ClientReader reads registered apps.
type ClientReader interface {
	Clients(ctx context.Context, a Actor) ([]Client, error)
	Client(ctx context.Context, a Actor, id ClientID) (Client, error)
}

// ClientStore changes registered apps.
type ClientStore interface {
	UpdateClient(ctx context.Context, a Actor, id ClientID, n ClientChange) (Client, error)
	DeleteClient(ctx context.Context, a Actor, id ClientID) error
}

// ClientIssuer registers apps.
type ClientIssuer interface {
	CreateClient(ctx context.Context, a Actor, n NewClient, secret Hash) (Client, error)
	SetClientSecret(ctx context.Context, a Actor, id ClientID, secret Hash) (Client, error)
}
