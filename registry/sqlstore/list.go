package sqlstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/pizzaface/pizzeria/registry"
)

// query is a SELECT that grows conditions, with its arguments.
type query struct {
	text strings.Builder
	args []any
}

// add appends text to the query; each ? in it becomes the number of the next argument.
func (q *query) add(text string, args ...any) {
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		q.args = append(q.args, a)
		q.text.WriteString(before + "$" + strconv.Itoa(len(q.args)))
		text = after
	}
	q.text.WriteString(text)
}

// order is one way to sort a list: by a column, then by ID; by the column alone when it is unique.
type order[T any] struct {
	column, id string
	value      func(T) any    // the column of an item: a string or an int64
	key        func(T) string // its ID
}

// page runs q, which ends in its WHERE clause, for one page of l. usual is the
// sort when l has none. Pages are cut by key, not by offset: the next one
// starts behind the last item, and costs the same as the first.
func page[T any](ctx context.Context, db querier, q *query, l registry.List, orders map[string]order[T], usual string, scan func(scanner) (T, error)) (p registry.Page[T], err error) {
	if err := registry.CheckList(l); err != nil {
		return p, err
	}
	if l.Limit == 0 {
		l.Limit = registry.DefaultPage
	}
	if l.Sort == "" {
		l.Sort = usual
	}
	name, desc := strings.CutPrefix(l.Sort, "-")
	o, ok := orders[name]
	if !ok {
		var names []string
		for n := range orders {
			names = append(names, n)
		}
		slices.Sort(names)
		return p, registry.Errorf(registry.CodeInvalid, "sort", "sort by %s, with - in front for descending", strings.Join(names, ", "))
	}
	than, dir := ">", ""
	if desc {
		than, dir = "<", " DESC"
	}
	if l.Cursor != "" {
		value, id, err := readCursor(l.Cursor, l.Sort)
		if err != nil {
			return p, err
		}
		if o.id == "" {
			q.add(" AND "+o.column+" "+than+" ?", value)
		} else {
			q.add(" AND ("+o.column+", "+o.id+") "+than+" (?, ?)", value, id)
		}
	}
	q.add(" ORDER BY " + o.column + dir)
	if o.id != "" {
		q.add(", " + o.id + dir)
	}
	q.add(" LIMIT ?", l.Limit+1)
	if p.Items, err = collect(ctx, db, scan, q.text.String(), q.args...); err != nil {
		return p, err
	}
	if len(p.Items) > l.Limit {
		p.Items = p.Items[:l.Limit]
		last, id := p.Items[l.Limit-1], ""
		if o.key != nil {
			id = o.key(last)
		}
		p.Next, err = writeCursor(l.Sort, o.value(last), id)
	}
	return p, err
}

func writeCursor(sort string, value any, id string) (string, error) {
	b, err := json.Marshal([]any{sort, value, id})
	return base64.RawURLEncoding.EncodeToString(b), err
}

// readCursor undoes writeCursor. A cursor decides nothing but where a page
// starts, so a made-up one shows no more than a page would.
func readCursor(cursor, sort string) (value any, id string, err error) {
	bad := registry.Errorf(registry.CodeInvalid, "cursor", "the cursor is not one of this list in this order: begin again without it")
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, "", bad
	}
	var was string
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil || len(raw) != 3 || json.Unmarshal(raw[0], &was) != nil || was != sort || json.Unmarshal(raw[2], &id) != nil {
		return nil, "", bad
	}
	var text string
	var number int64
	switch {
	case json.Unmarshal(raw[1], &number) == nil:
		return number, id, nil
	case json.Unmarshal(raw[1], &text) == nil:
		return text, id, nil
	}
	return nil, "", bad
}

// search is a condition that one of the columns has l.Search in it.
func (q *query) search(l registry.List, columns ...string) {
	if l.Search == "" {
		return
	}
	escaped := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(norm.NFC.String(l.Search)) // as names are kept
	for i, c := range columns {
		q.add([]string{" AND (", " OR "}[min(i, 1)]+c+` {like} ? ESCAPE '\'`, "%"+escaped+"%")
	}
	q.add(")")
}
