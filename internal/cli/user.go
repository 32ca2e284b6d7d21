package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pizzaface/pizzeria/registry"
)

var userTable = table[registry.User]{
	{"EMAIL", func(u registry.User) string { return u.Email }},
	{"NAME", func(u registry.User) string { return u.Name }},
	{"PLATFORM ADMIN", func(u registry.User) string { return yesNo(u.PlatformAdmin) }},
	{"VERIFIED", func(u registry.User) string { return yesNo(u.EmailVerified) }},
	{"STATE", func(u registry.User) string {
		if u.Disabled() {
			return "disabled"
		}
		return "enabled"
	}},
	{"LAST SIGN-IN", func(u registry.User) string { return when(u.LastSignInAt) }},
	{"SINCE", func(u registry.User) string { return when(u.CreatedAt) }},
	{"ID", func(u registry.User) string { return string(u.ID) }},
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

var sessionTable = table[registry.Session]{
	{"ID", func(s registry.Session) string { return string(s.ID) }},
	{"SIGNED IN", func(s registry.Session) string { return when(s.CreatedAt) }},
	{"LAST SEEN", func(s registry.Session) string { return when(s.LastSeenAt) }},
	{"EXPIRES", func(s registry.Session) string { return when(s.Ends()) }},
	{"FROM", func(s registry.Session) string { return s.Address }},
	{"WITH", func(s registry.Session) string { return s.UserAgent }},
}

func userPath(user string) string { return "/users/" + url.PathEscape(user) }

func (c *client) user() *cobra.Command {
	u := &cobra.Command{Use: "user", Short: "Manages accounts"}
	var name string
	var admin bool
	create := &cobra.Command{Use: "create <email>", Short: "Creates an account; reads the password from standard input", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if name == "" {
			return c.app.wrongUse(cmd, errors.New("--name is missing"))
		}
		password, err := readPassword()
		if err != nil {
			return err
		}
		return c.show("POST", "/users", map[string]any{"email": args[0], "name": name, "platform_admin": admin, "password": password}, userTable.show)
	}}
	create.Flags().StringVar(&name, "name", "", "the person's name")
	create.Flags().BoolVar(&admin, "platform-admin", false, "make the account a platform admin")

	var search, state string
	var admins bool
	var dormant int
	list := &cobra.Command{Use: "list", Short: "Lists accounts", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		q := values("search", search)
		if admins {
			q.Set("platform_admins", "true")
		}
		if state != "" {
			q.Set("state", state)
		}
		if dormant > 0 {
			q.Set("dormant_days", strconv.Itoa(dormant))
		}
		b, err := c.list("/users", q, 0)
		if err != nil {
			return err
		}
		return c.printList(b, userTable)
	}}
	list.Flags().StringVar(&search, "search", "", "only who has this in name or address")
	list.Flags().StringVar(&state, "state", "", "only enabled or disabled ones")
	list.Flags().IntVar(&dormant, "dormant", 0, "only ones that nobody signed in to for so many days")
	list.Flags().BoolVar(&admins, "platform-admins", false, "only platform admins")

	show := &cobra.Command{Use: "show <user>", Short: "Shows an account, by ID or e-mail address", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("GET", userPath(args[0]), nil, userTable.show)
	}}

	update := &cobra.Command{Use: "update <user>", Short: "Changes an account", Args: cobra.ExactArgs(1)}
	update.RunE = func(cmd *cobra.Command, args []string) error {
		in := map[string]any{}
		if cmd.Flags().Changed("name") {
			in["name"] = name
		}
		if cmd.Flags().Changed("platform-admin") {
			in["platform_admin"] = admin
		}
		if len(in) == 0 {
			return c.app.wrongUse(cmd, errors.New("say what to change: --name or --platform-admin"))
		}
		return c.show("PATCH", userPath(args[0]), in, userTable.show)
	}
	update.Flags().StringVar(&name, "name", "", "the person's name")
	update.Flags().BoolVar(&admin, "platform-admin", false, "make it a platform admin, or with =false none")

	link := c.on("password-link <user>", "Prints a link with which somebody chooses a new password, once and within an hour", cobra.ExactArgs(1), func(args []string) error {
		return c.show("POST", userPath(args[0])+"/password-link", nil, func(w io.Writer, b []byte) error {
			var v struct{ Link string }
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(w, v.Link)
			return err
		})
	})
	verify := c.on("verify <user>",
		"Marks an address as verified, which gives the roles that wait for it", cobra.ExactArgs(1),
		func(args []string) error {
			return c.show("POST", userPath(args[0])+"/verify", nil, userTable.show)
		})
	factors := c.on("remove-second-step <user>", "Removes the second step of somebody who lost what it needs", cobra.ExactArgs(1), func(args []string) error {
		return c.show("DELETE", userPath(args[0])+"/second-step", nil, nil)
	})
	sessions := &cobra.Command{Use: "sessions <user>", Short: "Lists where somebody is signed in", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.showList(userPath(args[0])+"/sessions", sessionTable)
	}}
	signOut := &cobra.Command{Use: "sign-out <user>", Short: "Signs somebody out everywhere", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return c.show("DELETE", userPath(args[0])+"/sessions", nil, nil)
	}}
	identities := c.on("identities <user>", "Lists what somebody's account is linked to at providers", cobra.ExactArgs(1), func(args []string) error {
		return c.showList(userPath(args[0])+"/identities", identityTable)
	})
	unlink := c.on("unlink <user> <connection ID>", "Unlinks somebody's account from a provider", cobra.ExactArgs(2), func(args []string) error {
		return c.show("DELETE", userPath(args[0])+"/identities/"+url.PathEscape(args[1]), nil, nil)
	})
	u.AddCommand(create, named(list), show, update, verify, link, factors, named(sessions), signOut, named(identities), unlink,
		c.userDisable(), c.userEnable(), c.userDelete())
	return u
}

// readPassword reads a line from standard input, without echo from a terminal.
func readPassword() (string, error) {
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		fmt.Fprint(os.Stderr, "Password: ")
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(os.Stderr)
		return string(b), err
	}
	b, err := io.ReadAll(io.LimitReader(os.Stdin, 4096))
	return strings.TrimRight(string(b), "\r\n"), err
}
