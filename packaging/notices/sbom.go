package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// library is one written in C.
type library struct {
	name   string // as in the notices, if it is in them
	config string // pkg-config's name, when that is another one
	debian string // the package that it is built with
	loaded bool   // at run time, where the host has it, instead of linked in
}

var libraries = []library{
	{name: "libwebp", debian: "libwebp-dev"},
	{name: "libdeflate", debian: "libdeflate-dev"},
	{name: "ISA-L", config: "libisal", debian: "libisal-dev", loaded: true},
}

// document is a CycloneDX bill of materials.
type document struct {
	Format   string `json:"bomFormat"`
	Spec     string `json:"specVersion"`
	Version  int    `json:"version"` // of the document
	Metadata struct {
		Component part `json:"component"`
	} `json:"metadata"`
	Components   []part       `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

// part is a CycloneDX component.
type part struct {
	Type        string     `json:"type"`
	Ref         string     `json:"bom-ref"`
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	Description string     `json:"description,omitempty"`
	Scope       string     `json:"scope,omitempty"` // required, or optional for what is loaded where it is there
	Licenses    []licence  `json:"licenses,omitempty"`
	PURL        string     `json:"purl"`
	Properties  []property `json:"properties,omitempty"`
}

type licence struct {
	License struct {
		ID string `json:"id"` // SPDX
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// bill prints the bill of materials of a version.
func bill(ctx context.Context, w io.Writer, version string) error {
	components, err := linked(ctx, "./cmd/jumpserver-video")
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
		if slices.ContainsFunc(libraries, func(l library) bool { return l.name == c.name }) {
			continue // below, with more to say
		}
		p := part{Type: "library", Name: c.name, Version: c.version, Scope: "required", PURL: "pkg:golang/" + c.name + "@" + escape(c.version)}
		if c.name == standardLibrary {
			p.Name, p.PURL = "stdlib", "pkg:golang/stdlib@"+strings.TrimPrefix(c.version, "go")
		}
		p.Licenses, err = kinds(c.files)
		problems = append(problems, err)
		d.Components = append(d.Components, p)
	}
	for _, l := range libraries {
		p, err := l.part(ctx)
		problems = append(problems, err)
		d.Components = append(d.Components, p)
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

// part describes a library by the Debian package that it comes from, whose
// version tells which vulnerabilities have been fixed in it; by pkg-config alone
// where there is no such package.
func (l library) part(ctx context.Context) (part, error) {
	p := part{Type: "library", Name: l.name, Scope: "required", Description: "linked statically into packages"}
	if l.loaded {
		p.Scope = "optional"
		p.Description = "loaded at run time where the host has it (libisal.so.2), in the host's version; this is the one that the program was built with"
	}
	upstream, err := output(ctx, "pkg-config", "--modversion", cmp.Or(l.config, l.name))
	if err != nil {
		return p, fmt.Errorf("%s: %w", l.name, err)
	}
	p.Version, p.PURL = upstream, "pkg:generic/"+cmp.Or(l.config, l.name)+"@"+escape(upstream)
	packaged, err := output(ctx, "dpkg-query", "-W", "-f", "${Version}\n${source:Package}\n${Architecture}", l.debian)
	if err != nil { // not Debian, or not of a package
		return p, nil //nolint:nilerr // what there is to say has been said
	}
	fields := strings.Split(packaged, "\n")
	if len(fields) != 3 {
		return p, fmt.Errorf("%s: dpkg-query says %q", l.debian, packaged)
	}
	id, release := distribution()
	p.Version = fields[0]
	p.PURL = fmt.Sprintf("pkg:deb/%s/%s@%s?arch=%s&distro=%s-%s&upstream=%s", id, l.debian, escape(fields[0]), fields[2], id, release, fields[1])
	p.Properties = []property{{"jumpserver-video:upstream-version", upstream}}
	p.Licenses, err = kinds([]string{filepath.Join("/usr/share/doc", l.debian, "copyright")})
	return p, err
}

// kinds names the licences in files, each once.
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
			return nil, fmt.Errorf("%s is of no licence that the project takes", file)
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

// distribution is this machine's, such as debian and 12.
func distribution() (id, release string) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "debian", ""
	}
	value := func(name string) string {
		for line := range strings.Lines(string(data)) {
			if v, ok := strings.CutPrefix(line, name+"="); ok {
				return strings.Trim(strings.TrimSpace(v), `"'`)
			}
		}
		return ""
	}
	return cmp.Or(value("ID"), "debian"), value("VERSION_ID")
}

// escape makes a version part of a package URL.
func escape(version string) string {
	return strings.NewReplacer("%", "%25", "+", "%2B", "@", "%40", "?", "%3F", "#", "%23", "/", "%2F", " ", "%20").Replace(version)
}

// output is what a command prints, without the space around it.
func output(ctx context.Context, name string, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(text)), nil
}

// standardLibrary is what the libraries of Go itself are called in the notices.
const standardLibrary = "Go standard library"
