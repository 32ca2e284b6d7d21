package main

import (
	"fmt"
	"slices"
	"strings"
)

// scaleTable is a column for each installation, and a row for each figure.
type scaleTable struct {
	columns, rows []string
	cells         map[string]map[string]string // by row and column
}

// add begins a column.
func (t *scaleTable) add(column string) { t.columns = append(t.columns, column) }

// set puts a figure into the newest column.
func (t *scaleTable) set(row, figure string) {
	if !slices.Contains(t.rows, row) {
		t.rows = append(t.rows, row)
		t.cells[row] = map[string]string{}
	}
	t.cells[row][t.columns[len(t.columns)-1]] = figure
}

// print writes it as Markdown.
func (t *scaleTable) print() {
	fmt.Printf("| CPU, p50, p99 in ms | %s |\n| --- |%s\n", strings.Join(t.columns, " | "), strings.Repeat(" ---: |", len(t.columns)))
	for _, row := range t.rows {
		fmt.Printf("| %s |", row)
		for _, column := range t.columns {
			fmt.Printf(" %s |", t.cells[row][column])
		}
		fmt.Println()
	}
}
