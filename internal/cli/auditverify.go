package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pizzaface/pizzeria/registry"
)

const verifyLong = `Checks the hash chain, the MAC of every entry, and where the log ends and begins.

With --against it also reads the whole log, checks the chain on this machine, and compares it with
heads that were saved elsewhere. That shows entries that were cut off, and a log that was written
anew with the secret key. FILE is an earlier export, lines of the server's log, messages of the
webhook event audit.head, or lines with seq:hash; HEAD is one seq:hash.

With --export it checks the chain of an export, without a server and without the secret key.`

func (c *client) auditVerify() *cobra.Command {
	var against, export string
	verify := &cobra.Command{
		Use: "verify", Short: "Checks that nobody changed the log", Long: verifyLong, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			heads, err := readHeads(against)
			if err != nil {
				return err
			}
			if export != "" {
				return c.verifyExport(export, heads)
			}
			b, err := c.call("GET", "/audit/verify", nil)
			if err != nil {
				return err
			}
			if against == "" {
				return c.print(b, printVerified)
			}
			return c.compare(b, heads)
		},
	}
	verify.Flags().
		StringVar(&against, "against", "", "compare with a `head-or-file` that was saved elsewhere")
	verify.Flags().
		StringVar(&export, "export", "", "check the export in a `file` instead of a server's log")
	return verify
}

func printVerified(w io.Writer, b []byte) error {
	var r registry.AuditReport
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "the audit log is whole\nentries\t%d to %d\nhead\t%s\n", r.First,
		r.Head.Seq, r.Head)
	if err == nil && r.Erased > 0 {
		_, err = fmt.Fprintf(w, "erased\tpersonal fields of %d entries\n", r.Erased)
	}
	if err == nil && r.Unchecked > 0 {
		_, err = fmt.Fprintf(
			w,
			"unchecked\t%d entries: only the server, with its key, can check them\n",
			r.Unchecked,
		)
	}
	if err == nil && r.Compared > 0 {
		_, err = fmt.Fprintf(w, "compared\t%d saved heads\n", r.Compared)
	}
	return err
}

// compare reads the log that a server has checked, checks its chain here as well, and compares it.
func (c *client) compare(checked []byte, heads registry.AuditHeads) error {
	var r registry.AuditReport
	if err := json.Unmarshal(checked, &r); err != nil {
		return err
	}
	body, err := c.open("GET", "/audit/export", nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	chain := registry.NewAuditChain(r.First, r.Before)
	if err := walkExport(body, chain, heads); err != nil {
		return err
	}
	if chain.Head.Seq < r.Head.Seq { // it ended early
		return fmt.Errorf(
			"the server sent entries up to %d of %d: try again",
			chain.Head.Seq,
			r.Head.Seq,
		)
	}
	return c.finish(chain, heads)
}

func (c *client) finish(chain *registry.AuditChain, heads registry.AuditHeads) error {
	if err := heads.Finish(chain.AuditReport); err != nil {
		return err
	}
	b, err := json.Marshal(struct {
		Whole bool `json:"whole"`
		registry.AuditReport
	}{true, chain.AuditReport})
	if err != nil {
		return err
	}
	return c.print(b, printVerified)
}

func (c *client) verifyExport(path string, heads registry.AuditHeads) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	chain := new(registry.AuditChain)
	if err := walkExport(f, chain, heads); err != nil {
		return err
	}
	return c.finish(chain, heads)
}

// walkExport checks and compares entry by entry.
func walkExport(r io.Reader, chain *registry.AuditChain, heads registry.AuditHeads) error {
	n, err := heads.Compare(chain.First-1, chain.Before)
	if err != nil {
		return err
	}
	chain.Compared += n
	for in := json.NewDecoder(r); ; {
		var e registry.AuditEntry
		switch err := in.Decode(&e); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("after entry %d: %w", chain.Head.Seq, err)
		}
		if n, err = heads.Compare(e.Seq, e.Hash); err != nil {
			return err
		}
		chain.Compared += n
		if err := chain.Next(e); err != nil {
			return err
		}
	}
}

// readHeads reads what --against names; nothing when it names nothing.
func readHeads(against string) (registry.AuditHeads, error) {
	heads := registry.AuditHeads{}
	if against == "" {
		return heads, nil
	}
	if h, ok := registry.ParseAuditHead(against); ok {
		heads.Add(h)
		return heads, nil
	}
	f, err := os.Open(against)
	if err != nil {
		return nil, fmt.Errorf("--against takes a head such as 120:9f86..., or a file: %w", err)
	}
	defer func() { _ = f.Close() }()
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadString('\n')
		if h, ok := headOf(strings.TrimSpace(line)); ok {
			heads.Add(h)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(heads) == 0 {
		return nil, fmt.Errorf("%s has no head of an audit log in it", against)
	}
	return heads, nil
}

// headOf finds a head in a line of an export, of the server's log, or of a file of heads, and in a
// webhook's message.
func headOf(line string) (h registry.AuditHead, ok bool) {
	if h, ok = registry.ParseAuditHead(line); ok {
		return h, true
	}
	var v struct {
		Msg  string
		Type registry.ChangeKind
		Seq  int64
		Hash string
		Data registry.AuditHead
	}
	if json.Unmarshal([]byte(line), &v) != nil {
		return h, false
	}
	switch {
	case v.Type == registry.ChangeAuditHead:
		h = v.Data
	case v.Type == "" && (v.Msg == "" || v.Msg == registry.AuditHeadLog):
		h = registry.AuditHead{Seq: v.Seq, Hash: v.Hash}
	}
	return registry.ParseAuditHead(h.String())
}
