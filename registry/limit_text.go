package registry

import (
	"math"
	"strconv"

	"github.com/dustin/go-humanize"
)

// ParseLimit reads what people write for a limit: a number, a size such as 10MB for one of bytes,
// or none, which is nil. Error: CodeInvalid, with the limit's name as field.
func ParseLimit(n LimitName, text string) (*float64, error) {
	if _, ok := limitUnits[n]; !ok {
		return nil, errNoLimit(n)
	}
	if text == "none" {
		return nil, nil //nolint:nilnil // no limit is what was asked for
	}
	v, err := strconv.ParseFloat(text, 64)
	if n.Unit() == UnitBytes && err != nil {
		var size uint64
		size, err = humanize.ParseBytes(text)
		v = float64(size)
	}
	if err != nil {
		what := "a number"
		if n.Unit() == UnitBytes {
			what = "a size such as 10MB"
		}
		return nil, Errorf(CodeInvalid, string(n), "%s is %s or none, not %q", n, what, text)
	}
	return &v, Limits{n: v}.Check()
}

// FormatLimit is a limit as ParseLimit reads it, short for people.
func FormatLimit(n LimitName, v float64) string {
	if n.Unit() != UnitBytes {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{humanize.GiByte, "GiB"}, {humanize.GByte, "GB"}, {humanize.MiByte, "MiB"}, {humanize.MByte, "MB"}, {humanize.KiByte, "KiB"}, {humanize.KByte, "KB"}} {
		if v >= unit.size && math.Mod(v, unit.size) == 0 {
			return strconv.FormatFloat(v/unit.size, 'f', -1, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
