package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// library is a library in C, or a program.
type library struct {
	name    string
	source  string // Debian's source package
	licence string // SPDX
	beside  bool   // a separate program, shipped with ours
	what    string
}

var written = []library{
	{name: "libwebp", source: "libwebp", licence: "BSD-3-Clause", what: "linked statically"},
	{name: "libdeflate", source: "libdeflate", licence: "MIT", what: "linked statically"},
	{name: "ISA-L", source: "libisal", licence: "BSD-3-Clause", what: "linked statically"},
	{name: "musl", source: "musl", licence: "MIT", what: "the C library, linked statically"},
	{name: "ffmpeg", source: "ffmpeg", licence: "GPL-2.0-or-later", beside: true, what: "a program of its own, /usr/lib/jumpserver-video/ffmpeg"},
	{name: "x264", source: "x264", licence: "GPL-2.0-or-later", beside: true, what: "linked statically into ffmpeg"},
	{name: "mimalloc", source: "mimalloc", licence: "MIT", beside: true, what: "memory for ffmpeg, linked statically into it"},
	{name: "busybox", source: "busybox", licence: "GPL-2.0-only", beside: true, what: "the shell of the container image; not in packages"},
}

func (l library) copyright(static string) string { return filepath.Join(static, "licences", l.source) }

// versionsOf parses the versions of the source packages, by name.
func versionsOf(static string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(static, "versions"))
	if err != nil {
		return nil, fmt.Errorf("-static must name the folder that packaging/static/build makes: %w", err)
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			versions[name] = version
		}
	}
	for _, l := range written {
		if versions[l.source] == "" {
			return nil, fmt.Errorf("%s: no version of %s", static, l.source)
		}
	}
	return versions, nil
}

// document is a CycloneDX bill of materials.
type document struct {
	Format   string `json:"bomFormat"`
	Spec     string `json:"specVersion"`
	Version  int    `json:"version"` // version of the document
	Metadata struct {
		Component part `json:"component"`
	} `json:"metadata"`
	Components   []part       `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

// part is a CycloneDX component.
type part struct {
	Type        string    `json:"type"`
	Ref         string    `json:"bom-ref"`
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Description string    `json:"description,omitempty"`
	Scope       string    `json:"scope,omitempty"` // required
	Licenses    []licence `json:"licenses,omitempty"`
	PURL        string    `json:"purl"`
}

type licence struct {
	License struct {
		ID string `json:"id"` // SPDX
	} `json:"license"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// bill prints the bill of materials of a version.
func bill(ctx context.Context, w io.Writer, static, version string) error {
	components, err := linked(ctx, "./cmd/jumpserver-video", static)
	if err != nil {
		return err
	}
	versions, err := versionsOf(static)
	if err != nil {
		return err
	}
	d := document{Format: "CycloneDX", Spec: "1.6", Version: 1}
	d.Metadata.Component = part{
		Type: "application", Ref: "jumpserver-video", Name: "jumpserver-video", Version: version, Licenses: licencesOf([]string{"Apache-2.0"}),
		PURL: "pkg:golang/github.com/jumpserver-video/jumpserver-video@" + escape(version),
	}
	var problems []error
	for _, c := range components {
		if slices.ContainsFunc(written, func(l library) bool { return l.name == c.name }) {
			continue // added below, with more fields
		}
		p := part{Type: "library", Name: c.name, Version: c.version, Scope: "required", PURL: "pkg:golang/" + c.name + "@" + escape(c.version)}
		if c.name == standardLibrary {
			p.Name, p.PURL = "stdlib", "pkg:golang/stdlib@"+strings.TrimPrefix(c.version, "go")
		}
		p.Licenses, err = kinds(c.files)
		problems = append(problems, err)
		d.Components = append(d.Components, p)
	}
	for _, l := range written {
		d.Components = append(d.Components, l.part(versions[l.source]))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	slices.SortFunc(d.Components, func(a, b part) int { return cmp.Compare(a.PURL, b.PURL) })
	own := dependency{Ref: d.Metadata.Component.Ref}
	for i, p := range d.Components {
		d.Components[i].Ref = p.PURL
		own.DependsOn = append(own.DependsOn, p.PURL)
	}
	d.Dependencies = []dependency{own}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

// part returns the component for a library, with the source package that it was
// built from. The package's version shows which vulnerabilities have been fixed.
func (l library) part(version string) part {
	p := part{
		Type: "library", Name: l.name, Version: version, Scope: "required", Description: l.what, Licenses: licencesOf([]string{l.licence}),
		PURL: fmt.Sprintf("pkg:deb/debian/%s@%s?arch=source&distro=debian-12", l.source, escape(version)),
	}
	if l.beside && l.name != "x264" && l.name != "mimalloc" {
		p.Type = "application"
	}
	return p
}

// kinds returns the licences in files, each once.
func kinds(files []string) ([]licence, error) {
	var found []string
	for _, file := range files {
		if isNotice(file) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		kind := classify(text)
		if kind == "" {
			return nil, fmt.Errorf("%s has no licence that the project accepts", file)
		}
		if !slices.Contains(found, kind) {
			found = append(found, kind)
		}
	}
	slices.Sort(found)
	return licencesOf(found), nil
}

func licencesOf(kinds []string) []licence {
	all := make([]licence, len(kinds))
	for i, kind := range kinds {
		all[i].License.ID = kind
	}
	return all
}

// escape escapes a version for a package URL.
func escape(version string) string {
	return strings.NewReplacer("%", "%25", "+", "%2B", "@", "%40", "?", "%3F", "#", "%23", "/", "%2F", " ", "%20").Replace(version)
}

// standardLibrary is the name of Go's own libraries in the notices.
const standardLibrary = "Go standard library"
