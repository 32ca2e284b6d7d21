package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Hidden fields of forms.
const (
	nonceField   = "form_nonce" // by which a second click is known; see stamp
	versionField = "version"    // of what the form edits, where others may edit it too
	seenField    = "form_seen"  // what such a form showed: a hash of each field's value
)

// A refill is a form that was sent and is shown again.
type refill struct {
	action string
	typed  url.Values
	stale  bool // somebody saved something else meanwhile
}

// finishForms completes the forms of a page that change something. Each gets a nonce, and one with
// a version what it shows. The form of again, if any, gets back what was typed, but for passwords.
func finishForms(page []byte, stamp string, again *refill) []byte {
	tokens := tokensOf(page)
	var details []int // around the token at hand
	n := 0
	for i := 0; i < len(tokens); i++ {
		t := &tokens[i]
		if t.DataAtom == atom.Details {
			switch t.Type {
			case html.StartTagToken:
				details = append(details, i)
			case html.EndTagToken:
				details = details[:max(0, len(details)-1)]
			}
		}
		if t.Type != html.StartTagToken || t.DataAtom != atom.Form || t.attr("method") != "post" {
			continue
		}
		end := i + slices.IndexFunc(tokens[i:], func(t part) bool {
			return t.Type == html.EndTagToken && t.DataAtom == atom.Form
		})
		form := tokens[i+1 : max(i+1, end)]
		fields := fieldsOf(form)
		n++
		t.after = hidden(nonceField, stamp+"."+strconv.Itoa(n))
		if carries(form, versionField) && !carries(form, seenField) {
			t.after += hidden(seenField, seenOf(fields))
		}
		if again != nil && (t.attr("action") == again.action || t.attr("action") == "") {
			again.put(form, fields)
			for _, d := range details {
				tokens[d].setAttr("open", "", true)
			}
		}
		i += len(form)
	}
	var out bytes.Buffer
	for _, t := range tokens {
		out.WriteString(t.text())
	}
	return out.Bytes()
}

func hidden(name, value string) string {
	return `<input type="hidden" name="` + name + `" value="` + html.EscapeString(value) + `">`
}

func carries(form []part, name string) bool {
	return slices.ContainsFunc(form, func(t part) bool { return t.attr("name") == name })
}

// seenOf is what fields show, in short.
func seenOf(fields []field) string {
	seen := url.Values{}
	for _, f := range fields {
		seen.Set(f.key(), digest(f.now))
	}
	return seen.Encode()
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// put fills the form. Of one that is stale, a field that only somebody else changed keeps what is
// saved now, and whatever somebody else changed says so.
func (a *refill) put(form []part, fields []field) {
	seen, err := url.ParseQuery(a.typed.Get(seenField))
	if err != nil {
		seen = url.Values{}
	}
	for _, f := range fields {
		now, before := digest(f.now), seen.Get(f.key())
		seen.Del(f.key())
		theirs := a.stale && now != before
		typed, sent := f.typed(a.typed)
		switch {
		case sent && typed == f.now:
		case sent && theirs && before == digest(typed):
			f.remark(form, "Changed meanwhile, before", f.words(typed))
		case sent:
			f.put(typed)
			if theirs {
				f.remark(form, "Saved meanwhile", f.words(f.now))
			}
		case theirs && f.put == nil && before == "":
			f.remark(form, "Added meanwhile", "")
		case theirs && f.put == nil:
			f.remark(form, "Changed meanwhile", "")
		}
	}
	for name := range seen {
		if name, ok := strings.CutPrefix(name, shownPrefix); ok && a.stale {
			fields[len(fields)-1].remark(form, "Removed meanwhile", name)
		}
	}
}

// remark says something after a field.
func (f field) remark(form []part, what, value string) {
	if value != "" {
		what += ": <code>" + html.EscapeString(value) + "</code>"
	}
	form[f.end].after += `<p class="hint">` + what + "</p>"
}

// field is what a form shows: mostly what people fill in.
type field struct {
	name string
	box  string             // of a box, what it sends when it is ticked
	now  string             // what the page has in it
	put  func(value string) // nil for what is only shown
	end  int                // index of its last token
}

// shownPrefix starts the key of what a form shows and cannot change: an element with data-shown,
// its name, and data-now, its state.
const shownPrefix = "="

const ticked = "ticked"

func (f field) key() string {
	if f.box != "" {
		return f.name + "=" + f.box
	}
	return f.name
}

// typed is what somebody sent of a field, and whether they did.
func (f field) typed(sent url.Values) (string, bool) {
	if f.put == nil {
		return "", false
	}
	if f.box == "" {
		return strings.ReplaceAll(sent.Get(f.name), "\r\n", "\n"), sent.Has(f.name)
	}
	if slices.Contains(sent[f.name], f.box) {
		return ticked, true
	}
	return "", true
}

func (f field) words(value string) string {
	switch {
	case value != "":
		return value
	case f.box != "":
		return "not ticked"
	}
	return "nothing"
}

// fieldsOf are the fields of a form. Hidden ones are not for people, and passwords do not come
// back.
func fieldsOf(form []part) (fields []field) {
	label := -1 // index in fields of the first one in a label
	for i := range form {
		t := &form[i]
		switch {
		case t.DataAtom == atom.Label:
			if t.Type == html.StartTagToken {
				label = len(fields)
			} else {
				for k := label; k >= 0 && k < len(fields); k++ {
					fields[k].end = i
				}
				label = -1
			}
		case t.has("data-shown"):
			fields = append(fields, field{
				name: shownPrefix + t.attr("data-shown"), now: t.attr("data-now"), end: i + 1,
			})
		case t.Type == html.EndTagToken || t.attr("name") == "":
		case t.DataAtom == atom.Input:
			if f, ok := inputField(t); ok {
				f.end = i
				fields = append(fields, f)
			}
		case t.DataAtom == atom.Select:
			f := selectField(form[i:])
			f.name, f.end = t.attr("name"), i+f.end
			fields = append(fields, f)
		case t.DataAtom == atom.Textarea:
			f := areaField(form[i:])
			f.name, f.end = t.attr("name"), i+f.end
			fields = append(fields, f)
		}
	}
	return fields
}

func inputField(t *part) (field, bool) {
	f := field{name: t.attr("name")}
	switch t.attr("type") {
	case "hidden", "password", "submit", "button", "reset", "file":
		return f, false
	case "checkbox", "radio":
		f.box = t.attr("value")
		if t.has("checked") {
			f.now = ticked
		}
		f.put = func(value string) { t.setAttr("checked", "", value == ticked) }
	default:
		f.now = t.attr("value")
		f.put = func(value string) { t.setAttr("value", value, true) }
	}
	return f, true
}

// selectField reads a select, whose first token is the first of form.
func selectField(form []part) field {
	type option struct {
		t     *part
		value string
	}
	var f field
	var options []option
	for f.end = 1; f.end < len(form)-1 && form[f.end].DataAtom != atom.Select; f.end++ {
		t := &form[f.end]
		if t.DataAtom != atom.Option || t.Type != html.StartTagToken {
			continue
		}
		o := option{t, t.attr("value")}
		if next := form[f.end+1]; !t.has("value") && next.Type == html.TextToken {
			o.value = strings.TrimSpace(next.Data)
		}
		if t.has("selected") || len(options) == 0 {
			f.now = o.value
		}
		options = append(options, o)
	}
	f.put = func(value string) {
		for _, o := range options {
			o.t.setAttr("selected", "", o.value == value)
		}
	}
	return f
}

// areaField reads a textarea, whose first token is the first of form.
func areaField(form []part) field {
	f := field{end: 1}
	text := ""
	if form[1].Type == html.TextToken {
		text, f.end = form[1].Data, 2
	}
	f.now = strings.TrimPrefix(text, "\n") // as browsers do
	f.put = func(value string) {
		form[0].after = "\n" + html.EscapeString(value)
		if f.end == 2 {
			form[1].gone = true
		}
	}
	return f
}

// part is a piece of a page. What is not changed is written as it was.
type part struct {
	html.Token
	raw     string
	changed bool
	gone    bool
	after   string // HTML that follows it
}

func tokensOf(page []byte) (tokens []part) {
	z := html.NewTokenizer(bytes.NewReader(page))
	for z.Next() != html.ErrorToken {
		raw := string(z.Raw())
		tokens = append(tokens, part{Token: z.Token(), raw: raw})
	}
	return tokens
}

func (t *part) text() string {
	switch {
	case t.gone:
		return t.after
	case t.changed:
		return t.String() + t.after
	}
	return t.raw + t.after
}

func (t *part) index(name string) int {
	return slices.IndexFunc(t.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func (t *part) has(name string) bool { return t.index(name) >= 0 }

func (t *part) attr(name string) string {
	if i := t.index(name); i >= 0 {
		return t.Attr[i].Val
	}
	return ""
}

// setAttr gives an attribute a value, or takes it away.
func (t *part) setAttr(name, value string, there bool) {
	t.changed = true
	i := t.index(name)
	switch {
	case !there && i >= 0:
		t.Attr = slices.Delete(t.Attr, i, i+1)
	case there && i >= 0:
		t.Attr[i].Val = value
	case there:
		t.Attr = append(t.Attr, html.Attribute{Key: name, Val: value})
	}
}
