package isolation

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// attack is one run.
type attack struct {
	Target
	ctx       context.Context //nolint:containedctx // of the run
	control   *url.URL
	a, b      *url.URL
	tries     int
	mirrors   bool
	assertion string // that B's instance was given, where the app shows it
}

const (
	orgCookie = "__Host-pizzeria-org"
	timeout   = 20 * time.Second
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// begin makes sure that both canaries are let in, or every refusal would mean nothing.
func (a *attack) begin() (err error) {
	for to, from := range map[**url.URL]string{&a.control: a.Issuer, &a.a: a.A.URL, &a.b: a.B.URL} {
		if *to, err = url.Parse(from); err != nil {
			return err
		}
	}
	for _, o := range []struct {
		at  *url.URL
		org Org
	}{{a.a, a.A}, {a.b, a.B}} {
		for _, lines := range [][]string{bearer(o.org.Token), cookie(o.org.Token)} {
			r, err := a.get(o.at, a.path(), lines...)
			if err != nil {
				return err
			}
			if refused(r.status) {
				return fmt.Errorf("%s refuses its own runner with %d: nothing can be verified", o.at.Host, r.status)
			}
			if o.at == a.b && a.assertion == "" {
				a.assertion = assertionIn(r.body)
				a.mirrors = a.assertion != ""
			}
		}
	}
	return nil
}

var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`)

// assertionIn finds the assertion in what an app shows of its headers.
func assertionIn(body string) string {
	_, after, ok := strings.Cut(strings.ToLower(body), "pizzeria-assertion")
	if !ok {
		return ""
	}
	return jwt.FindString(body[len(body)-len(after):])
}

// path is where requests go that are let in.
func (a *attack) path() string {
	if a.Mirror != "" {
		return a.Mirror
	}
	return "/"
}

func bearer(token string) []string { return []string{"Authorization: Bearer " + token} }

// cookie is a request of the org's own page with a session in its cookie.
func cookie(token string) []string {
	return []string{"Cookie: " + orgCookie + "=" + token, "Sec-Fetch-Site: same-origin"}
}

// refused reports whether an answer lets nobody in: what the gateway says to nobody and to others' identities.
func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusBadRequest || status == http.StatusMisdirectedRequest
}

// get asks as a program would.
func (a *attack) get(at *url.URL, path string, lines ...string) (answer, error) {
	return a.send(at.Hostname(), at, "GET", path, at.Host, lines...)
}

func (a *attack) post(at *url.URL, path string, lines ...string) (answer, error) {
	return a.send(at.Hostname(), at, "POST", path, at.Host, append(lines, "Content-Length: 0")...)
}

// send writes a request as it is, over TLS with a server name of its own.
func (a *attack) send(sni string, at *url.URL, method, path, host string, lines ...string) (answer, error) {
	return a.raw(sni, at, method+" "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n"+strings.Join(append(lines, "", ""), "\r\n"))
}

func (a *attack) raw(sni string, at *url.URL, request string) (answer, error) {
	a.tries++
	ctx, cancel := context.WithTimeout(a.ctx, timeout)
	defer cancel()
	port := at.Port()
	if port == "" {
		port = "443"
	}
	conn, err := a.Dial(ctx, "tcp", at.Hostname()+":"+port)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	c := tls.Client(conn, &tls.Config{RootCAs: a.Roots, ServerName: sni, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	if err := c.HandshakeContext(ctx); err != nil {
		return answer{}, err
	}
	_, unsent := io.WriteString(c, request)
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: strings.SplitN(request, " ", 2)[0]})
	if hungUp(unsent) && err != nil || hungUp(err) {
		return answer{status: http.StatusBadRequest, header: http.Header{}}, nil
	}
	if err != nil {
		return answer{}, errors.Join(unsent, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return answer{res.StatusCode, res.Header, string(b)}, err
}

// hungUp reports whether a server ended the connection, as it may on what it does not like. It sees a
// reset where the server had not read all that was sent.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// want returns an error unless the answer's status is one of those.
func want(what string, r answer, err error, statuses ...int) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	for _, s := range statuses {
		if r.status == s {
			return nil
		}
	}
	return fmt.Errorf("%s: answered with %d", what, r.status)
}

// wantRefused returns an error when the answer lets somebody in.
func wantRefused(what string, r answer, err error) error {
	if err == nil && refused(r.status) {
		return nil
	}
	return want(what, r, err, http.StatusUnauthorized)
}
