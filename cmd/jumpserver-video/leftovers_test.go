package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// TestLeftoversAreToldAndConvertedOnRequest: some recordings on the volume lack their index
// or a part, or are cut. `scan` and `tasks` list them. They wait for a day, and then fail as
// incomplete. On request they are converted as they are. A recording with an invalid
// instruction needs no request, because nothing more will come. All originals are kept
// despite ORIGINALS=delete.
func TestLeftoversAreToldAndConvertedOnRequest(t *testing.T) {
	t.Parallel()
	const (
		uploaded = "eeeeeeee-2222-4222-8222-222222222221"
		crashed  = "eeeeeeee-2222-4222-8222-222222222222"
		unsent   = "eeeeeeee-2222-4222-8222-222222222223"
		lacking  = "eeeeeeee-2222-4222-8222-222222222224"
		cut      = "eeeeeeee-2222-4222-8222-222222222225"
		damaged  = "eeeeeeee-2222-4222-8222-222222222226"
		waiting  = "eeeeeeee-2222-4222-8222-222222222227"
	)
	l := newFixture(t, "4.10.13")
	l.env["ORIGINALS"] = "delete"
	packed, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	plain := unzipped(t, packed)
	index := func(id string, parts ...string) []byte {
		return []byte(`{"id":"` + id + `","type":"guacamole","files":[{"name":"` + id + strings.Join(parts, `"},{"name":"`+id) + `"}]}`)
	}
	files := map[string]map[string][]byte{
		uploaded: {"S/S.0.part.gz": packed},
		crashed:  {"S/S.0.part": plain, "S/S.0.part.meta": []byte("{}"), "S/S.json": []byte("{}")},
		unsent:   {"S/upload/S.0.part.gz": packed, "S/upload/S.replay.json": index(unsent, ".0.part.gz")},
		lacking:  {"S/S.1.part.gz": packed, "S/S.replay.json": index(lacking, ".0.part.gz", ".1.part.gz")},
		cut:      {"S.replay.gz": packed[:len(packed)*2/3]},
		damaged:  {"S.guac": append(plain[:len(plain)*2/3:len(plain)*2/3], make([]byte, 4096)...)},
		waiting:  {"S/S.0.part.gz": packed},
	}
	old := time.Now().Add(-48 * time.Hour)
	for id, files := range files {
		l.session(id)
		for name, data := range files {
			path := filepath.Join(l.replay(), sessionDay, strings.ReplaceAll(name, "S", id))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if id == waiting {
				continue
			}
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	// On a slow machine, the one that waits may no longer be too new.
	if out, _ := l.command("scan"); !strings.Contains(out, "3 no index") && !strings.Contains(out, "4 no index") || !strings.Contains(out, "1 missing part") {
		t.Errorf("scan says\n%s", out)
	}
	l.startHealthy()
	tasks := func() map[string]task.View {
		out, _ := l.command("tasks", "--json")
		var views []task.View
		_ = json.Unmarshal([]byte(out), &views)
		byID := map[string]task.View{}
		for _, v := range views {
			byID[v.ID] = v
		}
		return byID
	}
	incomplete := []string{uploaded, crashed, unsent, lacking, cut}
	l.until("all are told", func() bool {
		now := tasks()
		for _, id := range incomplete {
			if now[id].State != queue.StateFailed || now[id].Reason != task.ClassIncomplete {
				return false
			}
		}
		return now[damaged].State == queue.StateDone && now[waiting].State == queue.StateSettling && now[waiting].Reason == task.ClassIncomplete
	})
	if v := tasks()[damaged]; v.Reason != task.ClassNotAllShown || !strings.Contains(strings.Join(v.Incomplete, ";"), "zero bytes") {
		t.Errorf("%+v", v)
	}
	if out, code := l.command(append([]string{"tasks", "retry", "--accept-incomplete"}, incomplete...)...); code != exitOK {
		t.Fatalf("%d: %s", code, out)
	}
	l.until("all have MP4s", func() bool {
		now := tasks()
		for _, id := range incomplete {
			if now[id].State != queue.StateDone {
				return false
			}
		}
		return true
	})
	for id, files := range files {
		if id == waiting {
			continue
		}
		v := tasks()[id]
		// The recording that Lion was about to send is complete once its task is accepted.
		want := task.ClassNotAllShown
		if id == unsent {
			want = ""
		}
		if v.Reason != want || (len(v.Incomplete) == 0) != (id == unsent) {
			t.Errorf("%+v", v)
		}
		if l.served(id) == "" {
			t.Errorf("%s has no MP4", id)
		}
		for name, data := range files {
			name = strings.ReplaceAll(name, "S", id)
			found, err := filepath.Glob(filepath.Join(l.replay(), cleanup.TrashName, "kept", "*", sessionDay, name))
			if strings.HasSuffix(name, ".meta") || strings.HasSuffix(name, id+".json") { // not read
				found, err = filepath.Glob(filepath.Join(l.replay(), sessionDay, name))
			}
			if id == unsent {
				if len(found) != 0 {
					t.Errorf("%s is kept, although the MP4 shows all of it", name)
				}
				continue
			}
			if err != nil || len(found) != 1 {
				t.Errorf("%s: %v, %v", name, found, err)
				continue
			}
			if have, err := os.ReadFile(found[0]); err != nil || string(have) != string(data) {
				t.Errorf("%s was changed: %v", name, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(l.replay(), sessionDay, unsent)); err == nil {
		t.Error("the empty folders of the recording that was not sent still exist")
	}
}
