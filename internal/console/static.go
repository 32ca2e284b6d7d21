package console

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"sync"
)

// registerStatic adds the embedded files below /static/.
func registerStatic(mux *http.ServeMux) error {
	static, err := fs.Sub(files, "static")
	if err != nil {
		return err
	}
	assets := http.StripPrefix("/static/", http.FileServerFS(static))
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		if v := r.URL.Query().Get("v"); v != "" && v == assetVersion(r.PathValue("file")) {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		assets.ServeHTTP(w, r)
	})
	return nil
}

// assetVersion is the beginning of a static file's SHA-256: its address changes
// with it, so that a browser never mixes two versions. "" when there is no such file.
func assetVersion(name string) string {
	return assetVersions()[name]
}

var assetVersions = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	entries, _ := files.ReadDir("static") // embedded: it is there
	for _, e := range entries {
		b, _ := files.ReadFile("static/" + e.Name())
		sum := sha256.Sum256(b)
		all[e.Name()] = hex.EncodeToString(sum[:6])
	}
	return all
})
