package flows

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/internal/servertest"
)

// receiver is somebody's server that is told what changes.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	got      []http.Header
	bodies   []string
	answer   int
	location string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{answer: 204}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, q.Header), append(r.bodies, string(b))
		if r.location != "" {
			w.Header().Set("Location", r.location)
		}
		w.WriteHeader(r.answer)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *receiver) set(answer int, location string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.location = answer, location
}

// TestWebhooks: a change is told, signed, again after a failure, and again on request; also across a restart.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, allowLoopback)
	ada := s.Admin()
	s.Org(ada, "acme")
	s.Org(ada, "globex")
	bob := s.Invite(ada, "globex", "bob@example.com", "owner")
	api := s.URL("") + "/api/v1"
	r := newReceiver(t)
	var made struct {
		Webhook struct{ ID string }
		Secret  string
	}
	ada.Call(t, "POST", api+"/orgs/acme/webhooks", `{"url":"`+r.URL+`/hook","events":["org.updated"]}`, 201, &made)
	ada.Call(t, "PATCH", api+"/orgs/globex", `{"name":"Not told"}`, 200, nil)
	ada.Call(t, "PATCH", api+"/orgs/acme", `{"name":"Told"}`, 200, nil)
	s.Eventually("it is told", func() bool { return r.count() == 1 })
	h, body := r.got[0], r.bodies[0]
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	if err != nil || len(secret) != 32 {
		t.Fatalf("secret %q", made.Secret)
	}
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + body))
	if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); h.Get("Webhook-Signature") != want {
		t.Errorf("signature %s, want %s", h.Get("Webhook-Signature"), want)
	}
	if at, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64); err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
		t.Errorf("time %s", h.Get("Webhook-Timestamp"))
	}
	if !strings.Contains(body, `"type":"org.updated"`) || !strings.Contains(body, `"slug":"acme"`) || h.Get("Authorization")+h.Get("Cookie") != "" {
		t.Errorf("%s %v", body, h)
	}

	var log struct {
		Items []struct {
			ID, State, Error string
			Attempts, Status int
		}
	}
	deliveries := api + "/orgs/acme/webhooks/" + made.Webhook.ID + "/deliveries"
	last := func() string {
		ada.Call(t, "GET", deliveries, "", 200, &log)
		return log.Items[0].State
	}
	s.Eventually("the log says so", func() bool { return last() == "delivered" })
	if id := h.Get("Webhook-Id"); log.Items[0].ID != id || log.Items[0].Status != 204 {
		t.Errorf("%+v", log.Items[0])
	}
	ada.Call(t, "POST", deliveries+"/"+log.Items[0].ID+"/replay", "", 202, nil)
	s.Eventually("it is told again", func() bool { return r.count() == 2 })
	if r.got[1].Get("Webhook-Id") != h.Get("Webhook-Id") {
		t.Error("a replay has another ID")
	}

	// What fails is tried again, also by the next server; a redirect is a failure.
	inside := newReceiver(t)
	r.set(307, inside.URL)
	ada.Call(t, "POST", api+"/orgs/acme/webhooks/"+made.Webhook.ID+"/test", "", 202, nil)
	s.Eventually("it fails", func() bool { return last() == "pending" && log.Items[0].Attempts == 1 })
	if log.Items[0].Error != "it answered 307 Temporary Redirect" || inside.count() != 0 {
		t.Errorf("%+v, the redirect was followed %d times", log.Items[0], inside.count())
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	r.set(200, "")
	s.Run()
	s.Eventually("it is told by the next server", func() bool { return last() == "delivered" })

	// Nobody else's.
	for _, path := range []string{"/orgs/acme/webhooks", "/orgs/globex/webhooks/" + made.Webhook.ID + "/deliveries"} {
		bob.Call(t, "GET", api+path, "", 404, nil)
	}
	bob.Call(t, "DELETE", api+"/orgs/globex/webhooks/"+made.Webhook.ID, "", 404, nil)
	bob.Call(t, "POST", api+"/webhooks", `{"url":"https://example.com"}`, 403, nil)
	// Addresses that are not allowed, whatever they are called.
	for _, address := range []string{"http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/meta-data"} {
		ada.Call(t, "POST", api+"/orgs/acme/webhooks", `{"url":"`+address+`"}`, 422, nil)
	}
	_, port, _ := net.SplitHostPort(r.Listener.Addr().String())
	ada.Call(t, "POST", api+"/orgs/acme/webhooks", `{"url":"http://localhost:`+port+`/","events":["org.renamed"]}`, 201, &made)
	if a := s.Must("GET", "/orgs/acme/webhooks", "").Body; strings.Contains(a, "whsec_") {
		t.Error("a secret is shown again")
	}
}
