package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// savedContexts is the file with the control planes that this person works with.
type savedContexts struct {
	Current  string                `yaml:"current,omitempty"`
	Contexts map[string]connection `yaml:"contexts"`
}

// connection is one control plane.
type connection struct {
	Server string `yaml:"server"`
	Key    string `yaml:"key,omitempty"`
	CAFile string `yaml:"ca_file,omitempty"`

	// Of somebody who signed in to it; see login.
	Token        string    `yaml:"token,omitempty"`
	TokenEnds    time.Time `yaml:"token_ends,omitempty"`
	RefreshToken string    `yaml:"refresh_token,omitempty"`
}

func contextsFile() (string, error) {
	if p := os.Getenv("PIZZERIA_CONFIG"); p != "" {
		return p, nil
	}
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "pizzeria", "contexts.yaml"), err
}

func readContexts() (savedContexts, error) {
	s := savedContexts{Contexts: map[string]connection{}}
	path, err := contextsFile()
	if err != nil {
		return s, nil //nolint:nilerr // without a home there are none
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if s.Contexts == nil {
		s.Contexts = map[string]connection{}
	}
	return s, nil
}

// write keeps the file to its owner: it holds keys.
func (s savedContexts) write() error {
	path, err := contextsFile()
	if err != nil {
		return err
	}
	b, err := yaml.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// namedContext is a context without its secrets.
type namedContext struct {
	Name    string `json:"name"`
	Server  string `json:"server"`
	Current bool   `json:"current"`
}

var contextTable = table[namedContext]{
	{"NAME", func(v namedContext) string { return v.Name }},
	{"SERVER", func(v namedContext) string { return v.Server }},
	{"CURRENT", func(v namedContext) string { return map[bool]string{true: "*"}[v.Current] }},
}

func (c *client) contexts() *cobra.Command {
	ctx := &cobra.Command{Use: "context", Short: "Names the control planes that you work with"}
	list := &cobra.Command{Use: "list", Short: "Lists contexts", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		s, err := readContexts()
		if err != nil {
			return err
		}
		list := []namedContext{}
		for _, n := range slices.Sorted(maps.Keys(s.Contexts)) {
			list = append(list, namedContext{n, s.Contexts[n].Server, n == s.Current})
		}
		b, err := json.Marshal(map[string]any{"items": list})
		if err != nil {
			return err
		}
		return c.printList(b, contextTable)
	}}
	set := &cobra.Command{
		Use: "set <name>", Short: "Makes or changes a context, and uses it", Args: cobra.ExactArgs(1),
		Long:    "Makes or changes a context, and uses it. --server names the control plane, --key-file its API key, --ca-file its certificate authority.",
		Example: "  " + c.app.Name + " context set prod --server https://pizzeria.example.com --key-file ~/prod.key",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readContexts()
			if err != nil {
				return err
			}
			v := s.Contexts[args[0]]
			if c.server != "" {
				v.Server = c.server
			}
			if v.Server == "" {
				return c.app.wrongUse(cmd, errors.New("--server is missing"))
			}
			if c.caFile != "" {
				if v.CAFile, err = filepath.Abs(c.caFile); err != nil {
					return err
				}
			}
			t, err := c.remote(v)
			if err != nil {
				return err
			}
			v.Key = t.key
			s.Contexts[args[0]], s.Current = v, args[0]
			return s.write()
		},
	}
	use := &cobra.Command{Use: "use [name]", Short: "Uses a context from now on; without a name, the admin socket", Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeContexts, RunE: func(_ *cobra.Command, args []string) error {
		s, err := readContexts()
		if err != nil {
			return err
		}
		s.Current = ""
		if len(args) == 1 {
			if _, ok := s.Contexts[args[0]]; !ok {
				return fmt.Errorf("there is no context %q: see `context list`", args[0])
			}
			s.Current = args[0]
		}
		return s.write()
	}}
	remove := &cobra.Command{Use: "remove <name>", Short: "Forgets a context and its key", Args: cobra.ExactArgs(1), ValidArgsFunction: completeContexts, RunE: func(_ *cobra.Command, args []string) error {
		s, err := readContexts()
		if err != nil {
			return err
		}
		if _, ok := s.Contexts[args[0]]; !ok {
			return fmt.Errorf("there is no context %q: see `context list`", args[0])
		}
		delete(s.Contexts, args[0])
		if s.Current == args[0] {
			s.Current = ""
		}
		return s.write()
	}}
	ctx.AddCommand(named(list), set, use, remove)
	return ctx
}

func completeContexts(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	s, err := readContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for n := range s.Contexts {
		names = append(names, n)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
