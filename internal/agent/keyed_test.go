//go:build linux || darwin

package agent

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/internal/agent/pizzapi"
	"github.com/pizzaface/pizzeria/provision"
	"github.com/pizzaface/pizzeria/registry"
)

// holding is what somebody has open until it is cut.
func holding(p *proxy, c assertion.Claims, upgrade string, streams bool) *exchange {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if upgrade != "" {
		r.Header.Set("Upgrade", upgrade)
	}
	x, r := p.open.begin(httptest.NewRecorder(), r, "", c)
	x.streams = streams
	go func() {
		<-r.Context().Done()
		p.open.end(x)
	}()
	return x
}

func (x *exchange) isOpen() bool {
	synctest.Wait()
	select {
	case <-x.done:
		return false
	default:
		return true
	}
}

// TestKeyed: what keys have open ends at once when somebody is gone, seldom when a runner is only
// disconnected, and not for those that PizzaPi does not know.
func TestKeyed(t *testing.T) {
	dir := t.TempDir()
	knows := []byte(`{"r1":{"owner":"ada","key_id":"k"},"r2":{"owner":"ada","key_id":"k2"}}`)
	if err := os.WriteFile(filepath.Join(dir, "pizzapi-runners.json"), knows, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		app, err := pizzapi.New(pizzapi.Config{Now: time.Now, Say: func(s string) { t.Log(s) }, Env: map[string]string{
			"PIZZERIA_PUBLIC_URL": "https://acme.example", "PIZZERIA_PREFIX": "/api/.pizzeria", "PIZZERIA_DATA_DIR": dir,
		}})
		if err != nil {
			t.Fatal(err)
		}
		app.Use(noAccounts{})
		p := &proxy{pizzapi: app, gone: &revocations{now: time.Now}}
		p.keyed = &keyed{open: &p.open, now: time.Now}
		revoke := func(v provision.Revocation) {
			t.Helper()
			if err := p.revoke(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		disconnected := provision.Revocation{Runners: []registry.RunnerID{"r1"}}
		others := holding(p, assertion.Claims{Subject: "bob"}, "websocket", false)
		request := holding(p, assertion.Claims{}, "", false)

		socket := holding(p, assertion.Claims{}, "websocket", false)
		revoke(provision.Revocation{Runners: []registry.RunnerID{"x"}, GoneRunners: []registry.RunnerID{"x"}})
		if !socket.isOpen() {
			t.Error("cut for a runner that PizzaPi does not know")
		}
		stream := holding(p, assertion.Claims{}, "", true)
		revoke(disconnected)
		if socket.isOpen() || stream.isOpen() {
			t.Error("the first is not cut")
		}
		socket = holding(p, assertion.Claims{}, "websocket", false)
		revoke(disconnected)
		revoke(disconnected)
		time.Sleep(cutEvery - time.Second) // the clock is the bubble's
		if !socket.isOpen() {
			t.Error("cut too soon")
		}
		time.Sleep(2 * time.Second) // the clock is the bubble's
		if socket.isOpen() {
			t.Error("it is never cut")
		}
		socket = holding(p, assertion.Claims{}, "websocket", false)
		time.Sleep(2 * cutEvery) // the clock is the bubble's
		if !socket.isOpen() {
			t.Error("cut once more than somebody asked for")
		}
		revoke(disconnected)
		for _, gone := range []provision.Revocation{
			{Runners: []registry.RunnerID{"r2"}, GoneRunners: []registry.RunnerID{"r2"}},
			{Users: []registry.UserID{"eve"}, GoneUsers: []registry.UserID{"eve"}},
		} {
			socket = holding(p, assertion.Claims{}, "websocket", false)
			if revoke(gone); socket.isOpen() {
				t.Errorf("somebody is gone, and it is open: %+v", gone)
			}
		}
		if !others.isOpen() || !request.isOpen() {
			t.Error("others are cut")
		}
		for _, x := range []*exchange{others, request} {
			x.cancel()
			<-x.done
		}
	})
}

// noAccounts is a PizzaPi without any.
type noAccounts struct{}

func (noAccounts) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}
