package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/internal/sockets"
)

// Rules say where a Proxy leads.
type Rules struct {
	names []rule
	nets  []netip.Prefix
}

type rule struct {
	name   string // "example.com"; "" for every name
	within bool   // names below it, and not it
	port   string // "": 80 and 443
}

// ParseRules reads rules: "example.com", "*.example.com", "*", each with ":port" or for 80 and 443;
// or a network as an IP prefix, which is reached on any port though it is not of the public Internet.
// Names lead to public addresses alone. No network holds those at which clouds give out credentials.
func ParseRules(text []string) (r Rules, err error) {
	for _, t := range text {
		if p, err := netip.ParsePrefix(t); err == nil {
			r.nets = append(r.nets, p.Masked())
			continue
		}
		name, port := strings.ToLower(t), ""
		if host, p, err := net.SplitHostPort(name); err == nil {
			name, port = host, p
		}
		one := rule{name, false, port}
		one.name, one.within = strings.CutPrefix(name, "*.")
		_, notPort := strconv.ParseUint(cmp.Or(port, "80"), 10, 16)
		_, notIP := netip.ParseAddr(one.name)
		if name == "*" {
			one.name = ""
		} else if notIP == nil || notPort != nil || !isName(one.name) {
			return r, fmt.Errorf("%q is neither a name, such as api.example.com or *.example.com, nor an IP prefix", t)
		}
		r.names = append(r.names, one)
	}
	return r, nil
}

// isName reports whether text can be the name of a host, in lower case.
func isName(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// allows reports whether a name may be looked up and dialled.
func (r Rules) allows(host, port string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return slices.ContainsFunc(r.names, func(one rule) bool {
		if one.port != port && (one.port != "" || port != "80" && port != "443") {
			return false
		}
		switch {
		case one.name == "":
			return true
		case one.within:
			return strings.HasSuffix(host, "."+one.name)
		}
		return host == one.name
	})
}

// maxHeader bounds the header of a request, and of an answer.
const maxHeader = 64 << 10

// silent is a log of what others bring about: nobody bounds it.
var silent = log.New(io.Discard, "", 0)

// Proxy is an HTTP proxy that leads where its Rules say, and nowhere else.
type Proxy struct {
	Rules Rules
	once  sync.Once
	plain *httputil.ReverseProxy
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.tunnel(w, r)
		return
	}
	if !r.URL.IsAbs() || r.URL.Scheme != "http" {
		http.Error(w, "this is a proxy: ask it for http:// addresses, or CONNECT", http.StatusBadRequest)
		return
	}
	p.once.Do(func() {
		p.plain = &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetXForwarded(); r.Out.Header.Del("X-Forwarded-For") },
			Transport: &http.Transport{
				DialContext: p.dial, MaxIdleConns: 16, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxHeader,
			},
			FlushInterval: -1, ErrorLog: silent,
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { refuse(w, err) },
		}
	})
	p.plain.ServeHTTP(w, r)
}

var errNotAllowed = errors.New("the operator does not allow it: see egress in the Caddyfile")

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if errors.Is(err, errNotAllowed) {
		status = http.StatusForbidden
	}
	http.Error(w, err.Error(), status)
}

// dial connects to an address, which it judges by its name and by what the name leads to.
func (p *Proxy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	_, notIP := netip.ParseAddr(host)
	named := notIP != nil && p.Rules.allows(host, port)
	if notIP != nil && !named && len(p.Rules.nets) == 0 {
		return nil, fmt.Errorf("%s: %w", address, errNotAllowed)
	}
	d := &net.Dialer{Timeout: 10 * time.Second, ControlContext: func(_ context.Context, _, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil || sockets.CheckAddr(at.Addr()) != nil || !Allowed(at.Addr(), p.Rules.nets) && (!named || !Public(at.Addr(), nil)) {
			return fmt.Errorf("%s: %w", address, errNotAllowed)
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// tunnel serves CONNECT.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	to, err := p.dial(r.Context(), "tcp", r.Host)
	if err != nil {
		refuse(w, err)
		return
	}
	defer func() { _ = to.Close() }()
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, err)
		return
	}
	defer func() { _ = from.Close() }()
	if _, err := io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { pass(to, buffered) })
	pass(from, to)
	wg.Wait()
}

// pass copies until from ends, and tells to.
func pass(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// Listen serves a Proxy at a Unix socket until it fails. Everyone who can reach the socket may use it.
func Listen(socket string, rules []string) error {
	r, err := ParseRules(rules)
	if err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier run that was killed
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o666); err != nil { //nolint:gosec // its directory says who reaches it
		return err
	}
	srv := &http.Server{
		Handler: &Proxy{Rules: r}, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: silent,
	}
	return srv.Serve(&boundedListener{l, make(chan struct{}, maxConnections)})
}
