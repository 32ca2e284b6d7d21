package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The formats are those of https://github.com/opencontainers/image-spec, version 1.1.
const (
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"

	layoutDir     = "image" // in the output directory
	layoutVersion = `{"imageLayoutVersion":"1.0.0"}`
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// path is where a layout has a blob.
func (d descriptor) path() string {
	return "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:")
}

// blob writes a blob into the layout.
func (r *release) blob(mediaType string, content []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content)), Size: int64(len(content))}
	file := filepath.Join(r.output, layoutDir, d.path())
	return d, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, content, 0o644)) //nolint:gosec // G301, G306
}

func (r *release) jsonBlob(mediaType string, v any) (descriptor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return r.blob(mediaType, b)
}

// layout completes the layout of the images: its index is what the image's tag leads to.
func (r *release) layout() error {
	if len(r.images) == 0 {
		return nil
	}
	b, err := json.Marshal(index{2, indexType, r.images, r.imageConfig().Labels})
	if err != nil {
		return err
	}
	dir := filepath.Join(r.output, layoutDir)
	return errors.Join(os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(layoutVersion), 0o644), //nolint:gosec // G306
		os.WriteFile(filepath.Join(dir, "index.json"), b, 0o644)) //nolint:gosec // G306
}
