package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
)

// expandsFrom is the newest migration of the first version with several nodes. During a rolling
// upgrade, nodes of the version before run on a schema that is newer.
const expandsFrom = 37

// contracts are migrations that remove what a release still used: by number, the release that
// stopped using it. That is an older one than the release with the migration.
var contracts = map[int64]string{}

var (
	createsTable = regexp.MustCompile(`(?i)^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	indexesTable = regexp.MustCompile(`(?is)^CREATE UNIQUE INDEX .* ON (\w+)`)
	comment      = regexp.MustCompile(`(?m)--.*$`)
	loosens      = regexp.MustCompile(`(?i)\bDROP NOT NULL\b`)
	breaks       = regexp.MustCompile(`(?i)\b(DROP|RENAME|TRUNCATE|SET NOT NULL|TYPE|ADD CONSTRAINT|ADD CHECK|ADD UNIQUE)\b`)
	column       = regexp.MustCompile(`(?i)\bADD\b[^,]*`)
	needed       = regexp.MustCompile(`(?i)\b(NOT NULL|UNIQUE|CHECK|PRIMARY KEY)\b`)
	optional     = regexp.MustCompile(`(?i)\bDEFAULT\b`)
)

// contracting returns the statements of a migration that a program of before cannot bear.
func contracting(migration string) (found []string) {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	var created []string
	for statement := range strings.SplitSeq(comment.ReplaceAllString(up, ""), ";") {
		statement = strings.TrimSpace(statement)
		if m := createsTable.FindStringSubmatch(statement); m != nil {
			created = append(created, m[1])
			continue
		}
		bad := breaks.MatchString(loosens.ReplaceAllString(statement, ""))
		if m := indexesTable.FindStringSubmatch(statement); m != nil && !slices.Contains(created, m[1]) {
			bad = true
		}
		for _, c := range column.FindAllString(statement, -1) {
			bad = bad || needed.MatchString(c) && !optional.MatchString(c)
		}
		if bad {
			found = append(found, statement)
		}
	}
	return found
}

// TestMigrationsExpand: a migration only adds what nodes of the version before need not know.
func TestMigrationsExpand(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, file := range files {
		number, err := goose.NumericComponent(file)
		if err != nil {
			t.Fatal(err)
		}
		if number <= expandsFrom || contracts[number] != "" {
			continue
		}
		b, err := os.ReadFile(file) //nolint:gosec // a migration
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range contracting(string(b)) {
			t.Errorf("%s breaks nodes of the version before:\n%s\n"+
				"Add first. Remove when no supported release needs it, and list the migration.", file, statement)
		}
	}
}

// TestContracting: the watch over migrations knows what a program of before cannot bear.
func TestContracting(t *testing.T) {
	for statement, want := range map[string]bool{
		`CREATE TABLE t (a text NOT NULL UNIQUE, b bigint CHECK (b > 0))`:               false,
		`CREATE TABLE t (a text); CREATE UNIQUE INDEX t_a ON t (a)`:                     false,
		`CREATE INDEX orgs_a ON orgs (a)`:                                               false,
		`ALTER TABLE orgs ADD COLUMN a text`:                                            false,
		`ALTER TABLE orgs ADD COLUMN a text NOT NULL DEFAULT '', ADD COLUMN b bigint`:   false,
		`ALTER TABLE orgs ALTER COLUMN a DROP NOT NULL`:                                 false,
		`ALTER TABLE orgs ADD COLUMN a text -- DROP later`:                              false,
		`ALTER TABLE orgs ADD COLUMN a text NOT NULL`:                                   true,
		`ALTER TABLE orgs ADD a text NOT NULL`:                                          true,
		`ALTER TABLE orgs ADD COLUMN a text DEFAULT '', ADD COLUMN b bigint NOT NULL`:   true,
		`ALTER TABLE orgs DROP COLUMN a`:                                                true,
		`ALTER TABLE orgs ALTER COLUMN a DROP NOT NULL, DROP COLUMN b`:                  true,
		`ALTER TABLE orgs RENAME COLUMN a TO b`:                                         true,
		`ALTER TABLE orgs ALTER COLUMN a SET NOT NULL`:                                  true,
		`ALTER TABLE orgs ALTER a TYPE bigint`:                                          true,
		`ALTER TABLE orgs ADD CONSTRAINT c CHECK (a > 0)`:                               true,
		`CREATE UNIQUE INDEX orgs_a ON orgs (a)`:                                        true,
		`drop table orgs`:                                                               true,
		"ALTER TABLE orgs ADD COLUMN a text;\n-- +goose Down\nALTER TABLE orgs DROP a;": false,
	} {
		if got := contracting("-- +goose Up\n" + statement); len(got) > 0 != want {
			t.Errorf("%s: %q, want one: %v", statement, got, want)
		}
	}
}
