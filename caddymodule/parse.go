package caddymodule

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
)

// located adds file and line to an error that has none.
func located(d *caddyfile.Dispenser, err error) error {
	if strings.Contains(err.Error(), ", at "+d.File()+":") {
		return err
	}
	return d.WrapErr(err)
}

// oneArg reads a subdirective with exactly one argument.
func oneArg(d *caddyfile.Dispenser, into *string) error {
	if !d.AllArgs(into) {
		return d.ArgErr()
	}
	return nil
}

func durationArg(d *caddyfile.Dispenser, into **caddy.Duration) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	v, err := caddy.ParseDuration(s)
	if err != nil || v < 0 {
		return d.Errf("%q is not a duration such as 30s or 1h", s)
	}
	*into = (*caddy.Duration)(&v)
	return nil
}

// durationOrOff is durationArg for what can be turned off: -1 then stands for that.
func durationOrOff(d *caddyfile.Dispenser, into **caddy.Duration) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	off := caddy.Duration(-1)
	if s == "off" {
		*into = &off
		return nil
	}
	v, err := caddy.ParseDuration(s)
	if err != nil || v < 0 {
		return d.Errf("%q is neither a duration such as 30s nor off", s)
	}
	*into = (*caddy.Duration)(&v)
	return nil
}

func intArg(d *caddyfile.Dispenser, into **int) error {
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 {
		return d.Errf("%q is not a whole number above zero", s)
	}
	*into = &v
	return nil
}

// onOffArg reads a subdirective that turns something on or off, once.
func onOffArg(d *caddyfile.Dispenser, into **bool) error {
	name := d.Val()
	if *into != nil {
		return d.Errf("%s is given twice", name)
	}
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	if s != "on" && s != "off" {
		return d.Errf("%s is on or off, not %q", name, s)
	}
	on := s == "on"
	*into = &on
	return nil
}

// wordArg reads a subdirective that is one of some words, once.
func wordArg[T ~string](d *caddyfile.Dispenser, into *T, words []T) error {
	name := d.Val()
	if *into != "" {
		return d.Errf("%s is given twice", name)
	}
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	if !slices.Contains(words, T(s)) {
		return d.Errf("%s %q is unknown: use %s", name, s, wordList(words))
	}
	*into = T(s)
	return nil
}

// wordList is "a, b or c".
func wordList[T ~string](words []T) string {
	out := ""
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			out += " or "
		case i > 0:
			out += ", "
		}
		out += string(w)
	}
	return out
}

// sizeArg reads a subdirective that is a number of bytes, once.
func sizeArg(d *caddyfile.Dispenser, into **int64) error {
	name := d.Val()
	if *into != nil {
		return d.Errf("%s is given twice", name)
	}
	var s string
	if err := oneArg(d, &s); err != nil {
		return err
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return d.Errf("%q is not a size such as 10MB", s)
	}
	bytes := int64(n) //nolint:gosec // it fits
	*into = &bytes
	return nil
}
