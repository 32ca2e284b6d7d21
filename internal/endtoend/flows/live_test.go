package flows

import (
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// TestLiveStream resumes the stream of a live page.
func TestLiveStream(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, nil)
	admin := s.Admin()
	s.Org(admin, "acme")
	for _, path := range []string{"/orgs/acme", "/platform"} {
		stream := s.URL("") + path + "/live"
		next := admin.Stream(t, stream)
		id := strings.TrimPrefix(next.Until(t, "id: "), "id: ")
		next.Close()
		// The version that the browser has is not announced again. A newer one is.
		next = admin.Stream(t, stream, "Last-Event-ID", id)
		if first, _ := next.Next(t); first == "id: "+id {
			t.Errorf("%s: the version that was seen comes again", path)
		}
		next.Close()
		next = admin.Stream(t, stream+"?last-event-id="+id)
		if first, _ := next.Next(t); first == "id: "+id {
			t.Errorf("%s: the version that was seen comes again", path)
		}
		admin.Call(t, "POST", s.URL("")+"/api/v1/orgs/acme/suspend", `{"reason":"x"}`, 200, nil)
		next.Until(t, "event: changed")
		admin.Call(t, "POST", s.URL("")+"/api/v1/orgs/acme/resume", "", 200, nil)
		next.Close()
		s.Active("acme")
	}
}
