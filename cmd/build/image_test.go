package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unpacked is what a tar archive holds, by name.
func unpacked(t *testing.T, b []byte) (headers map[string]*tar.Header, content map[string]string) {
	t.Helper()
	headers, content = map[string]*tar.Header{}, map[string]string{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return headers, content
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || headers[h.Name] != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		headers[h.Name], content[h.Name] = h, string(text)
	}
}

// testImages makes the images of both platforms, and returns the files by name.
func testImages(t *testing.T) (r *release, files map[string][]byte) {
	t.Helper()
	var all *release
	for _, arch := range []string{"amd64", "arm64"} {
		at := target{"linux", arch}
		one, programs := testRelease(t, at)
		if all != nil {
			one.output, one.images = all.output, all.images
		}
		if err := os.WriteFile(filepath.Join(one.output, one.name(at)+".cdx.json"), []byte("the list"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := one.image(at, programs); err != nil {
			t.Fatal(err)
		}
		all = one
	}
	if err := all.layout(); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, name := range []string{"image/oci-layout", "image/index.json", "image/blobs/sha256/*", "*.oci.tar"} {
		found, err := filepath.Glob(filepath.Join(all.output, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimPrefix(f, all.output+"/")] = b
		}
	}
	return all, files
}

// TestImage: an image holds the programs and what they need, for each platform, and nothing of the
// machine or the moment. Its blobs are what its descriptors say.
func TestImage(t *testing.T) {
	r, files := testImages(t)
	if _, again := testImages(t); !maps.EqualFunc(files, again, bytes.Equal) {
		t.Error("two images of the same differ")
	}
	blob := func(d descriptor, v any) []byte {
		t.Helper()
		b := files["image/"+d.path()]
		if d.Digest != fmt.Sprintf("sha256:%x", sha256.Sum256(b)) || d.Size != int64(len(b)) {
			t.Errorf("%+v is a blob of %d bytes", d, len(b))
		}
		if v != nil && json.Unmarshal(b, v) != nil {
			t.Errorf("%s", b)
		}
		return b
	}
	var list index
	if err := json.Unmarshal(files["image/index.json"], &list); err != nil || len(list.Manifests) != 2 {
		t.Fatalf("%v %s", err, files["image/index.json"])
	}
	for i, arch := range []string{"amd64", "arm64"} {
		var m manifest
		var c struct {
			Architecture, OS string
			RootFS           struct {
				DiffIDs []string `json:"diff_ids"`
			}
		}
		d := list.Manifests[i]
		blob(d, &m)
		blob(m.Config, &c)
		if d.Platform == nil || *d.Platform != (platform{arch, "linux"}) || c.Architecture != arch || c.OS != "linux" {
			t.Errorf("%s: %+v %+v", arch, d, c)
		}
		content := map[string]string{}
		for n, l := range m.Layers {
			z, err := gzip.NewReader(bytes.NewReader(blob(l, nil)))
			if err != nil {
				t.Fatal(err)
			}
			plain, err := io.ReadAll(z)
			if err != nil || c.RootFS.DiffIDs[n] != fmt.Sprintf("sha256:%x", sha256.Sum256(plain)) {
				t.Errorf("%s: layer %d: %v", arch, n, err)
			}
			headers, texts := unpacked(t, plain)
			maps.Copy(content, texts)
			for name, h := range headers {
				owner := 0
				if name == "data/" {
					owner = imageUser
				}
				if h.Uid != owner || h.Gid != owner || h.Uname != "" || !h.ModTime.Equal(r.date) {
					t.Errorf("%s: %+v", arch, h)
				}
				if want := int64(0o755); strings.HasPrefix(name, "usr/bin/p") && h.Mode != want || name == "data/" && h.Mode != 0o700 {
					t.Errorf("%s: %+v", arch, h)
				}
			}
		}
		for name, want := range map[string]string{
			"usr/bin/pizzeria": "program pizzeria", "usr/bin/pizzeria-agent": "program pizzeria-agent", "etc/pizzeria/Caddyfile": "the Caddyfile",
			"usr/share/doc/pizzeria/LICENSE": "the LICENSE", "usr/share/doc/pizzeria/NOTICE": "the NOTICE", "usr/share/doc/pizzeria/pizzeria.cdx.json": "the list",
		} {
			if content[name] != want {
				t.Errorf("%s: %s is %q", arch, name, content[name])
			}
		}
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(content["etc/ssl/certs/ca-certificates.crt"])) || !strings.Contains(content["etc/passwd"], ":65532:65532:") {
			t.Errorf("%s: no authorities, or no user: %q", arch, content["etc/passwd"])
		}

		// What one engine loads is what another one pulls.
		_, archive := unpacked(t, files["pizzeria_1.2.3_linux_"+arch+".oci.tar"])
		var alone index
		var load []struct {
			Config           string
			RepoTags, Layers []string
		}
		if err := errors.Join(json.Unmarshal([]byte(archive["index.json"]), &alone), json.Unmarshal([]byte(archive["manifest.json"]), &load)); err != nil {
			t.Fatal(err)
		}
		if len(alone.Manifests) != 1 || alone.Manifests[0].Digest != d.Digest || len(load) != 1 || load[0].Config != m.Config.path() ||
			!slices.Equal(load[0].RepoTags, []string{"ghcr.io/pizzaface/pizzeria:1.2.3"}) {
			t.Errorf("%s: %s %s", arch, archive["index.json"], archive["manifest.json"])
		}
		for n, l := range append([]descriptor{d, m.Config}, m.Layers...) {
			if archive[l.path()] != string(files["image/"+l.path()]) || n > 1 && load[0].Layers[n-2] != l.path() {
				t.Errorf("%s: %s is not in the archive", arch, l.path())
			}
		}
	}
}

// TestImageIsTheDockerfiles: the image of a release is used like one that the example's Dockerfile makes.
func TestImageIsTheDockerfiles(t *testing.T) {
	b, err := os.ReadFile("../../examples/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n\t", "")) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word != "#" && word != "COPY" {
			got[word] = rest
		}
	}
	c := (&release{}).imageConfig()
	list := func(words []string) string {
		text, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), ",", ", ")
	}
	var ports, labels []string
	for _, port := range slices.Sorted(maps.Keys(c.ExposedPorts)) {
		ports = append(ports, strings.TrimSuffix(port, "/tcp"))
	}
	for _, name := range []string{"title", "source", "licenses"} {
		name = "org.opencontainers.image." + name
		labels = append(labels, fmt.Sprintf("%s=%q", name, c.Labels[name]))
	}
	h := c.Healthcheck
	for word, want := range map[string]string{
		"USER": c.User, "WORKDIR": c.WorkingDir, "VOLUME": strings.Join(slices.Collect(maps.Keys(c.Volumes)), " "),
		"EXPOSE": strings.Join(ports, " "), "ENV": strings.Join(c.Env[1:], " "), "LABEL": strings.Join(labels, " "),
		"ENTRYPOINT": list(c.Entrypoint), "CMD": list(c.Cmd),
		"HEALTHCHECK": fmt.Sprintf("--interval=%.0fs --timeout=%.0fs --start-period=%.0fs CMD %s",
			h.Interval.Seconds(), h.Timeout.Seconds(), h.StartPeriod.Seconds(), list(h.Test[1:])),
	} {
		if got[word] != want {
			t.Errorf("%s is %q, and %q in the Dockerfile", word, want, got[word])
		}
	}
}
