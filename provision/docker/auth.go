//go:build linux

package docker

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// hub is the key of Docker's own registry in a config.json.
const hub = "https://index.docker.io/v1/"

// dockerConfig is what is read of a config.json.
type dockerConfig struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	Store   string            `json:"credsStore"`
	Helpers map[string]string `json:"credHelpers"`
}

// nameOf returns the name of an image; not of one that is given by its ID, which no registry has.
func nameOf(image string) (reference.Named, bool) {
	ref, err := reference.ParseAnyReference(image)
	if err != nil {
		return nil, false
	}
	named, ok := ref.(reference.Named)
	return named, ok
}

// header is what the engine is told of who asks for an image; "" without credentials. The file is
// read at each pull, since some are replaced every few hours.
func (a Auth) header(image string) (string, error) {
	named, ok := nameOf(image)
	if !ok {
		return "", nil
	}
	host := reference.Domain(named)
	if a.Username != "" {
		return authconfig.Encode(registry.AuthConfig{Username: a.Username, Password: a.Password, ServerAddress: host})
	}
	if a.File == "" {
		return "", nil
	}
	b, err := os.ReadFile(a.File)
	if err != nil {
		return "", err
	}
	var c dockerConfig
	if json.Unmarshal(b, &c) != nil { // its error would show what it holds
		return "", fmt.Errorf("%s is not a config.json of docker", a.File)
	}
	keys := []string{host, "https://" + host}
	if host == "docker.io" {
		keys = append(keys, hub, "index.docker.io")
	}
	for _, k := range keys {
		entry := c.Auths[k]
		if entry.Auth == "" && entry.IdentityToken == "" {
			continue
		}
		plain, err := base64.StdEncoding.DecodeString(entry.Auth)
		user, password, ok := strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		if err != nil || !ok && entry.IdentityToken == "" {
			return "", fmt.Errorf("%s: the credentials of %s are malformed", a.File, k)
		}
		return authconfig.Encode(registry.AuthConfig{
			Username: user, Password: password, IdentityToken: entry.IdentityToken, ServerAddress: host,
		})
	}
	if c.Store != "" || c.Helpers[host] != "" {
		return "", fmt.Errorf("%s keeps the credentials of %s with a helper, which the server does not call: use a file that "+
			"holds them, or a name and a password", a.File, host)
	}
	return "", nil
}
