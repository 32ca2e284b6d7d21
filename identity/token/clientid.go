package token

import "github.com/pizzaface/pizzeria/registry"

// ClientID is the OpenID client of an org's gateway.
func ClientID(org registry.OrgID) string { return OrgClientPrefix + string(org) + GatewaySuffix }

// HostClientID is the client of a gateway that does not disclose which orgs there are: it has one for every slug.
func HostClientID(slug string) string { return HostClientPrefix + slug + GatewaySuffix }

const OrgClientPrefix, HostClientPrefix, GatewaySuffix = "urn:pizzeria:org:", "urn:pizzeria:host:", ":gateway"
