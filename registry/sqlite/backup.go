package sqlite

import (
	"context"
	"fmt"

	"github.com/pizzaface/pizzeria/registry"
)

// Backup writes a whole and consistent copy of the database to a new file, while
// others go on reading and writing. It returns the newest entry of the audit log in the copy. For
// platform admins and the system.
func (s *Store) Backup(ctx context.Context, a registry.Actor, path string) (head registry.AuditHead, err error) {
	if err := s.AuthorizePlatform(ctx, a, registry.ActionPlatformBackup); err != nil {
		return head, err
	}
	db, err := open(s.path, 1, &s.connected, nil) // the writer's connection is not held up
	if err != nil {
		return head, err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return head, fmt.Errorf("store: backup: %w", err)
	}
	// Beside the original on the same connection, so that the copy gets no files of its own.
	if _, err := db.ExecContext(ctx, `ATTACH $1 AS copy`, path); err != nil {
		return head, fmt.Errorf("store: backup: %w", err)
	}
	err = db.QueryRowContext(ctx, `SELECT seq, hash, epoch FROM copy.audit_head WHERE id = 1`).
		Scan(&head.Seq, &head.Hash, &head.Epoch)
	if err != nil {
		return head, fmt.Errorf("store: backup: %w", err)
	}
	return head, nil
}
