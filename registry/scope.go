package registry

import (
	"slices"
	"strings"
)

// Scope is a part of what an API key may do. A key never does more than its
// holder could: a scope only leaves things out.
type Scope string

// The scopes. One of writing includes reading.
const (
	ScopeOrgRead       Scope = "org:read"
	ScopeOrgWrite      Scope = "org:write"
	ScopeMemberRead    Scope = "member:read"
	ScopeMemberWrite   Scope = "member:write"
	ScopeInstanceRead  Scope = "instance:read"
	ScopeInstanceWrite Scope = "instance:write"
	ScopeSettingsRead  Scope = "settings:read"
	ScopeSettingsWrite Scope = "settings:write"
	ScopeWebhookRead   Scope = "webhook:read"
	ScopeWebhookWrite  Scope = "webhook:write"
	ScopeRunnerRead    Scope = "runner:read"
	ScopeRunnerWrite   Scope = "runner:write" // to enroll, disconnect and revoke
	ScopeAuditRead     Scope = "audit:read"
	ScopePlatform      Scope = "platform" // what a platform admin may; never of an org's own key
)

// Scopes lists every scope.
func Scopes() []Scope {
	return []Scope{ScopeOrgRead, ScopeOrgWrite, ScopeMemberRead, ScopeMemberWrite, ScopeInstanceRead, ScopeInstanceWrite, ScopeSettingsRead, ScopeSettingsWrite, ScopeWebhookRead, ScopeWebhookWrite, ScopeRunnerRead, ScopeRunnerWrite, ScopeAuditRead, ScopePlatform}
}

// ScopeSet is a set of scopes in text form: sorted and joined by spaces, as in
// RFC 6749, section 3.3. It compares with ==.
type ScopeSet string

// NewScopeSet makes a set. Error: CodeInvalid on field "scopes" for an unknown or missing scope.
func NewScopeSet(scopes []Scope) (ScopeSet, error) {
	if len(scopes) == 0 {
		return "", Errorf(CodeInvalid, "scopes", "name at least one scope: %s", joinScopes(Scopes()))
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return "", Errorf(CodeInvalid, "scopes", "%q is not a scope: use %s", string(s), joinScopes(Scopes()))
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(scopes)))
	words := make([]string, len(sorted))
	for i, s := range sorted {
		words[i] = string(s)
	}
	return ScopeSet(strings.Join(words, " ")), nil
}

// List returns the scopes of the set.
func (s ScopeSet) List() []Scope {
	out := []Scope{}
	for _, w := range strings.Fields(string(s)) {
		out = append(out, Scope(w))
	}
	return out
}

// Has reports whether the set includes a scope.
func (s ScopeSet) Has(scope Scope) bool {
	list := s.List()
	writing := Scope(strings.TrimSuffix(string(scope), ":read") + ":write")
	return slices.Contains(list, scope) || strings.HasSuffix(string(scope), ":read") && slices.Contains(list, writing)
}

func joinScopes(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
