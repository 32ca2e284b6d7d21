package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pizzaface/pizzeria/registry"
)

// ErrPlace says that a node must not use a provider: its instances are on another machine, and would
// be started a second time.
var ErrPlace = errors.New("the instances are in the data directory of another machine")

// places are the providers whose instances are known to be in this node's data directory.
type places struct {
	mu      sync.Mutex
	checked map[string]bool
}

const placeFile = "place"

// checkPlaces makes sure that a node finds the instances of its providers where it looks for them. A
// server that is no node, and so alone, only says where that is. Error: ErrPlace.
func (c *Control) checkPlaces(ctx context.Context) error {
	c.places.mu.Lock()
	defer c.places.mu.Unlock()
	for _, p := range c.Providers().All() {
		if elsewhere(p.Provider) || c.places.checked[p.Name] {
			continue
		}
		if err := c.checkPlace(ctx, p.Name); err != nil {
			return err
		}
		if c.places.checked == nil {
			c.places.checked = map[string]bool{}
		}
		c.places.checked[p.Name] = true
	}
	return nil
}

func (c *Control) checkPlace(ctx context.Context, provider string) error {
	file := filepath.Join(c.DataDir, placeFile)
	here, err := place(file)
	if err != nil {
		return err
	}
	at, err := c.store.PlaceOf(ctx, registry.AsSystem("runtime"), provider, here, c.Node == "")
	if err != nil {
		return fmt.Errorf("where the instances of provider %s are: %w", provider, err)
	}
	if at != here {
		return fmt.Errorf("provider %s: %w: give the provider of this node a name of its own, or use the "+
			"same data directory; if that machine is gone, put its data back, and write %s to %s",
			provider, ErrPlace, at, file)
	}
	return nil
}

// place returns the ID of a data directory, which the first call makes.
func place(file string) (registry.PlaceID, error) {
	if b, err := os.ReadFile(file); err == nil {
		return registry.PlaceID(strings.TrimSpace(string(b))), nil
	}
	made, err := os.CreateTemp(filepath.Dir(file), placeFile+"-*")
	if err != nil {
		return "", err
	}
	_, err = made.WriteString(registry.NewID() + "\n")
	err = errors.Join(err, made.Close())
	if err == nil {
		err = os.Link(made.Name(), file) // one of several nodes makes it
	}
	if errors.Is(err, os.ErrExist) {
		err = nil
	}
	if err := errors.Join(err, os.Remove(made.Name())); err != nil {
		return "", err
	}
	b, err := os.ReadFile(file)
	return registry.PlaceID(strings.TrimSpace(string(b))), err
}
