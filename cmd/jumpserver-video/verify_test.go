package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// TestVerify runs the command lines in testdata/verify.
func TestVerify(t *testing.T) {
	recordings, err := filepath.Abs("../../testdata/recordings")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/verify",
		Setup: func(env *testscript.Env) error {
			env.Setenv("RECORDINGS", recordings)
			env.Setenv("REPLAY_DIR", filepath.Join(env.WorkDir, "replay"))
			env.Setenv("DATA_DIR", filepath.Join(env.WorkDir, "data"))
			for _, kv := range withoutSettings(os.Environ()) {
				if strings.HasPrefix(kv, "PATH=") {
					env.Vars = append(env.Vars, kv)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exitCodeIs, "note": noteInLedger, "head": headOfLedger, "replace": replaceInFile},
	})
}

// noteInLedger adds an entry like an agent:
//
//	note DATA_DIR replaced MP4 SOURCE    the MP4 at D/S.replay.mp4, made from SOURCE
//	note DATA_DIR aside MP4              it was moved to the trash
//	note DATA_DIR deleted PATH           a path in the trash
func noteInLedger(ts *testscript.TestScript, _ bool, args []string) {
	dir, what, file := ts.MkAbs(args[0]), args[1], args[2]
	l, err := ledger.Open(dir, filepath.Base(dir)+":9000", slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer l.Close()
	if what == "deleted" {
		ts.Check(l.Append(ledger.Deleted(file)))
		return
	}
	name, date := path.Base(file), path.Base(path.Dir(file))
	sum, err := hashRegular(context.Background(), ts.MkAbs(file))
	ts.Check(err)
	pictures, err := ledger.Pictures(context.Background(), "ffmpeg", ts.MkAbs(file))
	ts.Check(err)
	e := ledger.Entry{
		Kind: ledger.KindReplaced, Session: strings.TrimSuffix(name, mp4Suffix), Date: date, Place: "server", Compared: ledger.ComparedDrawn,
		MP4: &ledger.MP4{Path: date + "/" + name, SHA256: sum, Size: 2_300_000, Pictures: pictures, Frames: 2210, DurationMS: 273_000},
	}
	if what == "aside" {
		e.Kind, e.Originals = ledger.KindMovedAside, []string{".jumpserver-video-trash/2026-11-24/" + date + "/" + name}
	} else {
		source, err := hashRegular(context.Background(), ts.MkAbs(args[3]))
		ts.Check(err)
		flat := date + "/" + e.Session + ".replay.gz"
		e.Source = &ledger.Source{SHA256: source, Path: flat, Size: 26_000_000}
		e.Original, e.Originals = ledger.FateTrash, []string{".jumpserver-video-trash/2026-11-23/" + flat}
		e.Warnings = []string{"a warning with \x1b]0;an escape\x07 in it"}
	}
	ts.Check(l.Append(e))
}

// headOfLedger sets HEAD to the hash of the last entry: head DATA_DIR
func headOfLedger(ts *testscript.TestScript, _ bool, args []string) {
	l, err := ledger.Open(ts.MkAbs(args[0]), "a", slog.New(slog.DiscardHandler))
	ts.Check(err)
	defer l.Close()
	_, hash := l.Head()
	ts.Setenv("HEAD", hash)
}

// replaceInFile replaces all matches: replace REGEXP TEXT FILE
func replaceInFile(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[2])
	was, err := os.ReadFile(file)
	ts.Check(err)
	is := regexp.MustCompile(args[0]).ReplaceAll(was, []byte(args[1]))
	if string(is) == string(was) {
		ts.Fatalf("nothing matches %q", args[0])
	}
	ts.Check(os.WriteFile(file, is, 0o644))
}

// TestOneVerdictOfSeveral: the worst result decides the exit code.
func TestOneVerdictOfSeveral(t *testing.T) {
	good := []*book{{}}
	broken := []*book{{}, {Faults: []ledger.Fault{{Line: 1, What: "x"}}}}
	for _, tc := range []struct {
		books  []*book
		status []verifyStatus
		want   int
	}{
		{good, nil, exitOK},
		{good, []verifyStatus{statusUntouched, statusUntouched}, exitOK},
		{good, []verifyStatus{statusUntouched, statusUnread}, exitFiles},
		{good, []verifyStatus{statusUnread, statusNotInLedger}, exitNotInLedger},
		{broken, []verifyStatus{statusUntouched}, exitLedger},
		{broken, []verifyStatus{statusNotInLedger}, exitLedger},
		{broken, []verifyStatus{statusUntouched, statusChanged}, exitChanged},
		{good, []verifyStatus{statusMissing}, exitChanged},
		{good, []verifyStatus{statusOlder}, exitChanged},
		{good, []verifyStatus{statusOtherOne, statusNotInLedger}, exitChanged},
	} {
		var all []finding
		for _, s := range tc.status {
			all = append(all, finding{Status: s})
		}
		if got := exitCode(outcome(tc.books, all)); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.status, got, tc.want)
		}
	}
}

// BenchmarkVerify verifies one file, and a whole day, with a ledger of 100,000 entries.
func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "2024-04-23", fmt.Sprintf("%08x-6c1a-4f0e-8f3a-2d1c0b9a8e7f", 77_777)+mp4Suffix)
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o750), os.WriteFile(file, []byte("an MP4"), 0o600)); err != nil {
		b.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	l, err := ledger.Open(data, "a", slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sum, err := hashRegular(b.Context(), file)
	if err != nil {
		b.Fatal(err)
	}
	for n := range 100_000 {
		e := ledger.Entry{
			Kind: ledger.KindReplaced, Session: fmt.Sprintf("%08x-6c1a-4f0e-8f3a-2d1c0b9a8e7f", n), Date: fmt.Sprintf("2024-04-%02d", n%30+1),
			Place: "server", Compared: ledger.ComparedDrawn, MP4: &ledger.MP4{SHA256: fmt.Sprintf("%064x", n)}, Source: &ledger.Source{SHA256: fmt.Sprintf("%064x", n)},
		}
		if n == 77_777 {
			e.MP4.SHA256 = sum
		}
		if err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
	for _, target := range []string{file, filepath.Dir(file)} {
		b.Run(filepath.Base(target)[:8], func(b *testing.B) {
			for b.Loop() {
				var out strings.Builder
				newApp(&out, io.Discard).run(b.Context(), []string{"verify", "--json", "--ledger", data, target})
				var v verified
				if err := json.Unmarshal([]byte(out.String()), &v); err != nil || len(v.MP4s) == 0 || v.MP4s[0].Status != statusUntouched {
					b.Fatal(err, out.String()[:200])
				}
			}
		})
	}
}

// TestACopyOfTheRecordingIsKnownByItsHash runs the commands in docs/verify.md.
func TestACopyOfTheRecordingIsKnownByItsHash(t *testing.T) {
	doc, err := os.ReadFile("../../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	const dir = "../../testdata/recordings/"
	for line, path := range map[string]string{
		"    for part in S.replay.gz;":           dir + "tiny/v3/2026-11-22/1e39f45f-465b-4dd5-937d-5b4e2891d143.replay.gz",
		"    for part in $(ls -v S.*.part.gz); ": dir + "multipart/v4/2026-11-22/3d2d98f7-857a-403b-b666-b45e9c48f9ae",
	} {
		_, command, found := strings.Cut(string(doc), "\n"+line)
		command, _, _ = strings.Cut(command, "\n")
		if !found {
			t.Errorf("docs/verify.md does not say %q", line)
		}
		rec, err := recording.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := render.Scan(t.Context(), rec, render.ScanOptions{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(line, "S.", "*.")+command)
		if cmd.Dir = path; strings.HasSuffix(path, ".gz") {
			cmd.Dir = filepath.Dir(path)
		}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), plan.Source) {
			t.Errorf("%v: %s, want %s", err, out, plan.Source)
		}
	}
}

// TestBucketVerify: MP4s in a bucket are read from there.
func TestBucketVerify(t *testing.T) {
	t.Parallel()
	b := newBucketFixture(t, storagetest.S3(t), "4.10.13")
	b.startHealthy()
	b.stop()
	var scanned []surveyed
	if out, _ := b.command("scan", "--json"); json.Unmarshal([]byte(out), &scanned) != nil || len(scanned) != 2 {
		t.Fatal(out)
	}
	data := t.TempDir() // not the agent's folder
	l, err := ledger.Open(data, "a", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	sessions := map[string]verifyStatus{
		"aaaaaaaa-1111-4111-8111-111111111111": statusUntouched, "bbbbbbbb-1111-4111-8111-111111111111": statusChanged,
		"cccccccc-1111-4111-8111-111111111111": statusMissing, "dddddddd-1111-4111-8111-111111111111": statusUnread,
	}
	for session, want := range sessions {
		key, place, content := "2024-04-22/"+session+mp4Suffix, scanned[1].Storage, "the MP4 of "+session
		sum, err := hashAll(t.Context(), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		switch want {
		case statusUnread:
			place = "another bucket"
		case statusChanged:
			content += ", changed"
		}
		if want != statusMissing {
			if _, err := b.client.PutObject(t.Context(), b.bucket, key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Append(ledger.Entry{
			Kind: ledger.KindReplaced, Session: session, Date: "2024-04-22", Place: place, Compared: ledger.ComparedDrawn,
			MP4: &ledger.MP4{Path: key, SHA256: sum}, Source: &ledger.Source{SHA256: sum},
		}); err != nil {
			t.Fatal(err)
		}
	}
	out, code := b.command("verify", "--ledger", data, "--json", "2024-04-22")
	_, text, _ := strings.Cut(out, "{\n")
	var v verified
	if err := json.NewDecoder(strings.NewReader("{\n" + text)).Decode(&v); err != nil || code != exitChanged || len(v.MP4s) != len(sessions) {
		t.Fatalf("%v, %d: %s", err, code, out)
	}
	for _, f := range v.MP4s {
		if f.Status != sessions[f.Session] {
			t.Errorf("%+v, want %s", f, sessions[f.Session])
		}
	}
}
