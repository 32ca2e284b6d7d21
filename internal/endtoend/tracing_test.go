package endtoend

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// TestTracing: spans of Caddy's `tracing` say which org, person and decision a request was, in a trace that the instance hears of;
// a collector gets them over OTLP.
func TestTracing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	spans := map[string]map[string]string{} // by trace ID
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var export collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(b, &export) != nil {
			t.Errorf("not OTLP: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range export.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				for _, span := range ss.Spans {
					m := map[string]string{"name": span.Name}
					for _, a := range span.Attributes {
						m[a.Key] = a.Value.GetStringValue()
						if n, ok := a.Value.Value.(*common.AnyValue_IntValue); ok {
							m[a.Key] = strconv.FormatInt(n.IntValue, 10)
						}
					}
					spans[string(span.TraceId)] = m
				}
			}
		}
	}))
	defer sink.Close()
	s := startWith(t, "", "tracing {\n\t\tspan org\n\t}\n\torg_gateway")
	s.stop()
	s.env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + sink.URL, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=100"}
	s.run()
	ada := s.admin()
	id := s.org(ada, "acme")
	if a := ada.open(s.url("acme") + "/"); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	span := func(trace string) (m map[string]string) {
		t.Helper()
		s.eventually("the span is there", func() bool {
			mu.Lock()
			defer mu.Unlock()
			m = spans[trace]
			return m != nil
		})
		return m
	}
	want := func(trace string, attributes map[string]string) {
		t.Helper()
		m := span(trace)
		for k, v := range attributes {
			if got := m[k]; got == "" || v != "*" && got != v {
				t.Errorf("%s is %q, want %q; %v", k, m[k], v, m)
			}
		}
	}
	const in, out = "0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319d"
	h := map[string]string{"Sec-Fetch-Site": "same-origin", "Accept": "application/json", "Traceparent": "00-" + in + "-b7ad6b7169203331-01"}
	if a := ada.do("GET", s.url("acme")+"/whoami", nil, h); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	want("\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c", map[string]string{"pizzeria.org.id": id, "pizzeria.org.slug": "acme", "pizzeria.org.generation": "1", "pizzeria.decision": "passed", "user.id": "*", "pizzeria.role": "owner", "pizzeria.session": "*"})
	h["Traceparent"] = "00-" + out + "-b7ad6b7169203331-01"
	if a := s.person().do("GET", s.url("acme")+"/whoami", nil, h); a.status != 401 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	trace := "\x1b\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9d"
	want(trace, map[string]string{"pizzeria.org.id": id, "pizzeria.decision": "answered"})
	if m := span(trace); m["user.id"] != "" {
		t.Errorf("nobody has an ID: %v", m)
	}
	mu.Lock()
	defer mu.Unlock()
	cookie := ada.cookie(s.url("acme"), orgCookie)
	for _, m := range spans {
		for k, v := range m {
			if strings.Contains(v, cookie) {
				t.Errorf("a session token is in the attribute %s", k)
			}
		}
	}
}
