package api

import (
	"github.com/pizzaface/pizzeria/registry"
)

// Store is what the API needs of the registry.
type Store interface {
	registry.Management
	registry.EventReader
	registry.InstanceTokenStore
}
