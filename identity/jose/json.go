package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

var errJSON = errors.New("not strict JSON")

// maxDepth bounds how deep objects and lists may be nested.
const maxDepth = 32

// DecodeStrict decodes one JSON object of valid UTF-8 with nothing after it, no repeated names, and
// lower-case names only; with closed set, also no unknown ones. encoding/json ignores the case of
// names by Unicode's rules: it takes U+017F for an s.
func DecodeStrict(raw []byte, into any, closed bool) error {
	if err := CheckObject(raw, lowerName); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if closed {
		d.DisallowUnknownFields()
	}
	if d.Decode(into) != nil {
		return errJSON
	}
	return nil
}

// CheckObject refuses everything but one JSON object of valid UTF-8 without repeated names, at any
// depth, whose names all pass ok.
func CheckObject(raw []byte, ok func(name string) bool) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if !utf8.Valid(raw) || err != nil || t != json.Delim('{') {
		return errJSON
	}
	if err := checkRest(d, true, ok, maxDepth); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errJSON
	}
	return nil
}

// checkRest reads the rest of an object or a list.
func checkRest(d *json.Decoder, object bool, ok func(string) bool, depth int) error {
	if depth == 0 {
		return errJSON
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return errJSON
		}
		if object {
			name, text := t.(string)
			if !text || seen[name] || !ok(name) {
				return errJSON
			}
			seen[name] = true
			if t, err = d.Token(); err != nil {
				return errJSON
			}
		}
		if open, is := t.(json.Delim); is && checkRest(d, open == '{', ok, depth-1) != nil {
			return errJSON
		}
	}
	_, err := d.Token() // its end
	return err
}

// lowerName reports whether a name is ASCII without capitals, so that names which fold onto each
// other are equal.
func lowerName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
