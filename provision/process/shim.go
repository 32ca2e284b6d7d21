//go:build linux || darwin

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/identity/assertion"
	"github.com/pizzaface/pizzeria/internal/agent"
	"github.com/pizzaface/pizzeria/internal/sockets"
	"github.com/pizzaface/pizzeria/registry"
)

const (
	lockFile = "lock"
	specFile = "spec.json"
	// configFile names the configuration of the Spec; see provision.Spec.
	configFile = "configuration"
	// installationFile names the installation of the instance.
	installationFile = "installation"
	exitFile         = "exit.json"
	ctlSocket        = "ctl.sock"
	appSocket        = "app.sock"
	ownSocket        = "agent.sock" // of the agent, see attended.go
)

// leftoversEnd is how long what an earlier run left behind may take to end once it is killed.
const leftoversEnd = 10 * time.Second

// runDirVariable names the run directory in the environment of all that comes from its instance,
// unless it cleared or overwrote it.
const runDirVariable = "PIZZERIA_RUN_DIR"

// markers are variables that only what comes from the instance of a run directory has.
func markers(dir string) []string {
	return []string{
		runDirVariable + "=" + dir,
		"PIZZERIA_LISTEN=unix:" + filepath.Join(dir, appSocket), // instances of earlier versions
	}
}

type shimSpec struct {
	OrgID      registry.OrgID    `json:"org_id"`
	Generation int64             `json:"generation"`
	Command    []string          `json:"command"`
	Env        map[string]string `json:"env"`
	Dir        string            `json:"dir"`
	Log        string            `json:"log"`
	Socket     string            `json:"socket"`

	Sidecars   [][]string    `json:"sidecars,omitempty"`
	Profile    agent.Profile `json:"profile,omitempty"`
	Required   bool          `json:"required,omitempty"`
	Health     string        `json:"health,omitempty"`
	Secrets    []string      `json:"secrets,omitempty"` // names in Env
	Credential string        `json:"credential,omitempty"`
	Egress     string        `json:"egress,omitempty"` // socket of the proxy
	Redis      string        `json:"redis,omitempty"`  // see provision.Spec
}

// config is what the agent is told. The lock is shared with what guards the instance.
func (s shimSpec) config(dir string, out io.Writer, lock *os.File) agent.Config {
	c := agent.Config{
		OrgID: s.OrgID, Generation: s.Generation, Issuer: s.Env["PIZZERIA_ISSUER"],
		Command: s.Command, Env: s.Env, Dir: s.Dir, Data: s.Dir, Sidecars: s.Sidecars,
		Profile: s.Profile, Required: s.Required, Listen: "unix:" + s.Socket, Health: s.Health,
		Keys: assertion.File(s.Env["PIZZERIA_JWKS_FILE"]), Secrets: s.Secrets, Egress: s.Egress, Redis: s.Redis, Log: out, Lock: lock,
	}
	if s.Credential != "" { // an earlier server gives none
		c.Socket, c.Credential = filepath.Join(dir, ownSocket), s.Credential
	}
	return c
}

type request struct {
	Op      string `json:"op"`
	GraceMS int64  `json:"grace_ms,omitempty"`
}

// What a shim is asked for. It answers at once to what it does not know.
const (
	opStatus = "status"
	opStop   = "stop" // answers when the instance has ended
	opWait   = "wait" // likewise, and asks nothing of it
)

type response struct {
	PID  int   `json:"pid"` // the instance's
	Exit *exit `json:"exit,omitempty"`
}

type exit struct {
	Code   int       `json:"code"`
	Signal string    `json:"signal,omitempty"`
	Error  string    `json:"error,omitempty"`
	At     time.Time `json:"at"`
}

func (e exit) String() string {
	switch {
	case e.Error != "":
		return e.Error
	case e.Signal != "":
		return "ended by signal: " + e.Signal
	default:
		return fmt.Sprintf("ended with exit code %d: see its log", e.Code)
	}
}

func readExit(dir string) (e exit, err error) {
	b, err := sockets.ReadFile(filepath.Join(dir, exitFile), mostAnswer)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, &e)
}

// lock takes the lock of a run directory, which ends with the process, whatever ends it.
func lock(dir string) (*os.File, error) {
	in := trustedDir(dir)
	f, err := lockIn(in)
	if err == nil && trustedDir(dir) != in { // the run directory is an org's by now
		return nil, errors.Join(fmt.Errorf("%s does not count any more", f.Name()), f.Close())
	}
	return f, err
}

func lockIn(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// The directory may have been removed meanwhile: a lock that nobody finds is none.
	mine, err := f.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(path); err == nil && !os.SameFile(mine, now) {
			err = fmt.Errorf("%s was replaced", path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// patiently takes a lock that nobody keeps: somebody may only be looking, see held.
func patiently(take func(string) (*os.File, error), dir string) (*os.File, error) {
	l, err := take(dir)
	for try := 0; errors.Is(err, syscall.EWOULDBLOCK) && try < 20; try++ {
		time.Sleep(10 * time.Millisecond)
		l, err = take(dir)
	}
	return l, err
}

// held reports whether a shim lives. It asks for a shared lock, so that two who ask do not see each other.
func held(dir string) bool {
	f, err := os.Open(filepath.Join(trustedDir(dir), lockFile))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// mostAnswer bounds what a shim answers, which may be an org's.
const mostAnswer = 64 << 10

// killShim ends the shim that holds the lock of dir, which names it. That it still
// takes connections says that it lives, and its number is not another process's.
func killShim(dir string) {
	if isApart(dir) {
		endApart(dir)
		return
	}
	b, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil || !held(dir) {
		return
	}
	c, err := net.DialTimeout("unix", filepath.Join(dir, ctlSocket), time.Second)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// call asks the shim of dir.
func call(ctx context.Context, dir string, q request) (r response, err error) {
	c, err := sockets.Dial(ctx, filepath.Join(dir, ctlSocket))
	if err != nil {
		return r, err
	}
	defer func() { _ = c.Close() }()
	if t, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(t)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return r, err
	}
	return r, json.NewDecoder(io.LimitReader(c, mostAnswer)).Decode(&r)
}

// inheritedLock, after the run directory, says that a shim has the lock already.
const inheritedLock = "locked"

// Shim runs the instance of a run directory until it ends or is stopped. It is
// the whole of the shim's process. A second shim for a directory ends at once.
// Its arguments are the run directory and, where the shim is kept apart with its instance, "locked".
func Shim(args ...string) error {
	syscall.Umask(0o077)
	switch {
	case len(args) == 1:
		return shimAlone(args[0])
	case len(args) == 2 && args[1] == inheritedLock:
		return shimInside(args[0])
	}
	return errors.New("usage: shim <dir>")
}

// shimAlone takes the lock of a run directory.
func shimAlone(dir string) error {
	l, err := patiently(lock, dir)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := l.Truncate(0); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(l, os.Getpid()); err != nil {
		return err
	}
	// A new instance must not meet what an earlier one left behind, which may hold its database.
	ctx, cancel := context.WithTimeout(context.Background(), leftoversEnd)
	err = endLeftovers(ctx, dir)
	cancel()
	if err != nil {
		return writeJSON(filepath.Join(dir, exitFile), exit{Error: err.Error(), At: time.Now()})
	}
	return run(dir, l)
}

// run starts the instance of a run directory and waits for its end, under its lock.
func run(dir string, l *os.File) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)

	var spec shimSpec
	b, err := os.ReadFile(filepath.Join(dir, specFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		return err
	}
	for _, name := range []string{ctlSocket, appSocket, ownSocket} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	ctl, err := net.Listen("unix", filepath.Join(dir, ctlSocket))
	if err != nil {
		return err
	}
	defer func() { _ = ctl.Close() }()

	out := agent.OpenLog(spec.Log)
	defer func() { _ = out.Close() }()
	a, err := agent.Start(spec.config(dir, out, l))
	if err != nil {
		return writeJSON(filepath.Join(dir, exitFile), exit{Error: err.Error(), At: time.Now()})
	}
	s := &shim{Agent: a, ended: make(chan struct{})}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		s.Stop(15 * time.Second)
	}()
	go s.serve(ctl)

	status := a.Wait()
	e := exit{At: time.Now(), Code: status.ExitStatus()}
	if status.Signaled() {
		e.Signal = status.Signal().String()
	}
	err = writeJSON(filepath.Join(dir, exitFile), e)
	_ = os.Remove(spec.Socket)
	close(s.ended)
	s.answers.Wait()
	return err
}

type shim struct {
	*agent.Agent
	ended   chan struct{} // closed when how it ended is written
	answers sync.WaitGroup
}

func (s *shim) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.answers.Add(1)
		go func() {
			defer s.answers.Done()
			defer func() { _ = c.Close() }()
			s.answer(c)
		}()
	}
}

func (s *shim) answer(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	var q request
	if json.NewDecoder(bufio.NewReader(c)).Decode(&q) != nil {
		return
	}
	switch q.Op {
	case opStop:
		s.Stop(time.Duration(q.GraceMS) * time.Millisecond)
		<-s.ended
	case opWait:
		s.waitFor(c)
	}
	_ = json.NewEncoder(c).Encode(response{PID: s.PID()})
}

// waitFor returns when the instance has ended, or who asked has left.
func (s *shim) waitFor(c net.Conn) {
	_ = c.SetReadDeadline(time.Time{})
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = c.Read(make([]byte, 1))
	}()
	select {
	case <-s.ended:
	case <-left:
	}
}
