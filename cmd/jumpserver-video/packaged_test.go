package main

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ours is the prefix of the paths of this module's packages.
const ours = "github.com/jumpserver-video/jumpserver-video/"

// linked returns the packages in a build; those of this module without [ours].
func linked(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps"}, args...)...)
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(strings.ReplaceAll(string(out), ours, ""))
	if len(packages) < 100 {
		t.Fatalf("only %d packages", len(packages))
	}
	return packages
}

// forTests reports whether a package is only for tests, according to its name or that of a
// folder above it. Two packages of the runtime are in every program.
func forTests(name string) bool {
	if name == "internal/synctest" || name == "internal/testlog" {
		return false
	}
	return slices.ContainsFunc(strings.Split(name, "/"), func(element string) bool {
		return strings.HasPrefix(element, "test") || strings.HasSuffix(element, "test")
	})
}

// TestPackagesHoldNothingForTests: the packaged program contains neither the development core
// nor Lions, nor other packages for tests.
func TestPackagesHoldNothingForTests(t *testing.T) {
	t.Parallel()
	for _, name := range linked(t, "-tags", "nodemo", "./cmd/jumpserver-video") {
		if name == "coreapi/devcore" || forTests(name) {
			t.Errorf("%s is in the packaged program", name)
		}
	}
	if !slices.Contains(linked(t, "./cmd/jumpserver-video"), "coreapi/devcore") {
		t.Error("the demo has no development core")
	}
	for _, name := range []string{"testing", "testing/iotest", "net/http/httptest", "coreapi/liontest", "coreapi/storage/storagetest", "github.com/rogpeppe/go-internal/testscript"} {
		if !forTests(name) {
			t.Errorf("%s is for tests", name)
		}
	}
}

// TestPackagesAreBuiltWithoutDemo: packages, archive and image contain the same build of the
// program, with the tag nodemo.
func TestPackagesAreBuiltWithoutDemo(t *testing.T) {
	t.Parallel()
	var builds []string
	for _, file := range []string{"build", "release", "stage", "Dockerfile", "image/rootfs", "image/archive"} {
		text, err := os.ReadFile(filepath.Join("../../packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		builds = append(builds, regexp.MustCompile(`go build(?:[^\n]*\\\n)*[^\n]*`).FindAllString(string(text), -1)...)
	}
	if len(builds) != 1 || !strings.Contains(builds[0], " -tags nodemo,static,") || !strings.Contains(builds[0], "./cmd/jumpserver-video") {
		t.Errorf("%q", builds)
	}
}

// TestThePackagedProgramKnowsNoDemo: demo is an unknown command, and help, manual and
// completion do not contain it.
func TestThePackagedProgramKnowsNoDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "jumpserver-video")
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "nodemo", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
			t.Fatalf("%v: %v, want exit code %d\n%s", args, err, code, out)
		}
		return string(out)
	}
	if out := run(exitUsage, "demo"); !strings.Contains(out, `unknown command "demo"`) {
		t.Errorf("demo: %s", out)
	}
	run(exitOK, "man", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("%v, %v", pages, err)
	}
	named := regexp.MustCompile(`\bdemo\b`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if named.Match(text) || named.MatchString(path.Base(page)) {
			t.Errorf("%s names the demo", page)
		}
	}
	for _, args := range [][]string{{"--help"}, {"__complete", ""}, {"completion", "bash"}} {
		if out := run(exitOK, args...); named.MatchString(out) || !strings.Contains(out, "doctor") && args[0] != "completion" {
			t.Errorf("%v: %s", args, out)
		}
	}
}

// TestWhoOnlyLooksDrawsNothing: the packages of the status page, the metrics and the task API
// depend on package task, but not on the renderer.
func TestWhoOnlyLooksDrawsNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"cmd/internal/statuspage", "cmd/internal/metrics", "transcode/taskapi"} {
		packages := linked(t, "./"+name)
		if !slices.Contains(packages, "transcode/task") {
			t.Errorf("%s does not depend on package task: %q", name, packages)
		}
		for _, heavy := range packages {
			if heavy == "transcode" || heavy == "transcode/render" || strings.HasPrefix(heavy+"/", "transcode/guac/") || strings.HasPrefix(heavy+"/", "transcode/video/") {
				t.Errorf("%s holds %s", name, heavy)
			}
		}
	}
}
