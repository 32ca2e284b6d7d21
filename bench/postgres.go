package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// postgresServer is a PostgreSQL server with its usual settings: commits are durable.
type postgresServer struct {
	dir, bin string
	port     int
}

// startPostgres makes one, on a free port of the loopback interface.
func startPostgres() (_ *postgresServer, err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return nil, errors.New("there is no PostgreSQL server: install the Debian package postgresql")
	}
	p := &postgresServer{bin: filepath.Dir(found[len(found)-1])}
	if p.dir, err = os.MkdirTemp("/tmp", "pzp"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.stop()
		}
	}()
	if os.Geteuid() == 0 {
		if out, err := exec.Command("chown", "postgres", p.dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("chown: %w: %s", err, out)
		}
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p.port = ports[0]
	if err := p.run("initdb", "-D", p.data(), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	options := fmt.Sprintf("-k %s -p %d -c listen_addresses=127.0.0.1", p.dir, p.port)
	if err := p.run("pg_ctl", "-D", p.data(), "-l", filepath.Join(p.dir, "log"), "-o", options, "-w", "start"); err != nil {
		return nil, err
	}
	return p, p.run("createdb", "-h", p.dir, "-p", strconv.Itoa(p.port), "-U", "postgres", "pizzeria")
}

func (p *postgresServer) data() string { return filepath.Join(p.dir, "data") }

// url is a connection string, by a port.
func (p *postgresServer) url(port int) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/pizzeria?sslmode=disable", port)
}

// run runs one of the server's programs, not as root, which they refuse.
func (p *postgresServer) run(program string, args ...string) error {
	args = append([]string{filepath.Join(p.bin, program)}, args...)
	if os.Geteuid() == 0 {
		args = append([]string{"runuser", "-u", "postgres", "--"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // PostgreSQL's
	cmd.Dir = p.dir
	log, err := os.CreateTemp("", "pzp") // no pipe: the server would hold it open
	if err != nil {
		return err
	}
	defer func() { _ = log.Close(); _ = os.Remove(log.Name()) }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", program, err, said)
	}
	return nil
}

func (p *postgresServer) stop() {
	_ = p.run("pg_ctl", "-D", p.data(), "-m", "immediate", "-w", "stop")
	_ = os.RemoveAll(p.dir)
}

// cpu is what the server's processes have computed, with those that ended.
func (p *postgresServer) cpu() (sum time.Duration) {
	b, err := os.ReadFile(filepath.Join(p.data(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		_, after, _ := strings.Cut(string(b), ") ") // the name may hold spaces
		f := strings.Fields(after)
		pid := filepath.Base(filepath.Dir(file))
		if len(f) < 15 || pid != first && f[1] != first {
			continue
		}
		ticks := f[11:13] // proc_pid_stat(5): user and system
		if pid == first {
			ticks = f[11:15] // and of children that ended
		}
		for _, v := range ticks {
			n, _ := strconv.ParseInt(v, 10, 64)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}
