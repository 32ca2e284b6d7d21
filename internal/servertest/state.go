package servertest

import (
	"database/sql"
	"maps"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Must asks as the operator for what has to succeed.
func (i *Installation) Must(method, path, body string) Answer {
	i.Helper()
	a := i.Operator(method, path, body)
	if a.Status/100 != 2 {
		i.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	return a
}

// Metric is the sum of a metric's series that have the labels, and how many there are.
func (i *Installation) Metric(name string, labels map[string]string) (sum float64, series int) {
	i.Helper()
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(i.runtime.Collectors()...)
	families, err := all.Gather()
	if err != nil {
		i.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				if _, asked := labels[l.GetName()]; asked {
					has[l.GetName()] = l.GetValue()
				}
			}
			if f.GetName() == name && maps.Equal(has, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				series++
			}
		}
	}
	return sum, series
}

// SQL changes the database in a data directory, for what no request can do.
func SQL(t testing.TB, dir, statement string) {
	t.Helper()
	file := filepath.Join(dir, "pizzeria.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
