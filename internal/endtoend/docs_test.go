package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

var block = regexp.MustCompile("(?ms)^```(sh|caddyfile)( [a-z]+)?\n(.*?)^```$")

// TestDocuments runs every example: each page of the guide from its first
// command to its last against a server of its own, and every Caddyfile through
// the adapter. `sh ci` marks what .ci/run does, `sh postgres` what TestPostgres
// does, and `stopped` and `started` are what a page does without the server and after.
func TestDocuments(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := "../../README.md"
	script, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var commands, files atomic.Int32
	t.Cleanup(func() {
		if commands.Load() < 20 || files.Load() < 8 {
			t.Errorf("only %d commands and %d Caddyfiles were found", commands.Load(), files.Load())
		}
	})
	for _, page := range append(pages, readme) {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			var s *server
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				kind, mark, code := m[1], strings.TrimSpace(m[2]), m[3]
				switch {
				case kind == "caddyfile":
					files.Add(1)
					validate(t, code)
				case page == readme: // its two commands are .ci/run's own
				case mark == "postgres": // TestPostgres runs them
				case mark == "ci":
					if !strings.Contains(string(script), strings.Split(strings.TrimSpace(code), " -o")[0]) && !strings.Contains(code, "pizzeria run") {
						t.Errorf(".ci/run does not do %s", code)
					}
				default:
					commands.Add(1)
					if s == nil {
						s = start(t)
					}
					if mark == "stopped" {
						s.stop()
						s.forget()
					}
					if mark == "started" {
						s.run()
					}
					s.shell(code)
				}
			}
		})
	}
}

// forget moves the data away, as a new machine has none; the test's authority stays.
func (s *server) forget() {
	s.t.Helper()
	for _, name := range []string{"pizzeria.db", "pizzeria.db-wal", "pizzeria.db-shm", "secret.key", "orgs"} {
		if err := os.RemoveAll(filepath.Join(s.dir, "data", name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// shell runs a block of a page, with pizzeria in the path.
func (s *server) shell(code string) {
	s.t.Helper()
	bin := s.t.TempDir()
	if err := os.Symlink(cli, filepath.Join(bin, "pizzeria")); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", `curl() { command curl --resolve "$HOST:127.0.0.1" "$@"; }`+"\n"+code)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "URL="+s.url(""), "HOST="+s.host(""), "CA="+filepath.Join(s.dir, "data/caddy/pki/authorities/local/root.crt"),
		"HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s\n%v: %s", code, err, tail(string(out), 2000))
	}
}

// validate adapts a Caddyfile, or a piece of one in its place. DNS providers
// are plugins that this build does not have.
func validate(t *testing.T, code string) {
	t.Helper()
	first, _, _ := strings.Cut(strings.TrimSpace(code), " ")
	options, site := "domain pizzapi.example.com\n", ""
	switch {
	case strings.HasPrefix(first, "{"):
	case first == "settings", first == "mail", first == "redis", first == "instance_redis", first == "provider", first == "store", first == "plan":
		options += code
	default:
		site = code
	}
	if !strings.HasPrefix(first, "{") {
		if first == "transport" {
			site = "route {\norg\norg_auth\nreverse_proxy {\ndynamic org\n" + code + "\n}\n}"
		}
		if strings.HasPrefix(first, "org") || strings.HasPrefix(first, "@") {
			site = "@hooks path /hooks/*\nroute {\n" + code + "\n}"
		}
		code = "{\npizzeria {\n" + options + "\n}\n}\npizzapi.example.com {\ncontrol_plane\n}\n*.pizzapi.example.com {\n" + site + "\n}\n"
	}
	code = regexp.MustCompile(`(?m)^\s*dns cloudflare .*$`).ReplaceAllString(code, "issuer internal")
	code = strings.ReplaceAll(code, "process { ... }", "process")
	code = regexp.MustCompile(`(?m)^\s*(settings|limits|(instance_)?redis|mail +\S+|plan +\S+) +\{ \.\.\. \}.*$`).ReplaceAllString(code, "")
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(cli, "adapt", "--config", file)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "CF_API_TOKEN=x", "SMTP_PASSWORD=x", "API_TOKEN=x",
		"DATABASE_URL=postgres://pizzeria@db.example.com/pizzeria", "REDIS_URL=redis://redis.example.com:6379", "REDIS_PASSWORD=x", "INSTANCE_REDIS_PASSWORD=x")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, tail(string(out), 1000), code)
	}
}
