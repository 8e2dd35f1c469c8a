package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestEveryLibraryHasALicenceThatWeTake(t *testing.T) {
	t.Chdir("../..")
	for _, file := range []string{libwebp, libdeflate} {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("%s is not here: libwebp-dev and libdeflate-dev are not installed", file)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/spf13/cobra v", "github.com/hashicorp/go-retryablehttp v", "MPL-2.0: LICENSE", "Go standard library", "libwebp", "libdeflate"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(out.String(), "chromedp") {
		t.Error("names a library of the tests")
	}
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
