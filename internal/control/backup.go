package control

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/pizzaface/pizzeria/registry"
)

// Backup writes a copy of the database, as of now, to w. For the operator: it
// holds everything but the secret key, and secrets in it are sealed under that.
func (c *Control) Backup(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp(c.DataDir, "backup")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "pizzeria.db")
	head, err := c.store.Backup(ctx, registry.AsOperator(), path)
	if err != nil {
		return err
	}
	c.Log.Info(registry.AuditHeadLog, "seq", head.Seq, "hash", head.Hash, "epoch", head.Epoch,
		"of", "backup")
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, f)
	return err
}
