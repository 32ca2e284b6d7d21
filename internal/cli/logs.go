package cli

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/pizzaface/pizzeria/registry"
)

// logChunk is how much of a line is printed at once, in bytes.
const logChunk = 64 << 10

// colour is a sequence that changes how a terminal writes, and nothing else (ECMA-48, SGR).
var colour = regexp.MustCompile("\x1b\\[[0-9;:]*m")

// copyLog writes what an instance printed. An org's code decides what that is: on a terminal nothing
// but its text and colours counts, or it could set the clipboard and rewrite other lines. Files and
// pipes get it as it is.
func copyLog(w io.Writer, log io.Reader, terminal bool) error {
	if !terminal {
		_, err := io.Copy(w, log)
		return err
	}
	lines := bufio.NewReaderSize(log, logChunk)
	for {
		line, err := lines.ReadSlice('\n')
		if _, err := io.WriteString(w, onTerminal(string(line))); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func onTerminal(line string) string {
	text, end := strings.CutSuffix(line, "\n")
	text = strings.TrimSuffix(text, "\r")
	var b strings.Builder
	colours := colour.FindAllString(text, -1)
	for i, part := range colour.Split(text, -1) {
		if i > 0 {
			b.WriteString(colours[i-1])
		}
		for j, cell := range strings.Split(part, "\t") {
			if j > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(registry.Printable(cell))
		}
	}
	if len(colours) > 0 {
		b.WriteString("\x1b[0m")
	}
	if end {
		b.WriteByte('\n')
	}
	return b.String()
}
