package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// imageName is where images are published.
const imageName = "ghcr.io/pizzaface/pizzeria"

// imageUser runs the programs. It has no other right than to write to /data.
const imageUser = 65532

// healthcheck is Docker's, which OCI's configuration does not name and engines keep.
type healthcheck struct {
	Test                           []string
	Interval, Timeout, StartPeriod time.Duration
}

// imageConfig is what an image says of its containers: the same as examples/docker/Dockerfile.
type imageConfig struct {
	User         string
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	WorkingDir   string
	Labels       map[string]string
	Healthcheck  healthcheck
}

func (r *release) imageConfig() imageConfig {
	return imageConfig{
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "8443/tcp": {}},
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/data", "XDG_CONFIG_HOME=/data"},
		Entrypoint:   []string{"/usr/bin/pizzeria"},
		Cmd:          []string{"run", "--config", "/etc/pizzeria/Caddyfile"},
		Volumes:      map[string]struct{}{"/data": {}},
		WorkingDir:   "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "Pizzeria",
			"org.opencontainers.image.source":   "https://github.com/pizzaface/pizzeria",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  strings.TrimPrefix(r.version, "v"),
			"org.opencontainers.image.created":  r.date.Format(time.RFC3339),
		},
		Healthcheck: healthcheck{
			Test: []string{"CMD", "/usr/bin/pizzeria", "status"}, Interval: 15 * time.Second, Timeout: 5 * time.Second, StartPeriod: time.Minute,
		},
	}
}

// image makes the container image of a target, without an engine and without a base: the programs are
// static. It goes into the layout that all targets share, and into an archive that engines load.
func (r *release) image(t target, programs []string) error {
	var layers []descriptor
	var sums []string
	for _, fill := range []func(l *layer) error{
		r.baseLayer,
		func(l *layer) error { return r.programLayer(l, t, programs) },
	} {
		content, sum, err := newLayer(r.date, fill)
		if err != nil {
			return err
		}
		d, err := r.blob(layerType, content)
		if err != nil {
			return err
		}
		layers, sums = append(layers, d), append(sums, sum)
	}
	type rootfs struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	config, err := r.jsonBlob(configType, struct {
		Created      time.Time   `json:"created"`
		Architecture string      `json:"architecture"`
		OS           string      `json:"os"`
		Config       imageConfig `json:"config"`
		RootFS       rootfs      `json:"rootfs"`
	}{r.date, t.arch, t.os, r.imageConfig(), rootfs{"layers", sums}})
	if err != nil {
		return err
	}
	image, err := r.jsonBlob(manifestType, manifest{2, manifestType, config, layers})
	if err != nil {
		return err
	}
	image.Platform = &platform{t.arch, t.os}
	r.images = append(r.images, image)
	return r.imageArchive(t, image, config, layers)
}

// baseLayer is what programs expect of a system. It does not change with the programs.
func (*release) baseLayer(l *layer) error {
	return errors.Join(
		l.directory("tmp", 0o1777, 0),
		l.text("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\npizzeria:x:65532:65532:Pizzeria:/data:/sbin/nologin\n"),
		l.text("etc/group", "root:x:0:\npizzeria:x:65532:\n"),
		l.text("etc/ssl/certs/ca-certificates.crt", authorities()),
		l.directory("data", 0o700, imageUser), // a new volume takes its owner from here
	)
}

func (r *release) programLayer(l *layer, t target, programs []string) error {
	const documentation = "usr/share/doc/pizzeria/"
	for _, f := range []struct{ at, from string }{
		{"etc/pizzeria/Caddyfile", filepath.Join(r.root, "Caddyfile")},
		{documentation + "LICENSE", filepath.Join(r.root, "LICENSE")},
		{documentation + "NOTICE", filepath.Join(r.root, "NOTICE")},
		{documentation + "pizzeria.cdx.json", filepath.Join(r.output, r.name(t)+".cdx.json")},
	} {
		if err := l.file(f.at, f.from, 0o644); err != nil {
			return err
		}
	}
	for _, program := range programs {
		if err := l.file("usr/bin/"+filepath.Base(program), program, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// imageArchive packs the image of one target as an OCI layout. manifest.json is for engines that know
// no such layout: Docker before version 25.
func (r *release) imageArchive(t target, image, config descriptor, layers []descriptor) (err error) {
	f, err := os.Create(filepath.Join(r.output, r.name(t)+".oci.tar"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	tag := strings.TrimPrefix(r.version, "v")
	image.Annotations = map[string]string{
		"io.containerd.image.name": imageName + ":" + tag, "org.opencontainers.image.ref.name": tag,
	}
	type loaded struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	load := loaded{config.path(), []string{imageName + ":" + tag}, nil}
	for _, l := range layers {
		load.Layers = append(load.Layers, l.path())
	}
	all, err := json.Marshal([]loaded{load})
	if err != nil {
		return err
	}
	list, err := json.Marshal(index{2, indexType, []descriptor{image}, nil})
	if err != nil {
		return err
	}
	l := &layer{tar: tar.NewWriter(f), date: r.date, made: map[string]bool{}}
	err = errors.Join(l.text("oci-layout", layoutVersion), l.text("index.json", string(list)), l.text("manifest.json", string(all)))
	for _, d := range append([]descriptor{image, config}, layers...) {
		if err == nil {
			err = l.file(d.path(), filepath.Join(r.output, layoutDir, d.path()), 0o644)
		}
	}
	return errors.Join(err, l.tar.Close())
}
