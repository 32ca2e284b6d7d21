//go:build linux || darwin

package agent

import (
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	diskEvery = 5 * time.Minute
	maxFiles  = 200_000 // are looked at
)

// disk measures a directory, not more often than every 5 minutes.
type disk struct {
	mu    sync.Mutex
	at    time.Time
	bytes int64
}

func (d *disk) size(dir string, now time.Time) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir != "" && (d.at.IsZero() || now.Sub(d.at) >= diskEvery) {
		d.at, d.bytes = now, diskUsage(dir)
	}
	return d.bytes
}

// diskUsage is what the files below a directory take. Links are not followed.
func diskUsage(dir string) (bytes int64) {
	files := 0
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is gone, or not readable
		}
		if files++; files > maxFiles {
			return fs.SkipAll
		}
		if i, err := e.Info(); err == nil {
			if s, ok := i.Sys().(*syscall.Stat_t); ok {
				bytes += s.Blocks * 512
			}
		}
		return nil
	})
	return bytes
}
