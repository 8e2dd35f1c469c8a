// Command notices prints the licences of everything that is linked into the
// packaged jumpserver-video. It fails if one is missing, or is not of an accepted
// kind: a permissive licence, or the Mozilla Public License, which demands nothing
// from those who use its files unchanged.
//
// With -sbom it prints a software bill of materials of the same libraries, and of
// the programs that are shipped with it, in CycloneDX's JSON. It is for
// vulnerability scanners: they find the Go modules in the program themselves, but
// not libraries in C. The same commit on the same machine always gives the same
// bytes.
//
// Libraries in C are listed in the folder -static, which packaging/static/build
// creates: in the file versions and the folder licences.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// component is a library with its licence.
type component struct {
	name, version string
	files         []string // licence texts and notices
}

func main() {
	sbom := flag.Bool("sbom", false, "print a software bill of materials instead (CycloneDX, JSON)")
	version := flag.String("version", "dev", "of jumpserver-video, for the bill of materials")
	static := flag.String("static", "", "the folder that packaging/static/build has made")
	flag.Parse()
	tell := run
	if *sbom {
		tell = func(ctx context.Context, w io.Writer, static string) error { return bill(ctx, w, static, *version) }
	}
	if err := tell(context.Background(), os.Stdout, *static); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, static string) error {
	components, err := linked(ctx, "./cmd/jumpserver-video", static)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Libraries in jumpserver-video and their licences.\n")
	var problems []error
	for _, c := range components {
		if len(c.files) == 0 {
			problems = append(problems, fmt.Errorf("%s: no licence found", c.name))
		}
		fmt.Fprintf(w, "\n%s\n%s %s\n", strings.Repeat("=", 80), c.name, c.version)
		for _, file := range c.files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			kind := "notice"
			if !isNotice(file) {
				if kind = classify(text); kind == "" {
					problems = append(problems, fmt.Errorf("%s: %s has no licence that the project accepts", c.name, file))
				}
			}
			fmt.Fprintf(w, "%s: %s\n\n%s\n", kind, filepath.Base(file), bytes.TrimSpace(text))
		}
	}
	return errors.Join(problems...)
}

// tags are the build tags of packages: see packaging/stage.
const tags = "nodemo,static,netgo,osusergo"

// linked returns the modules of a program's packages by name, and the linked
// libraries.
func linked(ctx context.Context, program, static string) ([]component, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-tags", tags, "-deps", "-json=ImportPath,Dir,Module", program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	found := map[string]*component{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct {
			Dir    string
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Module == nil || p.Module.Main {
			continue
		}
		c := found[p.Module.Path]
		if c == nil {
			c = &component{name: p.Module.Path, version: p.Module.Version}
			found[p.Module.Path] = c
		}
		// A package may have a licence of its own, in a folder below its module.
		for dir := p.Dir; ; dir = filepath.Dir(dir) {
			for _, file := range licences(dir) {
				if !slices.Contains(c.files, file) {
					c.files = append(c.files, file)
				}
			}
			if dir == p.Module.Dir || len(dir) < len(p.Module.Dir) {
				break
			}
		}
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	all := []component{
		{name: standardLibrary, version: runtime.Version(), files: licences(strings.TrimSpace(string(root)))},
	}
	versions, err := versionsOf(static)
	if err != nil {
		return nil, err
	}
	for _, l := range written {
		if !l.beside {
			all = append(all, component{name: l.name, version: versions[l.source], files: []string{l.copyright(static)}})
		}
	}
	for _, c := range found {
		slices.Sort(c.files)
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b component) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}

var licenceName = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice|patents)([-._].*)?$`)

func licences(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && licenceName.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files
}

func isNotice(file string) bool {
	name := strings.ToLower(filepath.Base(file))
	return strings.HasPrefix(name, "notice") || strings.HasPrefix(name, "patents")
}

// classify returns the name of a text's licence; "" if the project does not accept
// it.
func classify(text []byte) string {
	s := strings.Join(strings.Fields(strings.ToLower(string(text))), " ")
	has := func(phrases ...string) bool {
		return !slices.ContainsFunc(phrases, func(p string) bool { return !strings.Contains(s, p) })
	}
	switch {
	case has("mozilla public license", "2.0"):
		return "MPL-2.0"
	case has("gnu general public license"), has("gnu lesser general public license"), has("gnu affero general public license"):
		return ""
	case has("apache license", "version 2.0"):
		return "Apache-2.0"
	case has("redistribution and use in source and binary forms", "neither the name"):
		return "BSD-3-Clause"
	case has("redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("permission is hereby granted, free of charge", "the above copyright notice and this permission notice"):
		return "MIT"
	case has("permission to use, copy, modify, and/or distribute this software"),
		has("permission to use, copy, modify, and distribute this software"):
		return "ISC"
	case has("this is free and unencumbered software released into the public domain"):
		return "Unlicense"
	default:
		return ""
	}
}
