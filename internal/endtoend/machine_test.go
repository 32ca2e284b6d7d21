package endtoend

import (
	"bufio"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// machine is one on which somebody uses the command line, far from the server.
type machine struct {
	s      *server
	config string // the file with their contexts
}

func (s *server) machine() machine {
	s.t.Helper()
	return machine{s, filepath.Join(s.t.TempDir(), "contexts.yaml")}
}

// command is the CLI, which knows the server by its contexts alone.
func (m machine) command(args ...string) *exec.Cmd {
	m.s.t.Helper()
	cmd := exec.CommandContext(m.s.t.Context(), cli, args...)
	cmd.Dir = m.s.t.TempDir()
	cmd.Env = append(os.Environ(), "PIZZERIA_CONFIG="+m.config,
		"PIZZERIA_CA_FILE="+filepath.Join(m.s.dir, "data/caddy/pki/authorities/local/root.crt"))
	return cmd
}

// login runs `pizzeria login`, and hands over the page that it names. It returns what was printed.
func (m machine) login(name string, answer func(page string)) (string, error) {
	m.s.t.Helper()
	cmd := m.command("login", "--server", m.s.url(""), "--name", name)
	r, w := io.Pipe()
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		m.s.t.Fatal(err)
	}
	all := new(lockedBuffer)
	page := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			_, _ = all.Write(append(lines.Bytes(), '\n'))
			if at := devicePage.FindString(lines.Text()); at != "" {
				page <- at
			}
		}
	}()
	select {
	case at := <-page:
		answer(at)
	case <-time.After(patience):
		m.s.t.Error("no page is named")
	}
	err := cmd.Wait()
	_ = w.Close()
	return all.String(), err
}

var devicePage = regexp.MustCompile(`https://\S+/device\?user_code=\S+`)

// answerTo is the form of a device's page, filled in.
func answerTo(page, answer string) url.Values {
	u, _ := url.Parse(page)
	return url.Values{"user_code": {u.Query().Get("user_code")}, "answer": {answer}}
}
