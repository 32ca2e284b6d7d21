package guard

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/time/rate"
)

const (
	frameHeaderLen = 9
	maxFrame       = 16 << 10 // the largest frame taken, which is HTTP/2's default
	smallData      = 64       // a DATA frame below it is counted like a PING
	controlRate    = 20       // such frames a second
	controlBurst   = 200      // and at once
	fieldCost      = 64       // memory of a decoded header field beyond its bytes
)

// headReader reads HTTP/2 for the server, and charges for request heads before
// the server sees them. It decodes each header block to learn its size and keeps
// nothing of it: HPACK makes 4 KiB of a byte, 250 times in a frame. A block over
// the limit ends the connection here, since the server's own answer to it would
// keep the decoded block in memory as long as the client lets it.
type headReader struct {
	net.Conn
	conn *Conn
	most int64 // the largest header list, as HTTP/2 counts it

	dec    *hpack.Decoder
	out    []byte // read, and not handed out yet
	left   int64  // of what is passed on as it comes
	stream uint32 // the highest one so far
	begun  bool   // within a header block

	control *rate.Limiter                 // of frames that cost the client nothing, and may leave an answer to send
	frames  atomic.Int32                  // read while the server's write waits for the client
	writing atomic.Pointer[chan struct{}] // closed when the write ends; nil: there is none

	fresh bool  // this block opens a stream
	list  int64 // size of this block's header list
	cost  int64 // what this block costs
	paid  int64 // of it, charged
	bad   bool  // it names a header that HTTP/2 forbids
}

// newHeadReader makes a reader; preface says that the client's preface is still to come.
func newHeadReader(c net.Conn, conn *Conn, most int64, preface bool) *headReader {
	r := &headReader{Conn: c, conn: conn, most: most}
	if preface {
		r.left = int64(len(http2.ClientPreface))
	}
	r.control = rate.NewLimiter(controlRate, controlBurst)
	r.dec = hpack.NewDecoder(4096, r.field)
	r.dec.SetMaxStringLength(int(min(most, 16<<20)))
	return r
}

// field sees a decoded field. Nothing of it is kept.
func (r *headReader) field(f hpack.HeaderField) {
	n := int64(len(f.Name) + len(f.Value))
	r.list += n + 32
	r.cost += n + fieldCost
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		r.bad = true
	case "te":
		r.bad = r.bad || f.Value != "trailers"
	}
}

// Read implements net.Conn.
func (r *headReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.left > 0 || !r.conn.Counts() && !r.begun {
			return r.pass(p)
		}
		r.waitForWrite()
		if err := r.frame(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.out)
	if r.out = r.out[n:]; len(r.out) == 0 {
		r.out = nil
	}
	return n, nil
}

// maxUnwritten is how many frames are read while the client takes none of the server's.
const maxUnwritten = 64

// waitForWrite holds reading back while the client does not read: each frame of
// its own, even a PING, would leave an answer in memory.
func (r *headReader) waitForWrite() {
	w := r.writing.Load()
	if w == nil {
		r.frames.Store(0)
		return
	}
	if r.frames.Add(1) > maxUnwritten {
		<-*w
		r.frames.Store(0)
	}
}

// Write implements net.Conn.
func (r *headReader) Write(p []byte) (int, error) {
	if !r.conn.Counts() {
		return r.Conn.Write(p)
	}
	done := make(chan struct{})
	r.writing.Store(&done)
	defer func() {
		r.writing.Store(nil)
		close(done)
	}()
	return r.Conn.Write(p)
}

// pass hands on what is no header block, and everything once the connection is free.
func (r *headReader) pass(p []byte) (int, error) {
	if r.left == 0 {
		r.dec = nil // HPACK has state: there is no way back
		return r.Conn.Read(p)
	}
	n, err := r.Conn.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// frame reads the header of the next frame, and the whole frame when it is of a header block.
func (r *headReader) frame() error {
	b := make([]byte, frameHeaderLen, 256)
	if _, err := io.ReadFull(r.Conn, b); err != nil {
		return err
	}
	size := int64(b[0])<<16 | int64(b[1])<<8 | int64(b[2])
	kind, flags, stream := http2.FrameType(b[3]), http2.Flags(b[4]), binary.BigEndian.Uint32(b[5:])&(1<<31-1)
	if controls(kind, size) && !r.control.Allow() {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if kind != http2.FrameHeaders && kind != http2.FrameContinuation || size > maxFrame || r.dec == nil {
		r.out, r.left = b, size
		return nil
	}
	b = append(b, make([]byte, size)...)
	if _, err := io.ReadFull(r.Conn, b[frameHeaderLen:]); err != nil {
		return err
	}
	if kind == http2.FrameHeaders {
		r.begun, r.bad, r.list, r.cost, r.paid = true, false, 0, 0, 0
		if r.fresh = stream > r.stream; r.fresh {
			r.stream = stream
		}
	}
	if err := r.block(kind, flags, b[frameHeaderLen:]); err != nil {
		return err
	}
	r.out = b
	return nil
}

// controls reports whether a frame asks for an answer, or may, and carries next to nothing.
func controls(kind http2.FrameType, size int64) bool {
	switch kind {
	case http2.FrameHeaders, http2.FrameContinuation, http2.FrameWindowUpdate, http2.FramePriority:
		return false
	case http2.FrameData:
		return size < smallData
	}
	return true
}

// block charges for a part of a header block.
func (r *headReader) block(kind http2.FrameType, flags http2.Flags, p []byte) error {
	if kind == http2.FrameHeaders {
		var ok bool
		if p, ok = fragment(flags, p); !ok {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
	}
	r.cost += int64(len(p))
	if _, err := r.dec.Write(p); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	end := flags.Has(http2.FlagHeadersEndHeaders) // the same bit in both frames
	if end {
		if err := r.dec.Close(); err != nil {
			return http2.ConnectionError(http2.ErrCodeCompression)
		}
	}
	switch {
	case r.bad:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	case r.list > r.most:
		r.conn.g.refused[refusedLarge].Add(1)
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	err := error(nil)
	if end {
		err = r.conn.paceHead(r.cost)
	}
	if err == nil {
		err = r.conn.takeHead(r.cost - r.paid)
	}
	if err != nil {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	r.paid = r.cost
	if end {
		r.begun = false
		if r.fresh {
			r.conn.wholeHead(r.paid)
		} else {
			r.conn.dropHead(r.paid)
		}
	}
	return nil
}

// fragment takes padding and priority off the payload of a HEADERS frame.
func fragment(flags http2.Flags, p []byte) ([]byte, bool) {
	pad := 0
	if flags.Has(http2.FlagHeadersPadded) {
		if len(p) < 1 {
			return nil, false
		}
		pad, p = int(p[0]), p[1:]
	}
	if flags.Has(http2.FlagHeadersPriority) {
		if len(p) < 5 {
			return nil, false
		}
		p = p[5:]
	}
	if pad > len(p) {
		return nil, false
	}
	return p[:len(p)-pad], true
}

// tlsHeadReader tells the server of the TLS connection below.
type tlsHeadReader struct {
	*headReader
	tls *tls.Conn
}

// ConnectionState is what the HTTP/2 server asks a TLS connection for.
func (r tlsHeadReader) ConnectionState() tls.ConnectionState { return r.tls.ConnectionState() }
