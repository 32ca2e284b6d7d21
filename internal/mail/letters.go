package mail

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/pizzaface/pizzeria/identity"
)

//go:embed templates/*.txt
var files embed.FS

// letters are the templates by kind. A template's first line is the subject, after an empty line comes the text.
type letters map[identity.LetterKind]*template.Template

var kinds = []identity.LetterKind{
	identity.LetterInvite, identity.LetterVerify, identity.LetterEmail, identity.LetterMoved, identity.LetterReset, identity.LetterPassword,
	identity.LetterSecond, identity.LetterRecovery, identity.LetterCodes, identity.LetterLocked, identity.LetterLinked, identity.LetterSupport,
	identity.LetterMissed, identity.LetterLapsed, identity.LetterQuota,
	identity.LetterMoving, identity.LetterWaiting, identity.LetterWaits,
	identity.LetterApproval, identity.LetterLinkMade, identity.LetterMemberLink, identity.LetterHeld, identity.LetterBreakGlass,
}

// page is what a template sees.
type page struct {
	identity.Letter
	Issuer string // the control plane's address
}

// load reads the templates: dir's own where it has them ({kind}.txt), and ours. Each is tried on a letter.
func load(dir string) (letters, error) {
	ours, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	out := letters{}
	for _, kind := range kinds {
		name := string(kind) + ".txt"
		text, err := fs.ReadFile(ours, name)
		if err != nil {
			return nil, err
		}
		if dir != "" {
			own, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				text, name = own, filepath.Join(dir, name)
			} else if !os.IsNotExist(err) {
				return nil, fmt.Errorf("mail: templates: %w", err)
			}
		}
		if out[kind], err = template.New(name).Option("missingkey=error").Parse(string(text)); err != nil {
			return nil, fmt.Errorf("mail: %w", err)
		}
		if _, _, err := out.write(identity.Letter{Kind: kind, Link: "https://example.com/"}, "https://example.com"); err != nil {
			return nil, fmt.Errorf("mail: %w", err)
		}
	}
	if dir != "" {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("mail: templates: %w", err)
		}
	}
	return out, nil
}

// write makes the subject and the text of a letter. What people wrote stays on its line.
func (t letters) write(l identity.Letter, issuer string) (subject, text string, err error) {
	for _, s := range []*string{&l.Name, &l.By, &l.Org, &l.New, &l.MadeBy} {
		*s = strings.Join(strings.Fields(*s), " ")
	}
	var b bytes.Buffer
	if err := t[l.Kind].Execute(&b, page{l, issuer}); err != nil {
		return "", "", err
	}
	subject, text, ok := strings.Cut(b.String(), "\n\n")
	if !ok || strings.Contains(subject, "\n") || strings.TrimSpace(subject) == "" {
		return "", "", fmt.Errorf("%s: the first line is the subject, and an empty line follows", t[l.Kind].Name())
	}
	return strings.TrimSpace(subject), strings.TrimSpace(text) + "\n", nil
}
