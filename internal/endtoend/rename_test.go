package endtoend

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/oauth2"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// echoes writes to an org's echo and reads it back.
func echoes(ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageText, []byte("x")); err != nil {
		return err
	}
	_, _, err := ws.Read(ctx)
	return err
}

// dialFrom opens an org's echo with a person's cookie, as a page of an origin does.
func (s *server) dialFrom(slug, cookie, origin string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tr := s.transport()
	tr.ForceAttemptHTTP2 = false
	return websocket.Dial(ctx, s.url(slug)+"/echo", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr},
		HTTPHeader: http.Header{"Cookie": {orgCookie + "=" + cookie}, "Origin": {origin}},
	})
}

// publicURLs are what the sample instances that run believe to be their address.
func (s *server) publicURLs() (urls []string) {
	for _, pid := range s.sample() {
		env, _ := os.ReadFile("/proc/" + pid + "/environ")
		for v := range strings.SplitSeq(string(env), "\x00") {
			if url, ok := strings.CutPrefix(v, "PIZZERIA_PUBLIC_URL="); ok {
				urls = append(urls, url)
			}
		}
	}
	return urls
}

// TestRename: after a rename the instance knows its new address, runners that know only the former
// one go on working, no request is lost, and pages of the former address lead to the present one.
func TestRename(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", patient)
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	cookie := ada.cookie(s.url("acme"), orgCookie)
	r := s.enroll(ada, "acme", "build-1")
	token, err := s.token(r, oauth2.AuthStyleInHeader)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.dialWith("acme", token)
	if err != nil || echoes(before) != nil {
		t.Fatalf("before the rename: %v", err)
	}
	if urls := s.publicURLs(); !slices.Equal(urls, []string{s.url("acme")}) {
		t.Fatalf("before the rename the instance's address is %q", urls)
	}

	// A runner works all the time, by requests and by sockets, and knows the former address alone.
	var requests, sockets atomic.Int64
	end := make(chan struct{})
	var wg sync.WaitGroup
	work := func(count *atomic.Int64, f func() bool) {
		wg.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if !f() {
					return
				}
				count.Add(1)
			}
		})
	}
	c := s.anonymous()
	c.Timeout = 2 * time.Minute
	for _, method := range []string{"GET", "POST"} {
		work(&requests, func() bool {
			path := "/whoami"
			if method == "POST" {
				path = "/size"
			}
			req, err := http.NewRequest(method, s.url("acme")+path, nil)
			if err != nil {
				t.Error(err)
				return false
			}
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := c.Do(req)
			if err != nil {
				t.Errorf("%s: %v", method, err)
				return false
			}
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				t.Errorf("%s: %d", method, res.StatusCode)
			}
			return res.StatusCode == 200
		})
	}
	work(&sockets, func() bool {
		ws, err := s.dialWith("acme", token)
		if err != nil {
			t.Errorf("a socket: %v", err)
			return false
		}
		_ = ws.CloseNow()
		return true
	})
	ada.call(t, "POST", s.url("")+"/api/v1/orgs/acme/rename", `{"slug":"apex"}`, 200, nil)
	s.eventually("the instance knows its new address", func() bool {
		return slices.Equal(s.publicURLs(), []string{s.url("apex")})
	})
	s.active("apex")
	done := requests.Load() + sockets.Load()
	s.eventually("the runner goes on", func() bool { return requests.Load()+sockets.Load() > done+20 })
	close(end)
	wg.Wait()
	if echoes(before) == nil {
		t.Error("a socket outlived its instance")
	}
	after, err := s.dialWith("acme", token)
	if err != nil || echoes(after) != nil {
		t.Fatalf("after the rename: %v", err)
	}
	_ = after.CloseNow()

	// An open page of the former address: its own origin is the only one that counts there.
	for origin, want := range map[string]int{s.url("acme"): 101, s.url("apex"): 403, s.url("other"): 403} {
		ws, res, err := s.dialFrom("acme", cookie, origin)
		if res == nil || res.StatusCode != want {
			t.Errorf("a socket of %s: %v %v", origin, res, err)
		}
		if ws != nil {
			_ = ws.CloseNow()
		}
	}
	if a := ada.open(s.url("acme") + "/whoami?a=%2Fb"); a.status != 200 || a.url.String() != s.url("apex")+"/whoami?a=%2Fb" {
		t.Errorf("a page of the former address: %d at %s", a.status, a.url)
	}
	if a := ada.open(s.url("") + "/orgs/acme/members?x=1"); a.status != 200 || a.url.String() != s.url("")+"/orgs/apex/members?x=1" {
		t.Errorf("a page of the console: %d at %s", a.status, a.url)
	}
	if a := ada.fetch("GET", s.url("")+"/api/v1/orgs/acme", ""); a.status != 404 || !strings.Contains(a.body, `its address is \"apex\" now`) {
		t.Errorf("the API: %d %s", a.status, a.body)
	}
	a := ada.call(t, "GET", s.url("")+"/api/v1/orgs/apex/audit", "", 200, nil)
	for _, kind := range []string{"org.renamed", "instance.changed"} {
		if !strings.Contains(a.body, kind) {
			t.Errorf("the audit log has no %s: %s", kind, a.body)
		}
	}
	// The address rests: pages are told, and runners go on.
	s.sql(`UPDATE slugs SET redirect_until = 1 WHERE slug = 'acme'`)
	s.kill()
	s.run()
	if a := ada.open(s.url("acme") + "/whoami"); a.status != 410 {
		t.Errorf("a page while the address rests: %d at %s", a.status, a.url)
	}
	if after, err = s.dialWith("acme", token); err != nil || echoes(after) != nil {
		t.Fatalf("a runner while the address rests: %v", err)
	}

	// Revoked, it has no way in there either, and what is open closes.
	ada.call(t, "DELETE", s.url("")+"/api/v1/orgs/apex/runners/"+string(r.Runner.ID), "", 204, nil)
	if code := servertest.Ending(after); code != 4401 {
		t.Errorf("a revoked runner's socket at the former address ends with %d", code)
	}
}
