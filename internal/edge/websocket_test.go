package edge

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pizzaface/pizzeria/internal/wsframe"
)

// frame is an unmasked binary frame of n bytes.
func frame(n int) []byte {
	b := []byte{0x82}
	switch {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, bytes.Repeat([]byte{0x88}, n)...) // a payload that looks like close frames
}

type pipeBody struct {
	*io.PipeReader
	io.Writer
}

// TestWebSocketEndsWithItsReason: a WebSocket that the gateway ends gets a close frame, between frames and never within one.
func TestWebSocketEndsWithItsReason(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		sent []byte
		want []byte // what follows it
	}{
		"idle":                              {nil, []byte("\x88\x0c\x11\x31signed out")},
		"after a frame":                     {frame(300), []byte("\x88\x0c\x11\x31signed out")},
		"within a frame":                    {frame(300)[:200], nil},
		"after its own close frame":         {wsframe.Close(1000, "bye"), nil},
		"after its own, with a frame first": {append(frame(3), wsframe.Close(1001, "")...), nil},
		"after an empty close frame":        {[]byte{0x88, 0}, nil},
		"after a ping":                      {[]byte{0x89, 0}, []byte("\x88\x0c\x11\x31signed out")},
		"in its header":                     {frame(300)[:3], nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, st := f.ask()
			if status != 200 {
				t.Fatal(status)
			}
			r, w := io.Pipe()
			res := &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{}, Body: &pipeBody{r, io.Discard}, Request: httptest.NewRequest("GET", "/", nil)}
			if err := f.g.register(t.Context(), st); err != nil {
				t.Fatal(err)
			}
			f.g.filter(st, res, DefaultHeaderLimit)
			if f.g.Streams.Len() != 1 || f.g.Streams.Of(f.login.Session.ID) != 1 {
				t.Error("it is not counted")
			}
			if c.sent != nil {
				go func() { _, _ = w.Write(c.sent) }()
				if _, err := io.ReadFull(res.Body, make([]byte, len(c.sent))); err != nil {
					t.Fatal(err)
				}
			}
			f.g.Streams.closeSession(f.login.Session.ID, farewell{closeUnauthorized, "signed out"})
			var got []byte
			small := make([]byte, 5) // also a reader with little room gets all of it
			for {
				n, err := res.Body.Read(small)
				if got = append(got, small[:n]...); err != nil {
					break
				}
			}
			if !bytes.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			st.End()
			if f.g.Streams.Len() != 0 || f.g.Streams.inFlight() != 0 {
				t.Error("it is still counted")
			}
		})
	}
}
