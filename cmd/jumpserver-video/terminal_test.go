package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal/terminaltest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// evil sets a terminal's title, clears the terminal in two ways, and reverses text; its last
// byte is not valid UTF-8.
const evil = "\x1b]0;pwned\x07\x1b[2J\u009b2J\u202e\x7f\x9b"

// shown fails the test if a text controls terminals, or if it does not show evil in escaped
// form.
func shown(t *testing.T, what, text string) {
	t.Helper()
	if terminal.Text(text) != text {
		t.Errorf("%s controls terminals: %q", what, text)
	}
	if !strings.Contains(text, `\u001b]0;pwned\u0007`) {
		t.Errorf("%s does not show the escaped text: %q", what, text)
	}
}

// TestWhatOthersSayDoesNotActOnTheTerminal: core's errors cannot control terminals. They are
// in tables, with the log, as JSON, in the task's log file, and in messages to systemd.
func TestWhatOthersSayDoesNotActOnTheTerminal(t *testing.T) {
	t.Parallel()
	const session = "eeeeeeee-1111-4111-8111-111111111111"
	l := newFixture(t, "4.10.13")
	says, err := json.Marshal(map[string]string{"error": evil, "detail": evil})
	if err != nil {
		t.Fatal(err)
	}
	l.core.Fail(devcore.Fault{Method: http.MethodPost, Path: regexp.MustCompile("/replay/$"), Status: http.StatusBadRequest, Body: string(says)})
	l.put(session)
	l.start()
	l.until("failed", func() bool { out, _ := l.command("tasks", "--state", "failed"); return strings.Contains(out, session) })

	log := filepath.Join(l.dir, "data", "tasks", session, "task.log")
	text, err := os.ReadFile(log)
	if err != nil || terminal.Text(string(text)) != string(text) {
		t.Errorf("the task's log, %v: %q", err, text)
	}
	if err := os.WriteFile(log, append(text, evil+"\n"...), 0o640); err != nil { // as an earlier release wrote it
		t.Fatal(err)
	}
	for _, args := range [][]string{{"tasks"}, {"tasks", "--json"}, {"tasks", "show", session}, {"tasks", "show", session, "--json"}} {
		out, code := l.command(args...)
		if code != 0 {
			t.Errorf("%v: %d", args, code)
		}
		if len(args) == 1 { // the table shows only a part of it
			if terminal.Text(out) != out {
				t.Errorf("the table controls terminals: %q", out)
			}
			continue
		}
		shown(t, strings.Join(args, " "), out)
	}
	out, _ := l.command("tasks", "show", session, "--json")
	var v task.View
	if err := json.Unmarshal([]byte(out), &v); err != nil || !strings.Contains(v.Error, strings.ToValidUTF8(evil, "\ufffd")) {
		t.Errorf("the meaning of the JSON has changed: %v, %q", err, v.Error)
	}
	if out := l.agent.Log(); terminal.Text(out) != out {
		t.Errorf("the agent's log: %q", out)
	}
}

// TestNamesDoNotActOnTheTerminal: names of files, folders and arguments cannot control
// terminals. With line breaks they could look like lines of the program.
func TestNamesDoNotActOnTheTerminal(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	dir := t.TempDir()
	name := filepath.Join(dir, evil+"\nhint: all is well")
	good, bad := name+".replay.gz", name+".guac"
	recording, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	replay := filepath.Join(dir, "replay"+evil)
	if err := os.MkdirAll(filepath.Join(replay, "2026-11-22"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{
		good: recording, bad: []byte("no recording"), filepath.Join(replay, "2026-11-22", evil+".replay.gz"): recording,
	} {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"convert", "--dry-run", good}, {"convert", "--dry-run", "--json", good}, {"convert", good}, {"convert", good}, {"convert", "--force", "--json", good},
		{"convert", bad}, {"convert", bad, bad + "x"}, {"convert", "--json", bad}, {"convert", filepath.Join(dir, evil)}, {"convert", good, "--ffmpeg", evil},
		{"convert", good, bad, "-o", evil}, {"convert", good, "-o", name + "/" + evil + "/"},
		{"tasks", "--state", evil}, {"tasks", "show", evil}, {"tasks", "retry", evil}, {"scan", "--since", evil}, {evil}, {"--" + evil}, {"doctor", evil},
		{"tasks", "--config", evil},
	} {
		out, _ := l.command(args...)
		if args[0] == "tasks" && args[1] == "show" || slices.Contains(args, "--state") || slices.Contains(args, "--since") || args[0] == evil || args[0][0] == '-' || args[0] == "doctor" {
			if terminal.Text(out) != out { // already quoted
				t.Errorf("%q: %q", args, out)
			}
			continue
		}
		shown(t, strings.Join(args, " "), out)
		for line := range strings.Lines(out) {
			if strings.HasPrefix(line, "hint: all is well") {
				t.Errorf("%q: a name looks like a line of the program: %q", args, out)
			}
		}
	}
	l.env["REPLAY_DIR"] = replay
	for _, args := range [][]string{{"scan"}, {"scan", "--json"}, {"doctor"}, {"doctor", "--json"}} {
		out, _ := l.command(args...)
		shown(t, args[0], out)
	}
}

// TestOurOwnSequencesReachTheTerminal: the program writes the sequences that move bars and
// those of the doctor's colours, and no others.
func TestOurOwnSequencesReachTheTerminal(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	l.env["NO_COLOR"] = ""
	recording, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), evil+".replay.gz")
	if err := os.WriteFile(name, recording, 0o644); err != nil {
		t.Fatal(err)
	}
	l.env["REPLAY_DIR"] = filepath.Join(l.dir, evil)
	for _, args := range [][]string{{"convert", name}, {"doctor"}} {
		read, out := terminaltest.Open(t)
		cmd := l.agent.Command(args...)
		cmd.Stdout, cmd.Stderr = out, out
		_ = cmd.Run() // the doctor finds problems
		all := read()
		ours := regexp.MustCompile("\x1b\\[([0-9;]*m|[0-9]*[AJ]|\\?25[hl])|\r")
		if len(ours.FindAllString(strings.ReplaceAll(all, "\r\n", "\n"), -1)) < 3 {
			t.Errorf("%v: no bars and no colours: %q", args, all)
		}
		shown(t, args[0], ours.ReplaceAllString(all, ""))
		if strings.Contains(all, "\x1b[2J") {
			t.Errorf("%v: the terminal was cleared: %q", args, all)
		}
	}
}

// TestNothingIsPrintedPastTheTerminal: the process's outputs are used only once, where they are
// wrapped. Each use of the unwrapped output has a reason.
func TestNothingIsPrintedPastTheTerminal(t *testing.T) {
	allowed := map[string][]string{
		"os.Stdout": {"main.go"}, "os.Stderr": {"main.go"},
		"terminal.Raw": {"bars.go", "demo.go", "doctor.go", "convert_outputs.go"}, // the last one writes MP4s, never to a terminal
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				of, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				what := of.Name + "." + n.Sel.Name
				where, special := allowed[what]
				if special && !slices.Contains(where, name) || of.Name == "fmt" && strings.HasPrefix(n.Sel.Name, "Print") {
					t.Errorf("%s uses %s", name, what)
				}
				if special {
					found++
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s calls %s", name, f.Name)
				}
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("only %d uses are found", found)
	}
}
