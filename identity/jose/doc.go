// Package jose signs and verifies tokens in the compact form of a JWS (RFC 7515) and reads and
// writes keys as JWKs (RFC 7517). No other package imports jwx.
//
// It accepts less than the standards allow (RFC 8725): one algorithm per key, three header
// parameters, one spelling of each token's parts, and no repeated name in its JSON.
package jose
