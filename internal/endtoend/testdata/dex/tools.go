//go:build tools

package dex

import _ "github.com/dexidp/dex/cmd/dex"
