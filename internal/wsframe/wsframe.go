// Package wsframe follows the frames of a WebSocket that passes, and ends it with a close frame.
package wsframe

import "encoding/binary"

// Close is an unmasked close frame, as servers send them (RFC 6455, section 5.5.1).
func Close(code uint16, reason string) []byte {
	reason = reason[:min(len(reason), 123)] // a control frame has at most 125 bytes
	b := []byte{0x88, byte(2 + len(reason))}
	return append(binary.BigEndian.AppendUint16(b, code), reason...)
}

const opcodeClose = 0x8

// Follower follows the frames of one direction of a WebSocket (RFC 6455, section
// 5.2), to know where one ends: only there another may be put, and none after a
// close frame (section 5.5.1).
type Follower struct {
	header [14]byte
	have   int    // bytes of the header that have been seen
	left   uint64 // bytes of the payload that are to come
	closed bool   // a close frame has begun
}

// Pass takes note of bytes that pass.
func (f *Follower) Pass(p []byte) {
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
func (f *Follower) begin() {
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
func (f *Follower) between() bool { return f.have == 0 && f.left == 0 }

// MayClose reports whether a close frame may follow what has passed.
func (f *Follower) MayClose() bool { return f.between() && !f.closed }
