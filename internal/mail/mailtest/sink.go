// Package mailtest is a real SMTP server that keeps what it gets.
package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Username and Password are what a Sink wants.
const (
	Username = "pizzeria"
	Password = "sesame"
)

// Sink is an SMTP server on 127.0.0.1 with STARTTLS and AUTH PLAIN.
type Sink struct {
	Address string // host:port
	CAFile  string // of its certificate

	mu     sync.Mutex
	got    []Message
	refuse []*smtp.SMTPError // the next recipients
}

// Message is one that arrived.
type Message struct {
	From, To string
	Text     string // header and body, as sent
	TLS      bool
}

// New starts a Sink that ends with the test. With implicit, it speaks TLS from the first byte.
func New(t *testing.T, implicit bool) *Sink {
	t.Helper()
	cert, ca := certificate(t)
	s := &Sink{CAFile: filepath.Join(t.TempDir(), "mail-ca.pem")}
	if err := os.WriteFile(s.CAFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{sink: s, conn: c}, nil }))
	server.Domain, server.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.ReadTimeout, server.WriteTimeout = 10*time.Second, 10*time.Second
	if implicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// Refuse makes the next recipients be refused with these codes.
func (s *Sink) Refuse(codes ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, code := range codes {
		s.refuse = append(s.refuse, &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: "not now"})
	}
}

// Got returns what arrived.
func (s *Sink) Got() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.got...)
}

// To returns the newest message to an address, "" when there is none.
func (s *Sink) To(address string) string {
	got := s.Got()
	for i := len(got) - 1; i >= 0; i-- {
		if got[i].To == address {
			return got[i].Text
		}
	}
	return ""
}

var link = regexp.MustCompile(`https://\S+/(invite|verify|reset|stop)/\S+`)

// Mailed returns the newest message to an address and its link, unless it has another subject.
func (s *Sink) Mailed(to, subject string) (text, address string, ok bool) {
	text = s.To(to)
	return text, Link(text), strings.Contains(text, "Subject: "+subject)
}

// Link is the link of a message, "" when there is none.
func Link(text string) string { return strings.TrimSpace(link.FindString(text)) }

type session struct {
	sink     *Sink
	conn     *smtp.Conn
	known    bool
	from, to string
}

func (*session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != Username || password != Password {
			return errors.New("wrong password")
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	if len(s.sink.refuse) > 0 {
		err := s.sink.refuse[0]
		s.sink.refuse = s.sink.refuse[1:]
		return err
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return err
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.got = append(s.sink.got, Message{s.from, s.to, unfold(string(b)), encrypted})
	return nil
}

func (*session) Reset()        {}
func (*session) Logout() error { return nil }

// unfold undoes the soft line breaks of quoted-printable.
func unfold(s string) string {
	return strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(s)
}

func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
