package sqlite

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// Backup writes a whole and consistent copy of the database to a new file, while
// others go on reading and writing. For platform admins and the system.
func (s *Store) Backup(ctx context.Context, a registry.Actor, path string) error {
	if err := s.may(a, registry.PlatformBackup); err != nil {
		return err
	}
	db, err := open(s.path, 1, &s.connected, nil) // the writer's connection is not held up
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return fmt.Errorf("store: backup: %w", err)
	}
	return nil
}
