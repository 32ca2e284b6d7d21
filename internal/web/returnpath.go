package web

import (
	"net/url"
	"strings"
)

// ReturnPath makes a request target safe to send a browser to: a path on the
// same host. Browsers drop tabs and newlines and read a backslash as a slash.
func ReturnPath(target string) string {
	if len(target) > 2000 || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") || strings.ContainsAny(target, "\\\r\n\t\x00") {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, `/\`) {
		return "/"
	}
	return target
}
