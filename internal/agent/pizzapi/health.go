package pizzapi

import (
	"encoding/json"
	"io"
	"net/http"
)

// ServeHealth answers the host side's health check. PizzaPi answers 200 also when it is degraded, so
// its answer is read.
func (a *App) ServeHealth(w http.ResponseWriter, r *http.Request, refuse func(Refusal)) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://app"+Health, nil)
	if err != nil {
		refuse(Refusal{http.StatusBadGateway, err.Error()})
		return
	}
	res, err := a.client.Do(req)
	if err != nil {
		refuse(Refusal{http.StatusBadGateway, "The app does not answer."})
		return
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	var told struct{ Status string }
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(body, &told) != nil || told.Status != "ok" {
		refuse(Refusal{http.StatusServiceUnavailable, "The app is not ready."})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}
