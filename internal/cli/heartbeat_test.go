package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pizzaface/pizzeria/registry"
)

// TestHeartbeatIsPrinted: in words, and nothing that steers the terminal.
func TestHeartbeatIsPrinted(t *testing.T) {
	sessions := 3
	i := registry.Instance{State: registry.InstanceRunning, Heartbeat: &registry.Heartbeat{
		Version: "1.2\x1b[2J", Health: "ok", Busy: true, Memory: 42 << 20, Disk: 3 << 30,
		CPU: 1.25, Sockets: 2, Sessions: &sessions,
		ReceivedAt: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
	}}
	show := func() string {
		t.Helper()
		b, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := new(client).showInstance(&out, b); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	want := "VERSION\tHEALTH\tBUSY\tMEMORY\tDISK\tCPU\tCONNECTIONS\tSESSIONS\tRUNNERS\tHEARTBEAT\n" +
		"1.2 [2J\tok\tyes\t42 MiB\t3.0 GiB\t1.2s\t2\t3\t-\t2030-01-02 03:04:05Z\n"
	if got := show(); !strings.HasSuffix(got, "\n\n"+want) {
		t.Errorf("%q", got)
	}
	if memoryOf(i) != "42 MiB" || busyOf(i) != "yes" {
		t.Error(memoryOf(i), busyOf(i))
	}
	i.Heartbeat = nil
	if got := show(); strings.Contains(got, "HEALTH") || memoryOf(i) != "-" || busyOf(i) != "-" {
		t.Errorf("without one: %q", got)
	}
}
