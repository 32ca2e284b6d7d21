package guard

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	// streams is how many requests an HTTP/2 connection may have in flight.
	streams = 100
	// writeByteTimeout ends an HTTP/2 connection that takes no byte of what waits for it.
	writeByteTimeout = 30 * time.Second
)

// Server puts a Guard around an http.Server that somebody else makes: its
// ConnContext and ConnState are to be called as the server's.
type Server struct {
	g *Guard
	// HTTP1HeaderBytes limits request heads of HTTP/1 where the listener is not
	// ours, and so nothing is charged before they are parsed; 0 = as the server says.
	HTTP1HeaderBytes int

	once  sync.Once
	conns sync.Map // net.Conn -> *Conn, of listeners that are not ours
}

// Server makes a Server.
func (g *Guard) Server(http1HeaderBytes int) *Server {
	return &Server{g: g, HTTP1HeaderBytes: http1HeaderBytes}
}

// ConnContext is for http.Server.ConnContext.
func (s *Server) ConnContext(ctx context.Context, c net.Conn) context.Context {
	below := c
	if t, ok := c.(*tls.Conn); ok {
		below = t.NetConn()
	}
	n, wrapped := below.(*netConn)
	if hs, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
		s.once.Do(func() { s.attach(hs, wrapped) }) // before the server reads from its first connection
	}
	if wrapped {
		return context.WithValue(ctx, connKey{}, carrier(n))
	}
	if !direct(below) {
		return ctx // the address may come with the PROXY protocol, and this must not wait for it
	}
	conn, ok := s.g.Connect(addressOf(below), below.Close) // of TLS, Close may wait for the client
	if !ok {
		_ = below.Close()
		return ctx
	}
	s.conns.Store(c, conn)
	return context.WithValue(ctx, connKey{}, carrier(conn))
}

// ConnState is for http.Server.ConnState.
func (s *Server) ConnState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateHijacked:
		s.conns.Delete(c) // its handler says when it ends
	case http.StateClosed:
		if v, ok := s.conns.LoadAndDelete(c); ok {
			v.(*Conn).Closed()
		}
	}
}

// attach makes the server ask the guard first. It runs in the server's accept
// loop, before the first connection is served: nothing reads these fields yet.
func (s *Server) attach(hs *http.Server, wrapped bool) {
	most := int64(hs.MaxHeaderBytes)
	if most <= 0 {
		most = http.DefaultMaxHeaderBytes
	}
	hs.Handler = s.g.Handler(hs.Handler)
	if _, on := hs.TLSNextProto[http2.NextProtoTLS]; on {
		s.attachHTTP2(hs, most)
	}
	if !wrapped && s.HTTP1HeaderBytes > 0 {
		hs.MaxHeaderBytes = s.HTTP1HeaderBytes
	}
}

// attachHTTP2 serves HTTP/2 with less memory a connection, behind a headReader.
func (s *Server) attachHTTP2(hs *http.Server, most int64) {
	// Deprecated or not: only this server takes a connection with a reader between.
	h2 := new(http2.Server)                               //nolint:staticcheck // see above
	h2.MaxConcurrentStreams = streams                     //nolint:staticcheck // see above
	h2.MaxReadFrameSize = maxFrame                        //nolint:staticcheck // see above
	h2.WriteByteTimeout = writeByteTimeout                //nolint:staticcheck // see above
	if err := http2.ConfigureServer(hs, h2); err != nil { //nolint:staticcheck // also ends connections when hs shuts down
		return
	}
	base := &http.Server{ //nolint:gosec // it serves nothing itself
		Handler: hs.Handler, MaxHeaderBytes: int(most), ErrorLog: hs.ErrorLog, ConnState: hs.ConnState,
		ReadTimeout: hs.ReadTimeout, WriteTimeout: hs.WriteTimeout, IdleTimeout: hs.IdleTimeout, HTTP2: hs.HTTP2,
	}
	serve := func(c net.Conn, h http.Handler, r *headReader, preface bool) {
		opts := &http2.ServeConnOpts{ //nolint:staticcheck // as above
			BaseConfig: base, Handler: h, SawClientPreface: !preface,
		}
		if b, ok := h.(interface{ BaseContext() context.Context }); ok {
			opts.Context = b.BaseContext()
		}
		if r.conn = ConnOf(opts.Context); r.conn != nil {
			r.conn.http2 = r
		}
		if n, ok := opts.Context.Value(connKey{}).(*netConn); ok {
			n.inHead.Store(false) // heads are charged here
			r.conn.judged(false)
		}
		h2.ServeConn(c, opts) //nolint:staticcheck // the way to serve HTTP/2 on a connection with a reader between
	}
	hs.TLSNextProto[http2.NextProtoTLS] = func(_ *http.Server, c *tls.Conn, h http.Handler) {
		r := newHeadReader(c, nil, most, true)
		serve(tlsHeadReader{r, c}, h, r, true)
	}
	// Without TLS, the server reads the preface itself.
	hs.TLSNextProto["unencrypted_http2"] = func(_ *http.Server, c *tls.Conn, h http.Handler) {
		u, ok := c.NetConn().(interface{ UnencryptedNetConn() net.Conn })
		if !ok {
			_ = c.Close()
			return
		}
		r := newHeadReader(u.UnencryptedNetConn(), nil, most, false)
		serve(r, h, r, false)
	}
}
