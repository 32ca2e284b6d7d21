package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pizzaface/pizzeria/identity/jose"
)

const (
	agentRounds = 7
	agentRound  = 3 * time.Second
	agentCount  = 20 // whose memory is measured
	agentOrg    = "018f0000-0000-7000-8000-000000000000"
	agentIssuer = "https://bench.example"
)

// agentCost prints what the agent costs: memory beside an app, and requests a second through it
// against the app alone, in alternating rounds. It needs wrk.
func agentCost() error {
	dir, err := os.MkdirTemp("/tmp", "pzb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &agentBench{dir: dir, program: filepath.Join(dir, "agent")}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.program, "./cmd/agent")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if b.key, err = jose.Generate("k", jose.ES256); err != nil {
		return err
	}
	public, err := b.key.Public().JWK()
	if err != nil {
		return err
	}
	set, err := jose.MarshalSet(public)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "jwks.json"), set, 0o600); err != nil {
		return err
	}
	for _, profile := range []string{"direct", "assertion", "trusted-headers"} {
		if err := b.memory(profile); err != nil {
			return err
		}
	}
	return b.compare()
}

type agentBench struct {
	dir, program string
	key          *jose.PrivateKey
}

// start starts an agent that listens at one port, with an app that listens at another.
func (b *agentBench) start(profile string) (cmd *exec.Cmd, port, app string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", "", err
	}
	var ports [2]string
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", "", err
		}
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
		if err := l.Close(); err != nil {
			return nil, "", "", err
		}
	}
	port, app = ports[0], ports[1]
	if profile == "direct" {
		app = port
	}
	cmd = exec.Command(b.program, "--profile", profile, "--listen", "127.0.0.1:"+port, "--health", "/1",
		"--socket", filepath.Join(b.dir, port+".sock"), "--", self, "upstream")
	cmd.Env = []string{
		"PIZZERIA_ORG_ID=" + agentOrg, "PIZZERIA_ORG_GENERATION=1", "PIZZERIA_ISSUER=" + agentIssuer,
		"PIZZERIA_JWKS_FILE=" + filepath.Join(b.dir, "jwks.json"), "PIZZERIA_LISTEN=127.0.0.1:" + port,
		"PORT=" + app, "PIZZERIA_AGENT_CREDENTIAL=bench",
	}
	if err := cmd.Start(); err != nil {
		return nil, "", "", err
	}
	for range 200 {
		if _, err = b.get(port); err == nil {
			return cmd, port, app, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, "", "", errors.Join(err, stopAgent(cmd))
}

func stopAgent(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_ = cmd.Wait()
	return nil
}

func (b *agentBench) assertion() (string, error) {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": agentIssuer, "aud": "urn:pizzeria:org:" + agentOrg, "sub": "u", "org_id": agentOrg, "org_slug": "bench",
		"org_gen": 1, "role": "member", "email": "u@example.com", "name": "U", "iat": now, "exp": now + 120,
	})
	if err != nil {
		return "", err
	}
	return b.key.Sign("pizzeria-assertion+jwt", claims)
}

func (b *agentBench) get(port string) (int, error) {
	token, err := b.assertion()
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+"/1", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Pizzeria-Assertion", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, fmt.Errorf("it answers %s", res.Status)
	}
	return res.StatusCode, nil
}

// memory prints the memory of agents that have served some requests: their proportional set size,
// in which the program's own pages are shared among all.
func (b *agentBench) memory(profile string) error {
	var agents []*exec.Cmd
	defer func() {
		for _, a := range agents {
			_ = stopAgent(a)
		}
	}()
	for range agentCount {
		a, port, _, err := b.start(profile)
		if err != nil {
			return err
		}
		agents = append(agents, a)
		for range 20 {
			if _, err := b.get(port); err != nil {
				return err
			}
		}
	}
	var all []int
	for _, a := range agents {
		n, err := pss(a.Process.Pid)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	slices.Sort(all)
	fmt.Printf("memory of an agent, profile %s: median %d KiB, most %d KiB (PSS, %d agents)\n",
		profile, all[len(all)/2], all[len(all)-1], len(all))
	return nil
}

var pssLine = regexp.MustCompile(`(?m)^Pss: +([0-9]+) kB`)

func pss(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	m := pssLine.FindSubmatch(text)
	if m == nil {
		return 0, errors.New("smaps_rollup has no Pss")
	}
	return strconv.Atoi(string(m[1]))
}

// compare prints the requests a second of an app alone and through its agent.
func (b *agentBench) compare() error {
	a, port, app, err := b.start("assertion")
	if err != nil {
		return err
	}
	defer func() { _ = stopAgent(a) }()
	var alone, through, ratios []float64
	for range agentRounds {
		one, err := b.load(app)
		if err != nil {
			return err
		}
		two, err := b.load(port)
		if err != nil {
			return err
		}
		alone, through, ratios = append(alone, one), append(through, two), append(ratios, two/one)
	}
	for _, s := range [][]float64{alone, through, ratios} {
		slices.Sort(s)
	}
	middle := agentRounds / 2
	fmt.Printf("requests a second, 1 KiB: app alone %.0f, through the agent %.0f: %.2f of it (medians of %d rounds)\n",
		alone[middle], through[middle], ratios[middle], agentRounds)
	fmt.Printf("the agent adds %.0f µs of both cores' time to a request\n",
		(1/through[middle]-1/alone[middle])*1e6)
	loaded, err := pss(a.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("memory of an agent alone on the machine, right after this load: %d KiB\n", loaded)
	return nil
}

var wrkRate = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)

func (b *agentBench) load(port string) (float64, error) {
	token, err := b.assertion()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("wrk", "-t1", "-c32", fmt.Sprintf("-d%ds", int(agentRound.Seconds())),
		"-H", "Pizzeria-Assertion: "+token, "http://127.0.0.1:"+port+"/1024")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("wrk: %w: %s", err, out)
	}
	m := wrkRate.FindSubmatch(out)
	if m == nil || strings.Contains(string(out), "Non-2xx") {
		return 0, fmt.Errorf("wrk: %s", out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}
