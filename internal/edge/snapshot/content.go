package snapshot

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

const (
	magic      = "pizzeria snapshot 3\n"
	headerSize = int64(len(magic)) + 20 // offset of the index, number of its slots, checksum
)

// content is a file that can be used.
type content struct {
	f       *os.File
	index   int64            // where the index begins
	slots   int64            // of the index
	end     int64            // of the last whole update
	changed map[string]int64 // where routes are that changed since; removed: of none
}

const removed = -1

// state is what an update says beside routes.
type state struct {
	Seq     int64
	Contact time.Time
	Keys    []registry.Key    `json:",omitempty"` // all of them, if any changed
	Revoked []registry.Change `json:",omitempty"`
	Old     time.Time         // revocations of before are forgotten
}

func header(index, slots int64) []byte {
	b := []byte(magic)
	b = binary.BigEndian.AppendUint64(b, uint64(index)) //nolint:gosec // an offset
	b = binary.BigEndian.AppendUint64(b, uint64(slots)) //nolint:gosec // a number
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// open reads what is where. It closes f unless it can be used.
func open(f *os.File) (c *content, err error) {
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	b := make([]byte, headerSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	index := binary.BigEndian.Uint64(b[len(magic):])
	slots := binary.BigEndian.Uint64(b[len(magic)+8:])
	if index > math.MaxInt64/2 || slots > math.MaxInt64/2/slotSize ||
		string(b) != string(header(int64(index), int64(slots))) {
		return nil, errors.New("not a snapshot of this version")
	}
	c = &content{f: f, index: int64(index), slots: int64(slots), changed: map[string]int64{}}
	c.end, err = c.replay(func(_ state, changed map[string]int64) {
		for slug, at := range changed {
			c.changed[slug] = at
		}
	})
	if err == nil && c.end == c.log() {
		err = errors.New("it has no state")
	}
	return c, err
}

// log is where what changed begins.
func (c *content) log() int64 { return c.index + slotSize*c.slots }

// replay calls f for every whole update, with where the routes are that it changed. It returns where
// the last one ends.
func (c *content) replay(f func(state, map[string]int64)) (end int64, err error) {
	size, err := c.f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	at := c.log()
	end = at
	r := bufio.NewReader(io.NewSectionReader(c.f, at, max(0, size-at)))
	changed := map[string]int64{}
	for {
		b, err := nextRecord(r, size-at)
		if err != nil { // the file was being written here, or is damaged from here on
			return end, nil
		}
		data := b[recordHead:]
		switch data[0] {
		case kindRoute:
			slug, _, err := routeOf(b)
			if err != nil {
				return end, nil
			}
			changed[slug] = at
		case kindRemoved:
			changed[string(data[1:])] = removed
		case kindState:
			var s state
			if err := json.Unmarshal(data[1:], &s); err != nil {
				return end, err
			}
			f(s, changed)
			clear(changed)
			end = at + int64(len(b))
		}
		at += int64(len(b))
	}
}

// load returns what is in the file beside the routes.
func (c *content) load() (out registry.Snapshot, err error) {
	revoked := map[int64]registry.Change{}
	var old time.Time
	_, err = c.replay(func(s state, _ map[string]int64) {
		out.Seq, out.Contact, old = s.Seq, s.Contact.UTC(), s.Old
		if len(s.Keys) > 0 {
			out.Keys = s.Keys
		}
		for _, r := range s.Revoked {
			revoked[r.Seq] = r
		}
	})
	for _, seq := range slices.Sorted(maps.Keys(revoked)) {
		if r := revoked[seq]; !r.At.Before(old) {
			out.Revoked = append(out.Revoked, r)
		}
	}
	return out, err
}

// route returns a route in JSON; nil: there is none.
func (c *content) route(slug string) ([]byte, error) {
	if at, is := c.changed[slug]; is {
		if at == removed {
			return nil, nil
		}
		found, route, err := c.routeAt(at, c.end)
		if err == nil && found != slug {
			err = errDamaged
		}
		return route, err
	}
	return c.lookUp(slug)
}

// routeAt reads the route that begins at an offset, and ends before another one.
func (c *content) routeAt(at, before int64) (slug string, route []byte, err error) {
	b := make([]byte, min(usualRecord, before-at))
	if len(b) < recordHead {
		return "", nil, errDamaged
	}
	if _, err := c.f.ReadAt(b, at); err != nil {
		return "", nil, err
	}
	size := recordHead + int64(binary.BigEndian.Uint32(b))
	if size > before-at {
		return "", nil, errDamaged
	}
	if size > int64(len(b)) {
		b = make([]byte, size)
		if _, err := c.f.ReadAt(b, at); err != nil {
			return "", nil, err
		}
	}
	return routeOf(b[:size])
}

// usualRecord is more than most routes take.
const usualRecord = 512

// all calls yield for every route.
func (c *content) all(yield func(slug string, route []byte) error) error {
	r := bufio.NewReaderSize(io.NewSectionReader(c.f, headerSize, c.index-headerSize), 1<<16)
	for at := headerSize; at < c.index; {
		b, err := nextRecord(r, c.index-at)
		if err != nil {
			return err
		}
		at += int64(len(b))
		slug, route, err := routeOf(b)
		if err != nil {
			return err
		}
		if _, is := c.changed[slug]; is {
			continue
		}
		if err := yield(slug, route); err != nil {
			return err
		}
	}
	for slug, at := range c.changed {
		if at == removed {
			continue
		}
		route, err := c.route(slug)
		if err == nil {
			err = yield(slug, route)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write makes a file of all routes, each of which is there once, and of what there is beside them.
func write(f *os.File, s state, each func(yield func(slug string, route []byte) error) error) error {
	w := bufio.NewWriterSize(f, 1<<16)
	if _, err := w.Write(make([]byte, headerSize)); err != nil {
		return err
	}
	at := headerSize
	var places []place
	var record []byte
	if err := each(func(slug string, route []byte) error {
		places = append(places, place{hashOf(slug), at})
		record = routeRecord(record[:0], slug, route)
		at += int64(len(record))
		_, err := w.Write(record)
		return err
	}); err != nil {
		return err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	index := indexOf(places)
	if _, err := w.Write(appendRecord(index, kindState, b)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := f.WriteAt(header(at, int64(len(index)/slotSize)), 0); err != nil {
		return err
	}
	return f.Sync()
}
