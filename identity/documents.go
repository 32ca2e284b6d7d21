package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// What providers publish is read by go-oidc, which refuses a whole document for one odd member. It
// is given the part that the standards let us read.

// through returns a client whose successful answers are edited before anybody reads them. An error
// of edit is one of the exchange.
func through(c *http.Client, edit func([]byte) ([]byte, error)) *http.Client {
	edited := *c
	edited.Transport = editor{c.Transport, edit}
	return &edited
}

type editor struct {
	next http.RoundTripper // nil = http.DefaultTransport
	edit func([]byte) ([]byte, error)
}

func (e editor) RoundTrip(r *http.Request) (*http.Response, error) {
	next := e.next
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(r)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	// RFC 8259, section 8.1, lets a parser ignore a byte order mark.
	if b, err = e.edit(bytes.TrimPrefix(b, []byte("\ufeff"))); err != nil {
		return nil, err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return res, nil
}

// errNoKeys is that a provider's answers cannot be checked, whatever they are.
var errNoKeys = errors.New("it publishes no key that can be used")

// usableKeys leaves the keys of a JWK Set that can verify a signature: others are ignored (RFC
// 7517, section 5). Error: errNoKeys.
func usableKeys(document []byte) ([]byte, error) {
	var set map[string]json.RawMessage // not a struct, to which "KEYS" is keys
	var all, usable []json.RawMessage
	if json.Unmarshal(document, &set) != nil || json.Unmarshal(set["keys"], &all) != nil {
		return nil, fmt.Errorf("%w: it is no JWK Set", errNoKeys)
	}
	for _, raw := range all {
		if verifies(raw) {
			usable = append(usable, raw)
		}
	}
	if len(usable) == 0 {
		return nil, fmt.Errorf("%w: none of %d", errNoKeys, len(all))
	}
	return json.Marshal(map[string][]json.RawMessage{"keys": usable})
}

// verifies reports whether a key is a public one, for signatures, that the library can read. A
// private or symmetric key that somebody published is everybody's.
func verifies(raw json.RawMessage) bool {
	var key jose.JSONWebKey
	var use struct {
		Operations []string `json:"key_ops"`
	}
	if json.Unmarshal(raw, &key) != nil || json.Unmarshal(raw, &use) != nil {
		return false
	}
	return key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") &&
		(use.Operations == nil || slices.Contains(use.Operations, "verify"))
}

// Members of a provider's configuration that go-oidc reads, or we do, and that it may leave out.
var (
	optionalLists = []string{"id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported"}
	optionalTexts = []string{"userinfo_endpoint", "device_authorization_endpoint"}
)

// usableConfiguration leaves out optional members that are of another type than they should be. A
// text in place of a list is the list of it.
func usableConfiguration(document []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return document, nil // the library's to refuse
	}
	for _, name := range optionalLists {
		if _, ok := members[name]; ok {
			list, _ := texts(members[name])
			members[name], _ = json.Marshal(list) // texts alone: it cannot fail
		}
	}
	for _, name := range optionalTexts {
		if json.Unmarshal(members[name], new(string)) != nil {
			delete(members, name)
		}
	}
	return json.Marshal(members)
}

// texts reads a text, or the texts in a list. ok is false of anything else.
func texts(raw json.RawMessage) (list []string, ok bool) {
	var one *string
	if json.Unmarshal(raw, &one) == nil && one != nil {
		return []string{*one}, true
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil || all == nil {
		return nil, false
	}
	for _, item := range all {
		var text *string
		if json.Unmarshal(item, &text) == nil && text != nil {
			list = append(list, *text)
		}
	}
	return list, true
}
