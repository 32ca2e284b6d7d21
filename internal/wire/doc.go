// Package wire is what gateway and control plane share of HTTP: which requests are judged at all,
// how a request's cookies, bearer, target and return path are read, and how an error becomes
// problem details (RFC 9457). It knows no accounts and no store.
package wire
