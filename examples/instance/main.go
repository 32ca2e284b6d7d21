// Command instance is the sample instance on its own.
package main

import "github.com/pizzaface/pizzeria/examples/instance/app"

func main() { app.Main() }
