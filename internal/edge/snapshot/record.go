package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// A record is the length of its body, the body's checksum, and the body, whose first byte is its
// kind.
const (
	kindRoute   = 'r' // slug, end of line, route in JSON
	kindRemoved = 'd' // slug
	kindState   = 's' // state in JSON

	recordHead = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged record")

func appendRecord(b []byte, kind byte, parts ...[]byte) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHead)...)
	b = append(b, kind)
	for _, p := range parts {
		b = append(b, p...)
	}
	body := b[start+recordHead:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(body))) //nolint:gosec // far from 4 GiB
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

func routeRecord(b []byte, slug string, route []byte) []byte {
	return appendRecord(b, kindRoute, []byte(slug), []byte{'\n'}, route)
}

// body returns the body of a record, which is all of b.
func body(b []byte) ([]byte, error) {
	if len(b) <= recordHead || int64(binary.BigEndian.Uint32(b)) != int64(len(b)-recordHead) ||
		binary.BigEndian.Uint32(b[4:]) != crc32.Checksum(b[recordHead:], castagnoli) {
		return nil, errDamaged
	}
	return b[recordHead:], nil
}

// routeOf returns slug and route of a record, which is all of b.
func routeOf(b []byte) (slug string, route []byte, err error) {
	data, err := body(b)
	if err != nil {
		return "", nil, err
	}
	before, route, found := bytes.Cut(data[1:], []byte{'\n'})
	if data[0] != kindRoute || !found {
		return "", nil, errDamaged
	}
	return string(before), route, nil
}

// nextRecord reads a record, of at most limit bytes. errDamaged: there is no whole one.
func nextRecord(r *bufio.Reader, limit int64) ([]byte, error) {
	head, err := r.Peek(recordHead)
	if err != nil {
		return nil, errors.Join(errDamaged, err)
	}
	size := recordHead + int64(binary.BigEndian.Uint32(head))
	if size > limit {
		return nil, errDamaged
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, errors.Join(errDamaged, err)
	}
	_, err = body(b)
	return b, err
}
