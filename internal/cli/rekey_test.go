package cli

import "testing"

// TestDatabaseNames: a connection string with a password is never taken for the name of a file, which
// errors and logs show.
func TestDatabaseNames(t *testing.T) {
	for name, postgres := range map[string]bool{
		"postgres://pizzeria@db/pizzeria": true,
		"postgresql://db":                 true,
		"host=db password=canary":         true,
		"dbname=pizzeria":                 true,
		"password = canary host = db":     true,
		"service=pizzeria":                true,
		"data/pizzeria.db":                false,
		"/var/lib/ghost=1/pizzeria.db":    false,
		"":                                false,
	} {
		if IsPostgres(name) != postgres {
			t.Errorf("%q: PostgreSQL %t", name, !postgres)
		}
	}
}

// TestDatabaseFromEnvironment: a connection string stays off the command line.
func TestDatabaseFromEnvironment(t *testing.T) {
	t.Setenv("TEST_DATABASE", "host=db password=canary")
	t.Setenv("TEST_EMPTY", "")
	for value, want := range map[string]string{
		"env:TEST_DATABASE": "host=db password=canary", "data/pizzeria.db": "data/pizzeria.db", "": "",
	} {
		if got, err := FromEnvironment(value); got != want || err != nil {
			t.Errorf("%s: %q %v", value, got, err)
		}
	}
	if _, err := FromEnvironment("env:TEST_EMPTY"); err == nil {
		t.Error("a variable that is not set")
	}
}
