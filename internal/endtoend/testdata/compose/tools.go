//go:build tools

// Package compose pins Docker Compose, which the tests of examples/compose run.
package compose

import _ "github.com/docker/compose/v5/cmd"
