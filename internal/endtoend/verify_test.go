package endtoend

import (
	"strings"
	"testing"
)

// TestVerifyFindsWhatIsBroken: a gateway without a control fails the very checks that are about it.
func TestVerifyFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ auth, broken string }{
		"nobody passes":          {"org_auth {\noptional\n}", "a WebSocket from a sibling org's page"},
		"only reading is judged": {"@get method GET\norg_auth @get", "requests forged by a sibling org's page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startWith(t, "", "route {\norg\n"+c.auth+"\nreverse_proxy {\ndynamic org\ntransport org\n}\n}")
			out, err := s.cli("", "verify-isolation")
			found := false
			for line := range strings.Lines(out) {
				found = found || strings.HasPrefix(line, "BROKEN") && strings.Contains(line, c.broken)
			}
			if err == nil || !found {
				t.Errorf("%v: %s", err, out)
			}
			if list, err := s.cli("", "org", "list"); err != nil || strings.Contains(list, "canary") {
				t.Errorf("the canaries are still there: %v %s", err, list)
			}
		})
	}
}
