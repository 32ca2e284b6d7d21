package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// A version names a state of what people edit: it is another after every change of it. Who changes
// something says which version they have seen, "" for any.

// versionOf is the version of what holds these values.
func versionOf(values ...any) string {
	h := sha256.New()
	for _, v := range values {
		_, _ = fmt.Fprintf(h, "%+q\n", v)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// CheckVersion compares the version that somebody has seen with that of now. Error: CodeVersionConflict.
func CheckVersion(seen, now string) error {
	if seen == "" || seen == now {
		return nil
	}
	return Errorf(CodeVersionConflict, "version",
		"somebody changed this meanwhile: load it again and repeat your change")
}

// Version is of a connection as people state it.
func (c Connection) Version() string {
	spec := c.ConnectionSpec
	return versionOf(spec.Name, spec.Issuer, spec.ClientID, spec.Scopes, fmt.Sprint(spec.SignUp,
		spec.Required, spec.TrustEmail), spec.RolesClaim, spec.Roles, spec.DefaultRole, c.Sealed)
}

// Version is of a webhook as people state it.
func (w Webhook) Version() string {
	return versionOf(w.URL, w.Events, fmt.Sprint(w.Active), w.Sealed)
}

// Version is of a plan as people state it.
func (p Plan) Version() string {
	return versionOf(p.Title, p.Description, p.Provider, p.Limits.String(),
		fmt.Sprint(p.Sessions.Idle, p.Sessions.Absolute, p.Configured))
}

// SignInPolicyVersion is of what the org asks of its people's sign-in.
func (o Org) SignInPolicyVersion() string { return versionOf(fmt.Sprint(o.SignInVersion)) }

// SettingsVersion is of an org's settings.
func SettingsVersion(list []Setting) string {
	values := make([]any, 0, 2*len(list))
	for _, s := range list {
		values = append(values, s.Name, s.ChangeID)
	}
	return versionOf(values...)
}
