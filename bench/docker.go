package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	dockerPatience = 2 * time.Minute
	dockerPause    = 5 * time.Millisecond // between requests to an org that is not there yet
	dockerImage    = "pizzeria.bench/app:1"
)

// dockerCost prints what the Docker provider costs, with the engine at $DOCKER_HOST: from the call of
// the API to the first byte of the app through the edge, for somebody signed in, one by one and all at
// once; and the memory of all that is not the app.
func dockerCost() error {
	flags := flag.NewFlagSet("docker", flag.ExitOnError)
	oneByOne := flags.Int("one-by-one", 40, "orgs to create one after another")
	atOnce := flags.Int("at-once", 100, "orgs to create at once, after that")
	_ = flags.Parse(os.Args[2:]) // it exits
	dir, err := os.MkdirTemp("/tmp", "pzb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for name, pkg := range map[string]string{"app": "./bench", "pizzeria": "./cmd/pizzeria", "pizzeria-agent": "./cmd/agent"} {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	load := fmt.Sprintf("tar -C %s -c app | docker import --change 'ENTRYPOINT [\"/app\", \"upstream\"]' - %s", dir, dockerImage)
	if out, err := exec.Command("sh", "-c", load).CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, out)
	}
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = "unix:///var/run/docker.sock"
	}
	s, err := startOurs(filepath.Join(dir, "pizzeria"), fmt.Sprintf("docker {\n\t\t\timage %s\n\t\t\tpull never\n\t\t\thost %s\n\t\t}", dockerImage, host))
	if err != nil {
		return err
	}
	defer s.stop()
	app, err := alone(dir, *oneByOne, filepath.Join(dir, "app"), "upstream")
	if err != nil {
		return err
	}
	var one []time.Duration
	for i := range *oneByOne {
		took, err := s.firstByte(fmt.Sprintf("one-%d", i))
		if err != nil {
			return err
		}
		one = append(one, took)
	}
	all, failed := make([]time.Duration, *atOnce), make([]error, *atOnce)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i], failed[i] = s.firstByte(fmt.Sprintf("all-%d", i)) })
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	fmt.Printf("docker: first byte through the edge after p50 %s, p95 %s of %d (the app alone %s, %s)\n",
		part(one, 50), part(one, 95), len(one), part(app, 50), part(app, 95))
	fmt.Printf("docker: of %d at once", len(all))
	for _, percent := range []int{1, 10, 25, 50, 75, 90, 99, 100} {
		fmt.Printf(", p%d %s", percent, part(all, percent))
	}
	fmt.Println()
	for _, what := range []string{"dockerd", "containerd", "containerd-shim", "/pizzeria/agent", s.binary} {
		n, kib, err := memoryOf(what)
		if err != nil {
			return err
		}
		fmt.Printf("docker: %s: %d processes, %d MiB in all (PSS)\n", filepath.Base(what), n, kib>>10)
	}
	return nil
}

// firstByte creates an org, and returns how long it took until its page was there.
func (s *servers) firstByte(slug string) (time.Duration, error) {
	began := time.Now()
	code, text, err := s.do(s.client, "POST", s.url("")+"/api/v1/orgs", fmt.Sprintf(`{"slug":%q,"name":%q}`, slug, slug), s.own())
	if err != nil || code != 201 {
		return 0, fmt.Errorf("create %s: %d %s %w", slug, code, text, err)
	}
	for time.Since(began) < dockerPatience {
		// Held until the org is there, if that does not take too long.
		if code, text, err = s.do(s.client, "GET", s.url(slug)+"/", "", nil); err == nil && code == 401 {
			code, text, err = s.do(s.client, "GET", s.url(slug)+"/", "", navigation)
		}
		if err == nil && code == 200 && len(text) == 1024 {
			return time.Since(began), nil
		}
		time.Sleep(dockerPause) // not to be what the orgs wait for
	}
	return 0, fmt.Errorf("%s: %d %.300s %w", slug, code, text, err)
}

// memoryOf is the memory of all processes of a program.
func memoryOf(program string) (n, kib int, err error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		line, err := os.ReadFile(filepath.Join(e, "cmdline"))
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(line), "\x00")
		if first != program && filepath.Base(first) != program && !strings.HasPrefix(filepath.Base(first), program+"-runc") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(filepath.Base(e), &pid); err != nil {
			return 0, 0, err
		}
		if size, err := pss(pid); err == nil {
			n, kib = n+1, kib+size
		}
	}
	return n, kib, nil
}
