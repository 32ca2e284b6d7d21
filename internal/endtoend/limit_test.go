package endtoend

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestOrgLimits: what one org uses up, another does not miss.
func TestOrgLimits(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `route {
		org
		org_auth
		org_limit {
			concurrency 3
			rate 5 20
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	s.org(ada, "acme")
	s.org(ada, "globex")
	ada.open(s.url("acme") + "/")
	ada.open(s.url("globex") + "/")
	// Open WebSockets hold their places, and give them back.
	open := []interface{ CloseNow() error }{}
	for i := range 3 {
		ws, err := s.dial(ada, s.url("acme"))
		if err != nil {
			t.Fatalf("WebSocket %d: %v", i, err)
		}
		open = append(open, ws)
	}
	if a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", ""); a.status != 429 {
		t.Errorf("a fourth at once: %d", a.status)
	}
	for _, ws := range open {
		_ = ws.CloseNow()
	}
	s.eventually("the places are free", func() bool { return ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "").status == 200 })

	var served, refused atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := 0; n < 20 || refused.Load() < 50 && !t.Failed(); n++ {
				switch a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", ""); a.status {
				case 200:
					served.Add(1)
				case 429:
					refused.Add(1)
					if a.header.Get("Retry-After") == "" || a.header.Get("RateLimit-Policy") != `"org";q=20;w=4` || a.header.Get("RateLimit") == "" {
						t.Errorf("429 without its headers: %v", a.header)
					}
				default:
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	wg.Wait()
	if served.Load() == 0 {
		t.Errorf("none served, %d refused", refused.Load())
	}
	if a := ada.fetch(http.MethodGet, s.url("globex")+"/whoami", ""); a.status != 200 || a.header.Get("RateLimit") == "" {
		t.Errorf("globex: %d %s", a.status, a.body)
	}
	if a := ada.open(s.url("acme") + "/"); a.status != 429 && a.status != 200 {
		t.Errorf("a page: %d %s", a.status, a.body)
	}
}

// TestOrgLimitsOfSize: WebSockets and bodies have limits of their own.
func TestOrgLimitsOfSize(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", "route {\norg\norg_auth\norg_limit {\nwebsockets 2\nbody 1KiB\n}\nreverse_proxy {\ndynamic org\ntransport org\n}\n}")
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	for i := range 2 {
		ws, err := s.dial(ada, s.url("acme"))
		if err != nil {
			t.Fatalf("WebSocket %d: %v", i, err)
		}
		defer func() { _ = ws.CloseNow() }()
	}
	if ws, err := s.dial(ada, s.url("acme")); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("a third WebSocket: %v", err)
		_ = ws.CloseNow()
	}
	own := map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": s.url("acme"), "Accept": "application/json"}
	for size, want := range map[int]int{0: 200, 1024: 200, 1025: 413, 1 << 20: 413} {
		for how, body := range map[string]io.Reader{"with its length": strings.NewReader(strings.Repeat("x", size)), "without": io.MultiReader(strings.NewReader(strings.Repeat("x", size)))} {
			if a := ada.do("POST", s.url("acme")+"/size", body, own); a.status != want {
				t.Errorf("%d bytes, %s: %d %s", size, how, a.status, a.body)
			}
		}
	}
}

// TestLimitsByPlan: the operator gives each plan its measure, and all others a default.
func TestLimitsByPlan(t *testing.T) {
	t.Parallel()
	s := startWith(t, "", `@team org plan team
	@others not org plan team
	route {
		org
		org_auth
		org_limit @team {
			rate 1 50
		}
		org_limit @others {
			rate 1 3
		}
		reverse_proxy {
			dynamic org
			transport org
		}
	}`)
	ada := s.admin()
	ada.call(t, "POST", s.url("")+"/api/v1/orgs", `{"slug":"acme","plan":"team"}`, 201, nil)
	s.active("acme")
	s.org(ada, "globex")
	for slug, policy := range map[string]string{"acme": `"org";q=50;w=50`, "globex": `"org";q=3;w=3`} {
		a := ada.open(s.url(slug) + "/whoami")
		if got := a.header.Get("RateLimit-Policy"); a.status != http.StatusOK || got != policy {
			t.Errorf("%s: %d %q, want %q", slug, a.status, got, policy)
		}
	}
	var acme, globex atomic.Int64 // how many were refused, of those that are made at once
	var wg sync.WaitGroup
	for range 20 {
		for slug, refused := range map[string]*atomic.Int64{"acme": &acme, "globex": &globex} {
			wg.Go(func() {
				if ada.fetch(http.MethodGet, s.url(slug)+"/whoami", "").status == http.StatusTooManyRequests {
					refused.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if acme.Load() != 0 || globex.Load() == 0 {
		t.Errorf("refused: %d of acme, %d of globex", acme.Load(), globex.Load())
	}
}

// TestLimitsOutliveReloads: a reload forgets neither open WebSockets nor what was used of a rate,
// also when it changes the limits.
func TestLimitsOutliveReloads(t *testing.T) {
	t.Parallel()
	orgs := func(limits string) string {
		return `route {
		org
		org_auth
		org_limit {
			` + limits + `
		}
		reverse_proxy {
			dynamic org
			transport org
			stream_close_delay 1h
		}
	}`
	}
	s := startWith(t, "", orgs("websockets 2\nrate 0.001 6"))
	ada := s.admin()
	s.org(ada, "acme")
	ada.open(s.url("acme") + "/")
	ws, err := s.dial(ada, s.url("acme"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	for ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "").status == http.StatusOK { // the rate is used up
	}
	s.orgs = orgs("websockets 1\nrate 0.002 6")
	if out, err := s.reload(s.caddyfile("", 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	a := ada.fetch(http.MethodGet, s.url("acme")+"/whoami", "")
	if a.status != http.StatusTooManyRequests || a.header.Get("RateLimit-Policy") != `"org";q=6;w=3000` {
		t.Errorf("the rate began anew: %d %v", a.status, a.header)
	}
	s.orgs = orgs("websockets 1")
	if out, err := s.reload(s.caddyfile("", 0)); err != nil {
		t.Fatalf("reload: %s", out)
	}
	if second, err := s.dial(ada, s.url("acme")); err == nil {
		_ = second.CloseNow()
		t.Error("a WebSocket from before the reload is not counted")
	}
	_ = ws.CloseNow()
	s.eventually("its place is free", func() bool {
		next, err := s.dial(ada, s.url("acme"))
		if err == nil {
			_ = next.CloseNow()
		}
		return err == nil
	})
}
