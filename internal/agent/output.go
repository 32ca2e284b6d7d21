//go:build linux || darwin

package agent

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"
)

// lateOutput is how long output is read once every process has ended: something elsewhere may hold
// the pipe.
const lateOutput = 2 * time.Second

// outputs are the pipes that processes write to.
type outputs struct {
	log *logbook

	mu    sync.Mutex
	ends  []*os.File
	reads sync.WaitGroup
}

// connect gives cmd its standard output and error. started is called once cmd has been started, or
// could not be.
func (o *outputs) connect(cmd *exec.Cmd, sidecar string) (started func(), err error) {
	var write []*os.File
	started = func() {
		for _, f := range write {
			_ = f.Close()
		}
	}
	for _, stream := range []string{"stdout", "stderr"} {
		r, w, err := os.Pipe()
		if err != nil {
			started()
			return nil, err
		}
		write = append(write, w)
		o.mu.Lock()
		o.ends = append(o.ends, r)
		o.mu.Unlock()
		o.reads.Go(func() {
			err := o.log.copy(r, stream, sidecar)
			o.forget(r)
			if err := errors.Join(err, r.Close()); err != nil {
				o.log.say("read " + stream + ": " + err.Error())
			}
		})
	}
	cmd.Stdout, cmd.Stderr = write[0], write[1]
	return started, nil
}

func (o *outputs) forget(r *os.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, f := range o.ends {
		if f == r {
			o.ends = append(o.ends[:i], o.ends[i+1:]...)
			return
		}
	}
}

// finish returns when all output has been read.
func (o *outputs) finish() {
	o.mu.Lock()
	for _, r := range o.ends {
		_ = r.SetReadDeadline(time.Now().Add(lateOutput))
	}
	o.mu.Unlock()
	o.reads.Wait()
}
