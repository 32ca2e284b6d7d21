package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
)

// The index is a hash table with open addressing, at most half full. A slot is the low 16 bits of
// the hash and, in 48 bits, where the route begins; 0 is an empty one.
const (
	slotSize    = 8
	offsetBits  = 48
	slotsAtOnce = 16
)

type place struct {
	hash uint64
	at   int64
}

// hashOf is one that nobody can choose slugs for.
func hashOf(slug string) uint64 {
	sum := sha256.Sum256([]byte(slug))
	return binary.BigEndian.Uint64(sum[:])
}

func slotOf(p place) uint64 { return p.hash<<offsetBits | uint64(p.at) } //nolint:gosec // an offset

// indexOf returns the index of routes that begin at places.
func indexOf(places []place) []byte {
	n := uint64(2 * len(places)) //nolint:gosec // a number
	index := make([]byte, n*slotSize)
	for _, p := range places {
		i := p.hash >> 16 % n
		for binary.BigEndian.Uint64(index[i*slotSize:]) != 0 {
			i = (i + 1) % n
		}
		binary.BigEndian.PutUint64(index[i*slotSize:], slotOf(p))
	}
	return index
}

// lookUp returns the route in JSON that the index has; nil: it has none.
func (c *content) lookUp(slug string) ([]byte, error) {
	if c.slots == 0 {
		return nil, nil
	}
	hash := hashOf(slug)
	first := int64(hash >> 16 % uint64(c.slots)) //nolint:gosec // less than slots
	var slots [slotsAtOnce * slotSize]byte
	for seen := int64(0); seen < c.slots; {
		i := (first + seen) % c.slots
		some := slots[:slotSize*min(slotsAtOnce, c.slots-i)]
		if _, err := c.f.ReadAt(some, c.index+slotSize*i); err != nil {
			return nil, err
		}
		for ; len(some) > 0; some = some[slotSize:] {
			slot := binary.BigEndian.Uint64(some)
			if slot == 0 {
				return nil, nil
			}
			seen++
			if slot>>offsetBits != hash&0xffff {
				continue
			}
			found, route, err := c.routeAt(int64(slot&(1<<offsetBits-1)), c.index) //nolint:gosec // 48 bits
			if err != nil {
				return nil, err
			}
			if found == slug {
				return route, nil
			}
		}
	}
	return nil, nil
}
