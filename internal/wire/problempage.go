package wire

import (
	"embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/pizzaface/pizzeria/registry"
)

//go:embed pages/problem.html
var pageFiles embed.FS

var problemPage = template.Must(template.ParseFS(pageFiles, "pages/problem.html"))

const problemCSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

// RegisterProblems adds the pages that problems' types lead to: for people HTML, for programs JSON.
// They say nothing that the reference does not, so anybody may read them.
func RegisterProblems(mux *http.ServeMux) {
	mux.HandleFunc("GET /problems", func(w http.ResponseWriter, r *http.Request) {
		types := ProblemTypes()
		showProblem(w, r, http.StatusOK, map[string]any{"items": types}, struct {
			ProblemType
			List []ProblemType
		}{ProblemType{Title: "Problems"}, types})
	})
	mux.HandleFunc("GET /problems/{code}", func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		t, ok := TypeOf(Code(r.PathValue("code")))
		if !ok {
			status = http.StatusNotFound
			t, _ = TypeOf(Code(registry.CodeNotFound))
		}
		showProblem(w, r, status, t, struct {
			ProblemType
			List []ProblemType
		}{ProblemType: t})
	})
}

func showProblem(w http.ResponseWriter, r *http.Request, status int, program, person any) {
	h := w.Header()
	h.Set("Vary", "Accept, Sec-Fetch-Mode")
	h.Set("X-Content-Type-Options", "nosniff")
	if WantsPage(r) {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", problemCSP)
		w.WriteHeader(status)
		_ = problemPage.Execute(w, person)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(program)
}
