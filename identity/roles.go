package identity

import (
	"encoding/json"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// roles reads the values of the roles claim. A provider that does not deliver them does not say
// that there are none (OpenID Connect Core, section 5.6.2): missing says why, and then values may
// be some of them. What a provider refers to elsewhere is not fetched: the address is the token's
// choice.
func (c claims) roles(name string) (values []string, missing registry.Undelivered) {
	raw, ok := c.find(name)
	if !ok || string(raw) == "null" {
		if c.refers(name) {
			return nil, registry.UndeliveredElsewhere
		}
		return nil, registry.UndeliveredAbsent
	}
	values, ok = texts(raw)
	if !ok {
		return nil, registry.UndeliveredMalformed
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) == nil && len(all) != len(values) {
		return values, registry.UndeliveredMalformed
	}
	return values, ""
}

// find returns a claim, by its own name or by the path to it: realm_access.roles.
func (c claims) find(name string) (raw json.RawMessage, ok bool) {
	if raw, ok = c.raw[name]; ok {
		return raw, true
	}
	in := c.raw
	for {
		first, rest, nested := strings.Cut(name, ".")
		raw, ok = in[first]
		if !ok || !nested {
			return raw, ok
		}
		in = nil
		if json.Unmarshal(raw, &in) != nil {
			return nil, false
		}
		name = rest
	}
}

// refers reports whether a claim is said to be elsewhere, as Entra ID says of more than 200 groups:
// by a distributed claim, or where that has no room, by hasgroups.
func (c claims) refers(name string) bool {
	var elsewhere map[string]json.RawMessage
	_ = json.Unmarshal(c.raw["_claim_names"], &elsewhere)
	first, _, _ := strings.Cut(name, ".")
	_, whole := elsewhere[name]
	_, part := elsewhere[first]
	return whole || part || name == "groups" && string(c.raw["hasgroups"]) == "true"
}
