package edge

import "encoding/binary"

// Close codes of WebSockets that the gateway ends (RFC 6455, section 7.4: 4000
// to 4999 are for applications).
const (
	closeUnauthorized = 4401 // who opened it may no longer: signing in may help
	closeRestart      = 1012 // cut; it may come back
)

// closeFrame is an unmasked close frame, as servers send them (RFC 6455, section 5.5.1).
func closeFrame(code uint16, reason string) []byte {
	reason = reason[:min(len(reason), 123)] // a control frame has at most 125 bytes
	b := []byte{0x88, byte(2 + len(reason))}
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}

const opcodeClose = 0x8

// frames follows the frames of one direction of a WebSocket (RFC 6455, section
// 5.2), to know where one ends: only there another may be put, and none after a
// close frame (section 5.5.1).
type frames struct {
	header [14]byte
	have   int    // bytes of the header that have been seen
	left   uint64 // bytes of the payload that are to come
	closed bool   // a close frame has begun
}

// pass takes note of bytes that pass.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(p)))
			f.left -= n
			p = p[n:]
			continue
		}
		f.header[f.have] = p[0]
		f.have++
		p = p[1:]
		f.begin()
	}
}

// begin reads the payload's length when the header is whole.
func (f *frames) begin() {
	if f.have < 2 {
		return
	}
	size, length := 2, uint64(f.header[1]&0x7f)
	switch length {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.header[1]&0x80 != 0 {
		size += 4 // the masking key
	}
	if f.have < size {
		return
	}
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		length = binary.BigEndian.Uint64(f.header[2:])
	}
	f.have, f.left = 0, length
	f.closed = f.closed || f.header[0]&0x0f == opcodeClose
}

// between reports whether the last frame has ended.
func (f *frames) between() bool { return f.have == 0 && f.left == 0 }

// mayClose reports whether a close frame may follow what has passed.
func (f *frames) mayClose() bool { return f.between() && !f.closed }
