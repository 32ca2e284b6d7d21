package storetest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/pizzaface/pizzeria/registry"
)

// perBackend are the methods that each backend tests by itself: they are about files and pools.
var perBackend = map[string]bool{"Backup": true, "Close": true, "Connect": true, "Reseal": true}

// TestWhole: the suite calls every method of a store.
func TestWhole(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	called := map[string]bool{}
	for _, m := range regexp.MustCompile(`\be\.s\.(\w+)\(`).FindAllStringSubmatch(all.String(), -1) {
		called[m[1]] = true
	}
	for m := range reflect.TypeFor[registry.Store]().Methods() {
		if called[m.Name] == perBackend[m.Name] {
			t.Errorf("%s: called %v, tested by each backend %v", m.Name, called[m.Name], perBackend[m.Name])
		}
	}
}
