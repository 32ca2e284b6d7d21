//go:build linux && !portable

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/provision"
)

// TestReplacedDirectory: where an instance that was not isolated has put something else into the place of
// its directories, the next start says what is wrong, and changes nothing that a link leads to.
func TestReplacedDirectory(t *testing.T) {
	requireIsolation(t)
	for name, row := range map[string]struct {
		put  func(path, elsewhere string) error
		want string
	}{
		"a link": {func(path, elsewhere string) error { return os.Symlink(elsewhere, path) }, " is a link to "},
		"a link from its old place": {func(path, elsewhere string) error {
			if err := os.Mkdir(path+".moved", 0o700); err != nil {
				return err
			}
			return os.Symlink(path+".moved", path)
		}, " is a link to "},
		"a file": {func(path, _ string) error { return os.WriteFile(path, nil, 0o600) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.p.c.Isolation = IsolationOff
			f.boot(1)
			f.stop(1)
			data, elsewhere := filepath.Join(f.p.orgDir(f.org), "data"), t.TempDir()
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
			if err := row.put(data, elsewhere); err != nil {
				t.Fatal(err)
			}
			was, err := os.Stat(elsewhere)
			if err != nil {
				t.Fatal(err)
			}
			f.p.c.Isolation = IsolationOn
			_, err = f.p.Ensure(t.Context(), provision.Spec{Ref: f.ref(2)})
			if err == nil || !strings.Contains(err.Error(), data) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the start says %v", err)
			}
			if now, err := os.Stat(elsewhere); err != nil || now.Mode() != was.Mode() || !now.ModTime().Equal(was.ModTime()) {
				t.Errorf("what it leads to has changed: %v", err)
			}
		})
	}
}
