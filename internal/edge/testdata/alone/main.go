// Command alone is a gateway and nothing else. The test of the layout looks at what it links, and
// nobody runs it: there is no origin.Origin that asks over the network yet.
package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/pizzaface/pizzeria/identity/token"
	"github.com/pizzaface/pizzeria/internal/edge"
	"github.com/pizzaface/pizzeria/internal/edge/origin"
)

func main() {
	var elsewhere origin.Origin // the control plane
	var own *token.Ring         // what this gateway signs assertions with
	node := token.NewNode(elsewhere, own, func() token.Site { return token.Site{} }, time.Now)
	e, err := edge.New(edge.Config{
		Origin: elsewhere, Tokens: node, Keys: node, Snapshot: "snapshot.db", Remembered: 1000,
		Metrics: edge.NewMetrics(), Log: slog.Default(), Now: time.Now,
	})
	if err != nil {
		panic(err)
	}
	e.Run(context.Background())
}
