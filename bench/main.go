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
	parts := map[string]func() error{"agent": agentCost, "instances": instanceCost, "instance": instanceApp, "docker": dockerCost, "pizzapi": pizzapiCost,
		"scale": scaleCost, "store": storeCost, "redis": redisCost}
	if len(os.Args) > 1 && parts[os.Args[1]] != nil {
		if err := parts[os.Args[1]](); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.DurationVar(&o.round, "round", 3*time.Second, "length of a round")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each server")
	flag.IntVar(&o.connections, "connections", 64, "connections at once")
	flag.IntVar(&o.orgs, "orgs", 20, "orgs to create, and switches to make")
	flag.IntVar(&o.lists, "lists", 100, "requests to each page and list with 1,000 orgs and 10,000 users")
	flag.IntVar(&o.many, "many", 100_000, "orgs of the larger of two installations")
	flag.IntVar(&o.sockets, "sockets", 9000, "idle WebSockets to open")
	flag.IntVar(&o.revocations, "revocations", 200, "runners to revoke")
	flag.IntVar(&o.reloads, "reloads", 30, "reloads of each server under load")
	flag.StringVar(&o.only, "only", "", "measure one part, print that, and keep nothing: compare, many, sockets, neighbours, reloads, revocations, sign-ins, parts")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the gateway under load to this file")
	flag.Float64Var(&o.rate, "rate", 0, "requests a second over all connections (default: as many as there can be)")
	flag.BoolVar(&o.quick, "quick", false, "compare the servers, print that, and keep nothing")
	readme := flag.Bool("readme", false, "put the figures of the last run into bench/README.md, and do nothing else")
	flag.Parse()
	if err := bench(o, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	round               time.Duration
	rounds, connections int
	orgs, lists         int
	many, sockets       int
	revocations         int
	reloads             int
	only                string
	profile             string
	quick               bool
	rate                float64
}

const resultsFile, readmeFile = "bench/results.json", "bench/README.md"

func bench(o options, readme bool) error {
	if readme {
		return updateReadme(readmeFile, resultsFile)
	}
	s, err := startServers()
	if err != nil {
		return err
	}
	defer s.stop()
	r := results{Date: time.Now().UTC().Format("2006-01-02"), Go: runtime.Version(), CPUs: runtime.NumCPU(), Connections: o.connections}
	if o.quick {
		o.only = "compare"
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{"parts", func() (err error) { r.Parts, err = parts(); return err }},
		{"compare", func() (err error) { r.Servers, err = s.compare(o, scenarios[0]); return err }},
		{"scenarios", func() error { return s.scenarios(o, &r) }},
		{"orgs", func() (err error) { r.Created, r.Switched, err = s.orgs(o.orgs); return err }},
		{"neighbours", func() (err error) { r.Neighbours, err = s.neighbours(o); return err }},
		{"revocations", func() (err error) { r.Revocations, err = s.revoke(o.revocations); return err }},
		{"sockets", func() (err error) { r.Sockets, err = s.idleSockets(o.sockets); return err }},
		{"reloads", func() (err error) { r.Reloads, err = s.reload(o.reloads); return err }},
		{"lists", func() (err error) { r.Lists, err = s.timeLists(o.lists); return err }},
		{"sign-ins", func() (err error) { r.SignIns, err = s.signIns(o); return err }},
		{"many", func() (err error) { r.Many, err = compareMany(o, s.binary); return err }},
	} {
		if o.only != "" && o.only != part.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s ...\n", part.name)
		if err := part.measure(); err != nil {
			b, _ := json.Marshal(r) // what took long is not lost
			return fmt.Errorf("%s: %w; so far: %s", part.name, err, b)
		}
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if o.only != "" {
		fmt.Println(string(b))
		return nil
	}
	fmt.Print(r.table())
	return os.WriteFile(resultsFile, append(b, '\n'), 0o600)
}
