// Package dnstest is a DNS server on loopback, for tests.
//
// It answers from what a test tells it, over UDP and TCP, and can be made to fail or to keep
// silent. It keeps no zones and signs nothing.
package dnstest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Server is a running server. The zero rcode of a name is success.
type Server struct {
	Address string // host:port

	mu     sync.Mutex
	texts  map[string][]string
	hosts  map[string][][]string
	rcodes map[string]int
	silent map[string]bool
	asked  map[string]int
}

// New starts a server that ends with the test. What it does not know does not exist.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		texts: map[string][]string{}, hosts: map[string][][]string{},
		rcodes: map[string]int{}, silent: map[string]bool{}, asked: map[string]int{},
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = tcp.Addr().String()
	udp, err := net.ListenPacket("udp", s.Address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait) // after the servers are shut down
	for _, server := range []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}} {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		wg.Go(func() { _ = server.ActivateAndServe() })
		<-up
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return s
}

// TXT sets the TXT records of a name; without values there are none.
func (s *Server) TXT(name string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[dns.CanonicalName(name)] = values
	delete(s.rcodes, dns.CanonicalName(name))
	delete(s.silent, dns.CanonicalName(name))
}

// Host sets the addresses of a name: one answer after the other, and then the last.
func (s *Server) Host(name string, answers ...[]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[dns.CanonicalName(name)] = answers
}

// Fail makes every question about a name fail with a DNS response code.
func (s *Server) Fail(name string, rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcodes[dns.CanonicalName(name)] = rcode
}

// Silence makes every question about a name go unanswered.
func (s *Server) Silence(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent[dns.CanonicalName(name)] = true
}

// Asked returns how many questions there were about a name.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[dns.CanonicalName(name)]
}

// Resolver asks this server.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{Timeout: 5 * time.Second}
			return d.DialContext(ctx, network, s.Address)
		},
	}
}

// ServeDNS implements dns.Handler.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	if a := s.answer(q); a != nil {
		_ = w.WriteMsg(a)
	}
}

func (s *Server) answer(q *dns.Msg) *dns.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := new(dns.Msg).SetReply(q)
	a.RecursionAvailable = true
	question := q.Question[0]
	name := dns.CanonicalName(question.Name)
	s.asked[name]++
	header := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET}
	_, text := s.texts[name]
	answers, host := s.hosts[name]
	switch {
	case s.silent[name]:
		return nil
	case s.rcodes[name] != 0:
		a.Rcode = s.rcodes[name]
	case !text && !host:
		a.Rcode = dns.RcodeNameError
	case question.Qtype == dns.TypeTXT:
		for _, v := range s.texts[name] {
			a.Answer = append(a.Answer, &dns.TXT{Hdr: header, Txt: []string{v}})
		}
	case question.Qtype == dns.TypeA && len(answers) > 0:
		for _, v := range answers[0] {
			if !strings.Contains(v, ":") {
				a.Answer = append(a.Answer, &dns.A{Hdr: header, A: net.ParseIP(v)})
			}
		}
		if len(answers) > 1 {
			s.hosts[name] = answers[1:]
		}
	case question.Qtype == dns.TypeAAAA && len(answers) > 0:
		for _, v := range answers[0] {
			if strings.Contains(v, ":") {
				a.Answer = append(a.Answer, &dns.AAAA{Hdr: header, AAAA: net.ParseIP(v)})
			}
		}
	}
	return a
}
