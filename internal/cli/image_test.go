package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestImageIsPrinted: nothing in it steers the terminal.
func TestImageIsPrinted(t *testing.T) {
	var out bytes.Buffer
	if err := new(client).showInstance(&out, []byte(`{"image":"registry.example/app@sha256:0123\u001b[2J"}`)); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasSuffix(got, "\n\nImage: registry.example/app@sha256:0123 [2J\n") {
		t.Errorf("%q", got)
	}
}
