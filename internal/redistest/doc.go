// Package redistest runs real Redis servers for tests.
package redistest
