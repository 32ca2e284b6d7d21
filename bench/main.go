package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "upstream" {
		upstream()
		return
	}
	var o options
	flag.DurationVar(&o.round, "round", 3*time.Second, "length of a round")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each server")
	flag.IntVar(&o.connections, "connections", 64, "connections at once")
	flag.IntVar(&o.orgs, "orgs", 20, "orgs to create, and switches to make")
	flag.IntVar(&o.lists, "lists", 100, "requests to each page and list with 1,000 orgs and 10,000 users")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the gateway under load to this file")
	flag.Float64Var(&o.rate, "rate", 0, "requests a second over all connections (default: as many as there can be)")
	flag.BoolVar(&o.quick, "quick", false, "compare the servers, print that, and keep nothing")
	readme := flag.Bool("readme", false, "put the figures of the last run into README.md, and do nothing else")
	flag.Parse()
	if err := run(o, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	round               time.Duration
	rounds, connections int
	orgs, lists         int
	profile             string
	quick               bool
	rate                float64
}

const resultsFile, readmeFile = "bench/results.json", "README.md"

func run(o options, readme bool) error {
	if readme {
		return updateReadme(readmeFile, resultsFile)
	}
	s, err := startServers()
	if err != nil {
		return err
	}
	defer s.stop()
	r := results{Date: time.Now().UTC().Format("2006-01-02"), Go: runtime.Version(), CPUs: runtime.NumCPU(), Connections: o.connections}
	if r.Servers, err = s.compare(o, scenarios[0]); err != nil {
		return err
	}
	if o.quick {
		fmt.Print(r.table())
		return nil
	}
	r.Others = map[string]map[string]round{}
	for _, sc := range scenarios[1:] {
		if r.Others[sc.name], err = s.compare(o, sc); err != nil {
			return fmt.Errorf("%s: %w", sc.name, err)
		}
	}
	if r.Created, r.Switched, err = s.orgs(o.orgs); err != nil {
		return err
	}
	if err := s.populate(); err != nil {
		return err
	}
	if r.Lists, err = s.timeLists(o.lists); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	fmt.Print(r.table())
	return os.WriteFile(resultsFile, append(b, '\n'), 0o600)
}
