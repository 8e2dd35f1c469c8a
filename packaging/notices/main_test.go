package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryLibraryHasALicenceThatWeTake(t *testing.T) {
	t.Chdir("../..")
	var out bytes.Buffer
	if err := run(t.Context(), &out, static(t)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/spf13/cobra v", "github.com/hashicorp/go-retryablehttp v", "MPL-2.0: LICENSE", "Go standard library", "libwebp 1.0-1", "libdeflate 1.0-1", "ISA-L 1.0-1", "musl 1.0-1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	for _, other := range []string{"chromedp", "ffmpeg 1.0-1"} {
		if strings.Contains(out.String(), other) {
			t.Errorf("names %s, which is not in the program", other)
		}
	}
}

// TestALibraryOfAnotherLicence is refused, and so is one without a licence.
func TestALibraryOfAnotherLicence(t *testing.T) {
	t.Chdir("../..")
	dir := static(t)
	for _, text := range []string{"GNU General Public License", ""} {
		if err := os.WriteFile(filepath.Join(dir, "licences", "libwebp"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), io.Discard, dir); err == nil || !strings.Contains(err.Error(), "libwebp") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := run(t.Context(), io.Discard, t.TempDir()); err == nil {
		t.Error("nothing was built")
	}
}

// static returns a folder like that of packaging/static/build, with empty content.
// make package runs this program with a real one.
func static(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "licences"), 0o700); err != nil {
		t.Fatal(err)
	}
	const mit = "Permission is hereby granted, free of charge, … The above copyright notice and this permission notice …"
	var versions strings.Builder
	for _, l := range written {
		fmt.Fprintf(&versions, "%s 1.0-1\n", l.source)
		if err := os.WriteFile(l.copyright(dir), []byte(mit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "versions"), []byte(versions.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLicencesThatWeDoNotTake(t *testing.T) {
	for text, want := range map[string]string{
		"GNU GENERAL PUBLIC LICENSE Version 3":      "",
		"GNU Lesser General\nPublic License":        "",
		"All rights reserved. Do not use.":          "",
		"":                                          "",
		"Apache License\nVersion 2.0, January 2004": "Apache-2.0",
		"Permission to use, copy, modify, and distribute this software for": "ISC",
	} {
		if got := classify([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
