// Package shared keeps in Redis what several nodes count together: limits. Redis is never the only
// record. While it is away, slow, full or empty, each node goes by what it knows itself.
package shared
