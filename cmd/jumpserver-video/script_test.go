package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jumpserver-video": main})
}

// TestScripts runs the command lines in testdata/script.
func TestScripts(t *testing.T) {
	recordings, err := filepath.Abs("../../testdata/recordings")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("RECORDINGS", recordings)
			for _, kv := range withoutSettings(os.Environ()) { // proxies and the like are of no use here
				if len(kv) > 5 && kv[:5] == "PATH=" {
					env.Vars = append(env.Vars, kv)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"gzip": gzipFile, "exit": exitCodeIs, "cut": cutFile},
	})
}

// gzipFile compresses IN to OUT.
func gzipFile(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte(data))
	ts.Check(err)
	ts.Check(z.Close())
	ts.Check(f.Close())
}

// cutFile copies the first half of IN to OUT.
func cutFile(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(data[:len(data)/2]), 0o644))
}

// exitCodeIs runs a command and compares its exit code: exit CODE COMMAND...
func exitCodeIs(ts *testscript.TestScript, _ bool, args []string) {
	want := args[0]
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		got = err.Error()
		if want != "0" && got == "exit status "+want {
			return
		}
	}
	if got != want {
		ts.Fatalf("exit code: %s, want %s", got, want)
	}
}
