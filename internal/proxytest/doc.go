// Package proxytest puts a network between a test's clients and a server that it can break: slow,
// stalled, parted, cut, refused.
package proxytest
