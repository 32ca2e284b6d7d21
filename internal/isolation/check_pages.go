package isolation

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func hosts(a *attack) error {
	domain := strings.SplitN(a.b.Hostname(), ".", 2)[1]
	slug := strings.SplitN(a.b.Hostname(), ".", 2)[0]
	for _, host := range []string{a.a.Host, "x." + slug + "." + domain, slug + "_." + domain, "xn--" + slug + "." + domain, "-" + slug + "." + domain, slug + ".." + domain, domain, "127.0.0.1", "evil.example"} {
		r, err := a.send(a.b.Hostname(), a.b, "GET", a.path(), host, bearer(a.B.Token)...)
		if err != nil {
			return err
		}
		// A host that no site names is Caddy's to answer, with nothing at all.
		if r.status != http.StatusMisdirectedRequest && r.status != http.StatusBadRequest && (r.status != http.StatusOK || r.body != "") {
			return fmt.Errorf("host %s with B's server name: %d", host, r.status)
		}
	}
	r, err := a.raw(a.b.Hostname(), a.b, "GET "+a.A.URL+a.path()+" HTTP/1.1\r\nHost: "+a.b.Host+"\r\nConnection: close\r\n"+strings.Join(bearer(a.B.Token), "\r\n")+"\r\n\r\n")
	return wantRefused("A's URL on B's connection", r, err)
}

func reserved(a *attack) error {
	for _, path := range []string{
		"/.pizzeria/canary", "/.pizzeria", "/%2epizzeria/session", "/.Pizzeria/session", "//.pizzeria/session", "/x/../.pizzeria/session", "/./.pizzeria/session", "/.pizzeria%2fsession",
		"/.pizzeria;x/session", "/%252epizzeria/session", "/\\.pizzeria/session", "/.pizzeria//session", "/.pizzeri%61/session", "/.pizzeria/./session",
	} {
		r, err := a.get(a.b, path, bearer(a.B.Token)...)
		if err := want(path, r, err, http.StatusBadRequest, http.StatusNotFound); err != nil {
			return err
		}
		if assertionIn(r.body) != "" {
			return fmt.Errorf("%s reached the instance", path)
		}
	}
	return nil
}

// targets asks with what HTTP/1.1 lets a client write in place of a path (RFC 9112, section 3.2).
func targets(a *attack) error {
	ask := func(target string) (answer, error) {
		return a.send(a.b.Hostname(), a.b, "GET", target, a.b.Host, bearer(a.B.Token)...)
	}
	for _, target := range []string{
		"x:http://evil.example/.pizzeria/callback", "x:" + a.path(), "x:y", "http:" + a.path(), "https:evil",
		"file:///etc/passwd", "x://" + a.b.Host + a.path(), "http://" + a.path(), "http:///",
		"https://canary@" + a.b.Host + a.path(),
		"*", "canary", a.b.Host + ":443", a.path() + "#canary", a.path() + "?\u00e9", a.path() + "\x00", "\\" + a.path(),
	} {
		r, err := ask(target)
		if err := want(fmt.Sprintf("%q", target), r, err, http.StatusBadRequest, http.StatusMisdirectedRequest); err != nil {
			return err
		}
		if assertionIn(r.body) != "" {
			return fmt.Errorf("%q reached the instance", target)
		}
	}
	r, err := ask("https://" + a.b.Host + a.path())
	if err == nil && refused(r.status) {
		return fmt.Errorf("the URL of B itself: refused with %d", r.status)
	}
	return err
}

func unknown(a *attack) error {
	domain := strings.SplitN(a.b.Hostname(), ".", 2)[1]
	for i := range 50 {
		host := fmt.Sprintf("canary-nobody-%d.%s", i, domain)
		at := *a.b
		if at.Host = host; a.b.Port() != "" {
			at.Host += ":" + a.b.Port()
		}
		r, err := a.get(&at, "/", bearer(a.B.Token)...)
		if err != nil {
			if i == 0 { // certificates on demand: none for what does not exist, which is as it should be
				return nil
			}
			return err
		}
		if err := want(host, r, err, http.StatusNotFound, http.StatusUnauthorized); err != nil {
			return err
		}
	}
	r, err := a.get(a.b, a.path(), bearer(a.B.Token)...)
	if err != nil || refused(r.status) {
		return fmt.Errorf("afterwards B is not served: %d %w", r.status, err)
	}
	return nil
}

func management(a *attack) error {
	for _, path := range []string{"/api/v1/orgs/" + a.B.ID, "/api/v1/orgs/" + a.B.ID + "/members", "/api/v1/orgs/" + a.B.ID + "/runners", "/api/v1/orgs/" + a.B.ID + "/settings", "/api/v1/orgs/" + a.B.ID + "/instance/logs", "/api/v1/orgs", "/api/v1/users", "/api/v1/audit"} {
		for _, token := range []string{a.A.Token, a.A.Key} {
			r, err := a.get(a.control, path, bearer(token)...)
			if err := want(path, r, err, http.StatusUnauthorized); err != nil {
				return err
			}
		}
	}
	r, err := a.get(a.b, "/.pizzeria/session", bearer(a.B.Token)...)
	if err := want("/.pizzeria/session", r, err, http.StatusOK); err != nil {
		return err
	}
	if strings.Contains(r.body, a.A.ID) || strings.Contains(r.body, a.a.Hostname()) {
		return errors.New("/.pizzeria/session names another org")
	}
	return nil
}

// revocationWait is when a session that has ended must be refused at the latest. The contract says a
// second; a machine that has too much to do says later what it knows.
const revocationWait = 3 * time.Second

func revocation(a *attack) error {
	if err := a.Revoke(a.ctx); err != nil {
		return err
	}
	end := time.Now().Add(revocationWait)
	for {
		sent := time.Now()
		r, err := a.get(a.b, a.path(), bearer(a.B.Token)...)
		if err != nil {
			return err
		}
		if r.status == http.StatusUnauthorized {
			return nil
		}
		if sent.After(end) {
			return fmt.Errorf("%s after its end the session is still let in: %d", revocationWait, r.status)
		}
		time.Sleep(20 * time.Millisecond) // the gateway is elsewhere: ask again
	}
}
