package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac/guactest"
)

// TestHostileMP4sInPlaceDoNotStopTheAgent: an attacker who can write to the volume, or upload
// as a component, puts something else in the place of a session's MP4. The agent replaces a
// file. It leaves anything else to the administrator, and does not remove the original. It
// continues to run.
func TestHostileMP4sInPlaceDoNotStopTheAgent(t *testing.T) {
	t.Parallel()
	inPlace := []struct {
		put   func(path string) error
		state string
	}{
		{func(path string) error { return os.WriteFile(path, nestedMP4(60<<20), 0o644) }, "done"},
		{func(path string) error { // the largest allowed index, without content
			return errors.Join(os.WriteFile(path, append(binary.BigEndian.AppendUint32(nil, 64<<20), "moov"...), 0o644), os.Truncate(path, 64<<20))
		}, "done"},
		{func(path string) error { return syscall.Mkfifo(path, 0o644) }, "failed"},
		{func(path string) error { return os.Mkdir(path, 0o755) }, "failed"},
		{func(path string) error { return os.Symlink("/etc/passwd", path) }, "failed"},
	}
	l := newFixture(t, "4.10.13")
	id := func(i int) string { return fmt.Sprintf("eeeeeeee-1111-4111-8111-%012d", i) }
	mp4 := func(i int) string { return filepath.Join(l.replay(), sessionDay, id(i)+".replay.mp4") }
	for i, c := range inPlace {
		l.put(id(i))
		if err := c.put(mp4(i)); err != nil {
			t.Fatal(err)
		}
	}
	l.startHealthy()
	for i, c := range inPlace {
		var out string
		l.until(id(i)+" "+c.state, func() bool {
			out, _ = l.command("tasks", "show", id(i), "--json")
			return strings.Contains(out, `"state": "`+c.state+`"`)
		})
		st, err := os.Lstat(mp4(i))
		if err != nil {
			t.Fatal(err)
		}
		if c.state == "done" {
			if l.served(id(i)) != "mp4" || !st.Mode().IsRegular() || st.Size() >= 1<<20 {
				t.Errorf("%s: core serves %q; in place: %v, %d bytes", id(i), l.served(id(i)), st.Mode(), st.Size())
			}
			continue
		}
		if !strings.Contains(out, "shadowed") || !strings.Contains(out, "is no file but a link, a folder or a device") {
			t.Errorf("%s", out)
		}
		if st.Mode().IsRegular() {
			t.Errorf("%s: the object in place no longer exists", id(i))
		}
		if _, err := os.Stat(filepath.Join(l.replay(), sessionDay, id(i)+".replay.gz")); err != nil {
			t.Errorf("the original no longer exists: %v", err)
		}
	}
	if l.health() != http.StatusOK {
		t.Error("the agent is not healthy")
	}
	if code := l.stop(); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
}

// nestedMP4 returns an index whose boxes are nested as deeply as its size allows.
func nestedMP4(size int) []byte {
	var b bytes.Buffer
	add := func(kind string, size int) {
		_ = binary.Write(&b, binary.BigEndian, uint32(size))
		b.WriteString(kind)
	}
	add("mdat", 8)
	add("moov", size)
	add("trak", size-8)
	for left := size - 16; left >= 8; left -= 8 {
		add("mdia", left)
	}
	return b.Bytes()
}

// TestHostileRecordingsFailTheirTasks: the task of a recording that is too costly fails at
// once. The recording stays in its place, and others are converted.
func TestHostileRecordingsFailTheirTasks(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	const costly, other = "eeeeeeee-2222-4111-8111-111111111111", "eeeeeeee-3333-4111-8111-111111111111"
	l.put(costly)
	path := filepath.Join(l.replay(), sessionDay, costly+".replay.gz")
	hostile := compressed(t, guactest.Costly()["silence"]()+strings.Repeat("3.nop;", 2_000_000))
	if err := os.WriteFile(path, hostile, 0o644); err != nil {
		t.Fatal(err)
	}
	l.put(other)
	l.startHealthy()
	l.until("the other one", func() bool { return l.served(other) == "mp4" })
	var out string
	l.until("given up", func() bool {
		out, _ = l.command("tasks", "show", costly)
		return strings.Contains(out, "too_costly")
	})
	if !strings.Contains(out, "failed") || !strings.Contains(out, "Far more drawing than a session can need") {
		t.Errorf("%s", out)
	}
	if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, hostile) {
		t.Errorf("the original has changed: %v", err)
	}
}

// TestHostileIndexesNameNothing: the id in an index, whatever text it is, does not get into
// the MP4, and does not prevent the MP4.
func TestHostileIndexesNameNothing(t *testing.T) {
	const folder = "0b9d5f1e-6c1a-4f0e-8f3a-2d1c0b9a8e7f"
	part, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{
		"a newline":     "x\ny",
		"another mark":  "x; source=sha256:" + strings.Repeat("0", 64) + "; session=-y<script>",
		"a NUL":         "x\x00y",
		"200 kB":        strings.Repeat("x", 200_000),
		"an escape":     "\x1b]0;x\x07",
		"an option":     "-f",
		"another's":     "../../etc/passwd",
		"nearly a UUID": folder + " ",
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), folder)
			index, err := json.Marshal(map[string]any{"id": id, "files": []map[string]string{{"name": folder + ".0.part.gz"}}})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, folder+".replay.json"), index, 0o600),
				os.WriteFile(filepath.Join(dir, folder+".0.part.gz"), part, 0o600)); err != nil {
				t.Fatal(err)
			}
			mp4 := filepath.Join(t.TempDir(), "x.mp4")
			cmd := exec.Command("jumpserver-video", "convert", dir, "-o", mp4)
			cmd.Env = withoutSettings(os.Environ())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %.500s", err, out)
			}
			tags, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format_tags=title,comment", "-of", "json", mp4).Output()
			if err != nil {
				t.Fatal(err)
			}
			var said struct {
				Format struct{ Tags map[string]string }
			}
			if err := json.Unmarshal(tags, &said); err != nil {
				t.Fatal(err)
			}
			title, comment := said.Format.Tags["title"], said.Format.Tags["comment"]
			if title != folder || !strings.HasPrefix(comment, "session="+folder+"; ") || strings.Count(comment, "source=") != 1 {
				t.Errorf("%q, %q", title, comment)
			}
		})
	}
}
