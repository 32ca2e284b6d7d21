package registry

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pizzaface/pizzeria/internal/ascii"
)

// ConnectionID identifies a connection: a UUIDv7.
type ConnectionID string

// Connection is a provider elsewhere by which people sign in here ("sign in with your company").
type Connection struct {
	ID    ConnectionID   `json:"id" doc:"ID of the identity provider here (UUIDv7)"`
	OrgID OrgID          `json:"org_id,omitempty" doc:"org whose people sign in with it; absent: everybody"`
	Kind  ConnectionKind `json:"kind" doc:"protocol; oidc is OpenID Connect"`
	ConnectionSpec
	CreatedBy string    `json:"created_by" doc:"email address of the creator, or operator"`
	CreatedAt time.Time `json:"created_at" doc:"when it was connected"`
	Sealed    []byte    `json:"-"` // the client's secret; nil for a public client
	// Undelivered is how many people's roles the provider did not deliver at their last sign-in.
	Undelivered int `json:"roles_undelivered,omitempty" doc:"number of people who kept their roles because the provider did not send the role claim at their last sign-in"`
}

// ConnectionKind is the protocol that a provider speaks.
type ConnectionKind string

// ConnectionOIDC is OpenID Connect with a code and PKCE.
const ConnectionOIDC ConnectionKind = "oidc"

// ConnectionSpec is what may be said of a connection, but for its secret.
type ConnectionSpec struct {
	Name     string   `json:"name" doc:"display name, shown on the sign-in page"`
	Issuer   string   `json:"issuer" doc:"issuer URL of the provider"`
	ClientID string   `json:"client_id" doc:"client_id of this installation at the provider"`
	Scopes   []string `json:"scopes" doc:"scopes that are asked for besides openid"`
	SignUp   bool     `json:"sign_up" doc:"people without an account get one"`
	Required bool     `json:"required" doc:"the org's people, owners aside, must sign in with its identity providers"`
	// TrustEmail lets addresses count as verified of which an org's provider does not say whether they are: it gives them
	// itself, as Entra ID does. One that says that they are not is believed.
	TrustEmail bool `json:"trust_email" doc:"addresses count as verified although the provider does not say so"`
	// RolesClaim is the claim, of a text or a list of texts, that Roles judges, or the path to it, as
	// realm_access.roles; "" = everybody gets DefaultRole.
	RolesClaim  string        `json:"roles_claim,omitempty" doc:"claim that roles are mapped from, or the path to it"`
	Roles       []RoleMapping `json:"roles" doc:"what values of the role claim mean; the highest role counts"`
	DefaultRole Role          `json:"default_role,omitempty" doc:"role of people whom no mapping fits; absent: they are refused"`
}

// RoleMapping gives who has a value in the roles claim a role in the org.
type RoleMapping struct {
	Value string `json:"value" doc:"value of the role claim, such as a group's name"`
	Role  Role   `json:"role" enum:"member,admin" doc:"role that people with this value get"`
}

// Bounds of connections and domains, each of an org or of the operator.
const (
	ConnectionsMax = 10
	DomainsMax     = 50
	mappingsMax    = 100
)

var claimName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_:/.-]{0,99}$`)

// Clean checks a connection's spec for an org, or with "" for the operator. Error: CodeInvalid.
func (c ConnectionSpec) Clean(org OrgID) (ConnectionSpec, error) {
	var err error
	if c.Name, err = CleanName(c.Name); err != nil {
		return c, err
	}
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || !isStorable(c.Issuer) || len(c.Issuer) > 300 || u.Host == "" || u.RawQuery != "" || u.ForceQuery || strings.ContainsAny(c.Issuer, "# \t\r\n\\") || u.User != nil:
		return c, Errorf(CodeInvalid, "issuer", "%q is no issuer: copy the provider's, a URL such as https://login.example.com", c.Issuer)
	case u.Scheme != "https" && (u.Scheme != "http" || org != "" || !loopback(u.Hostname())):
		return c, Errorf(CodeInvalid, "issuer", "%q is not https", c.Issuer)
	}
	if c.ClientID == "" || !isStorable(c.ClientID) || len(c.ClientID) > 300 || strings.ContainsAny(c.ClientID, "\r\n") {
		return c, Errorf(CodeInvalid, "client_id", "copy the client ID that the provider gave to this installation")
	}
	if c.Scopes == nil {
		c.Scopes = []string{"profile", "email"}
	}
	c.Scopes = slices.Compact(slices.Clone(c.Scopes))
	for _, s := range c.Scopes {
		if s == "" || !isStorable(s) || len(c.Scopes) > 20 || len(s) > 200 || strings.ContainsAny(s, " \t\r\n\"\\") {
			return c, Errorf(CodeInvalid, "scopes", "%q is no scope: write at most 20, each a word", s)
		}
	}
	return c, c.cleanRoles(org)
}

func (c *ConnectionSpec) cleanRoles(org OrgID) error {
	if c.Roles == nil {
		c.Roles = []RoleMapping{}
	}
	if org == "" {
		if c.Required || c.TrustEmail || c.RolesClaim != "" || len(c.Roles) > 0 || c.DefaultRole != "" {
			return Errorf(CodeInvalid, "roles", "roles, being required, and trust in addresses are of an org's connection, which its domains bound")
		}
		return nil
	}
	c.SignUp = true
	if c.RolesClaim != "" && !claimName.MatchString(c.RolesClaim) {
		return Errorf(CodeInvalid, "roles_claim", "%q is no claim: write one such as groups", c.RolesClaim)
	}
	if (c.RolesClaim == "") != (len(c.Roles) == 0) {
		return Errorf(CodeInvalid, "roles_claim", "name a claim and what its values mean, or neither")
	}
	if len(c.Roles) > mappingsMax {
		return Errorf(CodeInvalid, "roles", "map at most %d values", mappingsMax)
	}
	for _, m := range c.Roles {
		if m.Value == "" || len(m.Value) > 300 || !isStorable(m.Value) {
			return Errorf(CodeInvalid, "roles", "a value that is mapped has 1 to 300 bytes")
		}
		if !mappable(m.Role) {
			return Errorf(CodeInvalid, "roles", "%q is no role to map to: use member or admin. Owners are made by owners", string(m.Role))
		}
	}
	if c.DefaultRole != "" && !mappable(c.DefaultRole) {
		return Errorf(CodeInvalid, "default_role", "%q is no role here: use member or admin, or nothing to refuse whom no value fits", string(c.DefaultRole))
	}
	if c.DefaultRole == "" && len(c.Roles) == 0 {
		return Errorf(CodeInvalid, "default_role", "nobody could come in: say which role people get, or map values to roles")
	}
	return nil
}

func mappable(r Role) bool { return r == RoleMember || r == RoleAdmin }

// RoleOf is the highest role that values of the roles claim give, "" for none.
func (c ConnectionSpec) RoleOf(values []string) Role {
	given := make(map[string]bool, len(values))
	for _, v := range values {
		given[v] = true
	}
	role := c.DefaultRole
	for _, m := range c.Roles {
		if given[m.Value] && (role == "" || m.Role.AtLeast(role)) {
			role = m.Role
		}
	}
	return role
}

// ConnectionChange is what changes of a connection.
type ConnectionChange struct {
	Version string // that it must have; "" for any
	Spec    ConnectionSpec
	Secret  *[]byte // sealed; nil leaves it
}

// ExternalSignIn is what a provider said of somebody who signed in with it, after its signature was checked.
type ExternalSignIn struct {
	Connection    ConnectionID
	Subject       string
	Email         string // as it was told; "" = not
	EmailVerified bool
	Name          string
	Values        []string // of the roles claim
	Undelivered   Undelivered
	Address       string // client IP
	Account       UserID // that is signed in and is to be linked; "" = whose it is
}

// Undelivered is why a provider did not deliver the roles claim, "" where it did. Such a sign-in lowers
// and ends no role.
type Undelivered string

// Reasons why roles are not delivered.
const (
	UndeliveredAbsent    Undelivered = "absent"    // there is no such claim
	UndeliveredElsewhere Undelivered = "elsewhere" // the provider only says where it is
	UndeliveredMalformed Undelivered = "malformed" // it is, or has, something else than texts
)

// Identity links an account to somebody at a provider.
type Identity struct {
	ConnectionID ConnectionID `json:"connection_id" doc:"ID of the identity provider here"`
	Connection   string       `json:"connection" doc:"display name of the identity provider"`
	Subject      string       `json:"subject" doc:"the person's ID at the identity provider (sub)"`
	Email        string       `json:"email" doc:"address that the identity provider last sent"`
	CreatedAt    time.Time    `json:"created_at" doc:"when the accounts were linked"`
	LastUsedAt   time.Time    `json:"last_used_at" doc:"last sign-in with it"`
}

// Domain is an e-mail domain that an org says is its own.
type Domain struct {
	Domain     string    `json:"domain" doc:"email domain, in lower case"`
	OrgID      OrgID     `json:"org_id" doc:"org that claims the domain"`
	Record     string    `json:"record" doc:"name of the TXT record that proves ownership"`
	Value      string    `json:"value" doc:"text that the TXT record must hold"`
	VerifiedAt time.Time `json:"verified_at,omitzero" doc:"when ownership was proved; absent: not yet"`
	VerifiedBy string    `json:"verified_by,omitempty" doc:"dns, or the email address of the platform admin who marked it as verified"`
	CreatedAt  time.Time `json:"created_at" doc:"when the domain was added"`
	Missed     int       `json:"missed,omitempty" doc:"checks in a row that did not find the record"`
}

// CleanDomain checks and lower-cases an e-mail domain. Error: CodeInvalid on field "domain".
func CleanDomain(s string) (string, error) {
	s = ascii.Lower(strings.TrimSuffix(ascii.Trim(s), "."))
	if _, err := CleanEmail("x@" + s); err != nil || !strings.Contains(s, ".") || strings.ContainsAny(s, "_/*'") {
		return "", Errorf(CodeInvalid, "domain", "%q is no e-mail domain: write one such as example.com", s)
	}
	return s, nil
}

// DomainOf is the domain of a clean e-mail address.
func DomainOf(email string) string {
	_, d, _ := strings.Cut(email, "@")
	return d
}

// Lack is what a sign-in lacks for an org that asks for more than a membership.
type Lack string

// What may lack.
const (
	LackSSO    Lack = "sso"         // it was not made by the org's own connection
	LackSecond Lack = "second_step" // it had none
	LackRecent Lack = "session"     // it is too long ago, or its session rested too long
)

// SignIn is how a session was made.
type SignIn struct {
	Via    OrgID     // by a connection of this org
	Second bool      // with a second step
	At     time.Time // when its session began; zero: there is none
	Used   time.Time // when that was last used for the org
	Rests  bool      // it may be idle
}

// Lacks says what a sign-in lacks for the org now, "" for nothing. Owners may come without
// the org's connection, so that a broken one shuts nobody out; who comes by it has done what the company asks for.
func (o Org) Lacks(role Role, s SignIn, now time.Time) Lack {
	switch own := s.Via == o.ID; {
	case o.SSORequired && !own && role != RoleOwner && role != RoleRunner:
		return LackSSO
	case o.SecondStepRequired && !own && !s.Second && role != RoleRunner:
		return LackSecond
	case role != RoleRunner && o.SessionsLast().over(s, now):
		return LackRecent
	}
	return ""
}

// ErrLacks is the error for what a sign-in lacks: of code CodeReauthenticationNeeded, with the Lack as its field.
func (o Org) ErrLacks(l Lack) error {
	switch l {
	case LackSSO:
		return Errorf(CodeReauthenticationNeeded, string(l), "%s asks its people to sign in with their company", o.Name)
	case LackRecent:
		return Errorf(CodeReauthenticationNeeded, string(l),
			"%s asks for a new sign-in after %s", o.Name, o.SessionsLast().Text())
	}
	return Errorf(CodeReauthenticationNeeded, string(l), "%s asks for a second step when you sign in", o.Name)
}

// LackOf returns what an error says that a sign-in lacks, "" for another error.
func LackOf(err error) Lack {
	var e *Error
	if errors.As(err, &e) && e.Code == CodeReauthenticationNeeded {
		return Lack(e.Field)
	}
	return ""
}

// ConnectionReader reads connections.
type ConnectionReader interface {
	Connection(ctx context.Context, a Actor, id ConnectionID) (Connection, error)
	Connections(ctx context.Context, a Actor, org OrgID) ([]Connection, error)
	ConnectionsOfDomain(ctx context.Context, a Actor, domain string) ([]Connection, error)
}

// ConnectionRemover deletes connections.
type ConnectionRemover interface {
	DeleteConnection(ctx context.Context, a Actor, org OrgID, id ConnectionID) error
}

// ConnectionStore keeps connections, and signs people in by them.
type ConnectionStore interface {
	CreateConnection(ctx context.Context, a Actor, c Connection) (Connection, error)
	UpdateConnection(
		ctx context.Context, a Actor, org OrgID, id ConnectionID, change ConnectionChange,
	) (Connection, error)
	SignInExternal(ctx context.Context, a Actor, x ExternalSignIn) (u User, linked bool, err error)
}

// IdentityStore keeps the accounts that people have elsewhere.
type IdentityStore interface {
	Identities(ctx context.Context, a Actor, id UserID) ([]Identity, error)
	RemoveIdentity(ctx context.Context, a Actor, id UserID, connection ConnectionID) error
}

// DomainReader reads the domains of orgs.
type DomainReader interface {
	Domains(ctx context.Context, a Actor, org OrgID) ([]Domain, error)
}

// DomainRemover removes domains from orgs.
type DomainRemover interface {
	RemoveDomain(ctx context.Context, a Actor, org OrgID, domain string) error
}

// DomainVerifier verifies whose a domain is.
type DomainVerifier interface {
	AddDomain(ctx context.Context, a Actor, org OrgID, domain, token string) (Domain, error)
	VerifyDomain(ctx context.Context, a Actor, org OrgID, domain, value string) (Domain, error)
	ClaimDomainChecks(ctx context.Context, a Actor, limit int) (list []Domain, err error)
	ReportDomainCheck(ctx context.Context, a Actor, was Domain, l Look) (Domain, error)
}
