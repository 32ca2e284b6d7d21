//go:build linux

package docker

import (
	"fmt"
	"strings"
)

// advice says what to do about an engine's words. Registries and engines have no codes in common: the
// words of those of the standard, and of Go's network, are in all of them. The first that is found counts.
var advice = []struct {
	words []string
	means string
}{
	{
		[]string{"verification failed", "unexpected commit digest", "failed size validation"},
		"what the registry sent is not what its digest says: push the image again, and look for a proxy that changes it",
	},
	{
		[]string{"no basic auth credentials", "unauthorized", "authentication required", "incorrect username or password"},
		"the registry refuses the credentials: set registry_username and registry_password, or registry_config",
	},
	{
		[]string{"access denied", "denied:", "403 forbidden"},
		"the registry does not have the image, or does not give it to these credentials: check its name, and " +
			"registry_username and registry_password, or registry_config",
	},
	{
		[]string{"manifest unknown", "name unknown", "manifest_unknown", "name_unknown", "not found"},
		"the registry does not have the image: check its name, tag and digest, or push it there",
	},
	{
		[]string{"toomanyrequests", "too many requests"},
		"the registry wants fewer requests: wait, or set registry_username and registry_password",
	},
	{
		[]string{"x509:", "http response to https client"},
		"the engine does not trust the registry: put its authority's certificate into " +
			"/etc/docker/certs.d/<registry>/ca.crt",
	},
	{
		[]string{"no space left on device"},
		"the engine's disk is full: free some, such as with `docker image prune`",
	},
	{
		[]string{
			"connection refused", "no such host", "i/o timeout", "client.timeout", "no route to host",
			"network is unreachable", "connection reset", "server misbehaving", "eof",
		},
		"the engine does not reach the registry: check its name, and that it answers",
	},
}

// explain adds to the engine's words why there is no image what to do about it.
func explain(err error) error {
	said := strings.ToLower(err.Error())
	for _, a := range advice {
		for _, w := range a.words {
			if strings.Contains(said, w) {
				return fmt.Errorf("%s (%w)", a.means, err)
			}
		}
	}
	return err
}
