package wsframe

import (
	"bytes"
	"encoding/binary"
	"testing"
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

func TestFrames(t *testing.T) {
	var all []byte
	ends := map[int]bool{0: true}
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 70000} {
		all = append(all, frame(n)...)
		ends[len(all)] = true
	}
	masked := append([]byte{0x81, 0x83, 1, 2, 3, 4}, "abc"...)
	all = append(all, masked...)
	ends[len(all)] = true
	for _, step := range []int{1, 2, 3, 7, 4096, len(all)} {
		var f Follower
		for at := 0; at < len(all); {
			n := min(step, len(all)-at)
			f.Pass(all[at : at+n])
			if at += n; f.between() != ends[at] {
				t.Fatalf("in steps of %d, after %d bytes: %v", step, at, f.between())
			}
		}
	}
}
