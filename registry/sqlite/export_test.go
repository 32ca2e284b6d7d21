package sqlite

import "testing"

// SetDriver makes stores use another driver until the test ends.
func SetDriver(t *testing.T, name string) {
	driverName = name
	t.Cleanup(func() { driverName = "sqlite" })
}
