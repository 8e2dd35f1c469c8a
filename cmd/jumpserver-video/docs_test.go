package main

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
)

// block is a marked shell script in the documentation:
//
//	<!-- test -->          runs while an agent runs
//	<!-- test stopped -->  runs after the agent has stopped
var block = regexp.MustCompile("(?s)<!-- test( stopped)? -->\n```sh\n(.*?)```")

// TestCommandsOfTheDocs runs the marked commands of README and docs, with an agent that has
// converted a session, as a reader would.
func TestCommandsOfTheDocs(t *testing.T) {
	if testing.Short() {
		t.Skip("the commands have tests of their own")
	}
	t.Parallel()
	l := newFixture(t, "4.10.13")
	if _, err := plant("../../testdata/recordings", l.replay(), l.core); err != nil {
		t.Fatal(err)
	}
	const session = "aec03eff-9413-4017-b690-a75929062ab6" // one of the planted recordings, a flat file
	source, err := filepath.Glob("../../testdata/recordings/tiny_jpeg/v3/*/*.replay.gz")
	if err != nil || len(source) != 1 {
		t.Fatalf("%v, %v", source, err)
	}
	recording, err := os.ReadFile(source[0])
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	l.until("converted", func() bool { return l.served(session) == "mp4" })
	l.until("healthy", func() bool { return l.health() == http.StatusOK })
	l.until("done", func() bool { out, _ := l.command("tasks", "show", session); return strings.Contains(out, "done") })

	files := []string{"../../README.md"}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, stopped := range []bool{false, true} {
		if stopped {
			l.stop()
		}
		for _, file := range append(files, docs...) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				if (m[1] != "") != stopped {
					continue
				}
				ran++
				l.shell(file, strings.ReplaceAll(m[2], "127.0.0.1:9000", l.agent.Addr()), session, recording)
			}
		}
	}
	if ran < 10 {
		t.Errorf("ran only %d scripts", ran)
	}
}

// shell runs a script in a new folder.
func (l *fixture) shell(file, script, session string, recording []byte) {
	t := l.t
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "recordings"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"session.replay.gz", "recordings/one.replay.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), recording, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, append(l.agent.Environ(), "SESSION="+session)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", file, err, script, out)
	}
}

// TestOriginalsArePutBack runs the script for the trash in docs/uninstall.md. Each original
// returns to its place unless that is taken, also if the trash has added a number to its
// name. Recordings are not mixed.
func TestOriginalsArePutBack(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/uninstall.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := block.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d pieces of shell", len(blocks))
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	put := func(file, content string) {
		t.Helper()
		if err := errors.Join(root.MkdirAll(filepath.Dir(file), 0o750), root.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	trash := cleanup.Trash{Root: root.Name(), Now: func() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }}
	retire := func(rel, want string) string {
		t.Helper()
		to, err := trash.Retire(rel)
		place := cleanup.TrashName + "/2026-11-28/" + want
		if trash.Kept {
			place = cleanup.TrashName + "/kept/2026-11-28/" + rel
		}
		if err != nil || to != place {
			t.Fatalf("%s, %v, want %s", to, err, place)
		}
		return to
	}
	const day = "2026-11-22/"
	put(day+"twice.replay.gz", "first")
	retire(day+"twice.replay.gz", day+"twice.replay.gz")
	put(day+"twice.replay.gz", "second")
	retire(day+"twice.replay.gz", day+"twice.replay.gz~2")

	put(day+"again.replay.gz", "first")
	first := retire(day+"again.replay.gz", day+"again.replay.gz")
	put(day+"again.replay.gz", "second")
	retire(day+"again.replay.gz", day+"again.replay.gz~2")
	if err := errors.Join(trash.Restore(first), root.Remove(day+"again.replay.gz")); err != nil {
		t.Fatal(err)
	}

	put(day+"parts/parts.0.part.gz", "first")
	retire(day+"parts", day+"parts")
	put(day+"parts/parts.0.part.gz", "second")
	put(day+"parts/parts.1.part.gz", "second")
	retire(day+"parts", day+"parts~2")

	put(day+"taken.replay.gz", "old")
	retire(day+"taken.replay.gz", day+"taken.replay.gz")
	put(day+"taken.replay.gz", "new")

	trash.Kept = true // the part of the trash that does not expire
	put(day+"doubt.replay.gz", "all of it")
	retire(day+"doubt.replay.gz", "")
	put(day+"doubt/doubt.0.part.gz", "a part")
	retire(day+"doubt", "")

	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", blocks[0][2])
	cmd.Env = append(os.Environ(), "REPLAY_DIR="+root.Name(), "SESSION=twice")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	got := map[string]string{}
	err = fs.WalkDir(root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := root.ReadFile(file)
		got[file] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := cleanup.TrashName + "/2026-11-28/" + day
	want := map[string]string{
		day + "twice.replay.gz": "first", kept + "twice.replay.gz~2": "second",
		day + "again.replay.gz":       "second",
		day + "parts/parts.0.part.gz": "first", kept + "parts~2/parts.0.part.gz": "second", kept + "parts~2/parts.1.part.gz": "second",
		day + "doubt.replay.gz": "all of it", day + "doubt/doubt.0.part.gz": "a part",
		day + "taken.replay.gz": "new", kept + "taken.replay.gz": "old",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestLinksOfTheDocs: files to which the documentation links exist.
func TestLinksOfTheDocs(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"../../docs/*/*.md", "../../README*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestArchitectureNamesEveryPackage: the document names each folder with Go code; it may name
// those of storages and of packaging together.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for _, top := range []string{"cmd", "watcher", "transcode", "coreapi", "cleanup", "packaging"} {
		err := filepath.WalkDir("../../"+top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if code, err := filepath.Glob(filepath.Join(path, "*.go")); err != nil || len(code) == 0 {
				return err
			}
			packages++
			name := strings.TrimPrefix(path, "../../")
			together := strings.HasPrefix(name, "coreapi/storage/") || strings.HasPrefix(name, "packaging/")
			if !together && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("docs/ARCHITECTURE.md does not name %s", name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if packages < 30 {
		t.Errorf("%d packages only", packages)
	}
}

// TestTranslationsAreInStep: the README's translations have the same sections, tables and
// links, and the same commands except for comments.
func TestTranslationsAreInStep(t *testing.T) {
	read := func(name string) outline {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return outlineOf(string(text))
	}
	english := read("README.md")
	if english.sections < 8 || len(english.commands) < 15 || len(english.links) < 20 {
		t.Fatalf("%+v", english)
	}
	for _, name := range []string{"README.zh-CN.md", "README.ru.md"} {
		if d := cmp.Diff(english, read(name), cmp.AllowUnexported(outline{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// outline is what a document and its translation have in common.
type outline struct {
	sections, rows  int
	commands, links []string
}

func outlineOf(text string) (o outline) {
	fenced := false
	for line := range strings.Lines(text) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "  #")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			o.commands = append(o.commands, strings.TrimSpace(command))
		case strings.HasPrefix(line, "## "):
			o.sections++
		case strings.HasPrefix(line, "|"):
			o.rows++
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[1], "README") { // a link to another language
			o.links = append(o.links, regexp.MustCompile(`(^docs/|status-page)(?:zh-CN/|ru/|-zh-CN|-ru)`).ReplaceAllString(m[1], "$1")) // without the language, if the target is translated
		}
	}
	slices.Sort(o.links)
	return o
}
