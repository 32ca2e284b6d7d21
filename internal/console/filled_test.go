package console_test

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// filledForm is the form of a page with an action as a browser would send it, without a click on
// one of its buttons.
func filledForm(t *testing.T, page, action string) url.Values {
	t.Helper()
	if form, ok := formsOf(t, page)[action]; ok {
		return form
	}
	t.Fatalf("no form leads to %s: %s", action, page)
	return nil
}

func valuesOf(form *html.Node) url.Values {
	values := url.Values{}
	for n := range form.Descendants() {
		name := attr(n, "name")
		switch {
		case name == "":
		case n.DataAtom == atom.Textarea && n.FirstChild != nil:
			values.Add(name, strings.ReplaceAll(n.FirstChild.Data, "\n", "\r\n"))
		case n.DataAtom == atom.Textarea:
			values.Add(name, "")
		case n.DataAtom == atom.Select:
			values.Add(name, chosen(n))
		case n.DataAtom != atom.Input:
		case attr(n, "type") == "checkbox" || attr(n, "type") == "radio":
			if has(n, "checked") {
				values.Add(name, attr(n, "value"))
			}
		default:
			values.Add(name, attr(n, "value"))
		}
	}
	return values
}

func chosen(list *html.Node) string {
	value, some := "", false
	for o := range list.Descendants() {
		if o.DataAtom != atom.Option || some && !has(o, "selected") {
			continue
		}
		some = true
		if value = attr(o, "value"); !has(o, "value") && o.FirstChild != nil {
			value = strings.TrimSpace(o.FirstChild.Data)
		}
	}
	return value
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// formsOf are the forms of a page that change something, by their action.
func formsOf(t *testing.T, page string) map[string]url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]url.Values{}
	for n := range root.Descendants() {
		if n.DataAtom == atom.Form && attr(n, "method") == "post" {
			forms[attr(n, "action")] = valuesOf(n)
		}
	}
	return forms
}
