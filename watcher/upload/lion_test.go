package upload

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// TestAnEmptyPartAmongOthersIsTaken: Lion lists an empty part if guacd hangs when
// the part begins. It is stored like the others, for users who play the recording
// itself.
func TestAnEmptyPartAmongOthersIsTaken(t *testing.T) {
	var hollow bytes.Buffer
	if err := gzip.NewWriter(&hollow).Close(); err != nil {
		t.Fatal(err)
	}
	for name, empty := range map[string][]byte{"compressed": hollow.Bytes(), "not even that": {}} {
		for at := range 3 {
			w := newWorker(t)
			names, parts := lexicographic(3)
			parts[names[at]] = empty
			task := w.task(t, names, parts)
			for i, name := range names {
				if status, answer := w.part(t, "lion", task, i, name, parts[name]); status != http.StatusOK {
					t.Fatal(name, at, i, status, answer)
				}
			}
			if len(w.accepted) != 1 {
				t.Fatalf("accepted: %+v", w.accepted)
			}
			rec, err := recording.Open(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(w.accepted[0])))
			if err != nil || len(rec.Parts) != 2 || len(rec.Index.Files) != 3 {
				t.Errorf("%s %d: %+v, %v", name, at, rec, err)
			}
			if data, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, task, names[at])); err != nil || !bytes.Equal(data, empty) {
				t.Errorf("%q, %v", data, err)
			}
		}
		for n := range 3 { // all are empty: the last is refused
			w := newWorker(t)
			names, parts := lexicographic(n + 1)
			for _, name := range names {
				parts[name] = empty
			}
			task := w.task(t, names, parts)
			for i, name := range names {
				want := http.StatusOK
				if i == n {
					want = http.StatusUnsupportedMediaType
				}
				if status, answer := w.part(t, "lion", task, i, name, parts[name]); status != want || want != http.StatusOK && !strings.Contains(fmt.Sprint(answer["error"]), "parts of the recording are empty") {
					t.Error(name, n, i, status, answer)
				}
			}
			w.empty(t)
		}
	}
}

func TestLion4UploadsPartByPart(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(12)
	status, answer := w.announce(t, "lion", names, parts)
	task, _ := answer["id"].(string)
	if status != http.StatusOK || task == "" {
		t.Fatal(status, answer)
	}
	for i, name := range names {
		if status, answer := w.part(t, "lion", task, i, name, parts[name]); status != http.StatusOK || answer["ok"] != true {
			t.Fatal(i, status, answer)
		}
	}
	if len(w.accepted) != 1 || !w.accepted[0].Complete {
		t.Fatalf("accepted: %+v", w.accepted)
	}
	rec, err := recording.Open(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(w.accepted[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Parts) != 12 || rec.Session != session || !strings.HasSuffix(rec.Parts[11].Name, ".11.part.gz") {
		t.Errorf("%+v", rec)
	}
	for _, p := range rec.Parts {
		data, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, task, filepath.Base(p.Name)))
		if err != nil || !bytes.Equal(data, parts[filepath.Base(p.Name)]) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	// The last response was lost: the client retries, and nothing changes.
	last := len(names) - 1
	if status, answer := w.part(t, "lion", task, last, names[last], parts[names[last]]); status != http.StatusOK || answer["ok"] != true {
		t.Error(status, answer)
	}
	if len(w.accepted) != 1 {
		t.Error("accepted twice")
	}
	if left, err := w.api.Spool.Complete(); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
	if w.checks != 1 {
		t.Errorf("core was asked %d times", w.checks)
	}
}

func TestPartsInAnyOrderAndTwice(t *testing.T) {
	w := newWorker(t)
	names, parts := lexicographic(3)
	_, answer := w.announce(t, "lion", names, parts)
	task, _ := answer["id"].(string)
	for _, i := range []int{2, 0, 2, 1} {
		if status, answer := w.part(t, "lion", task, i, names[i], parts[names[i]]); status != http.StatusOK {
			t.Fatal(i, status, answer)
		}
	}
	if len(w.accepted) != 1 {
		t.Errorf("accepted %d times", len(w.accepted))
	}
}

// TestLion3SendsTheRecordingInAForm: fields in any order, compressed or raw. The
// content decides, whatever the fields say. The fields of the response have the
// types that the client decodes.
func TestLion3SendsTheRecordingInAForm(t *testing.T) {
	raw := "4.size,1.0,2.64,2.48;4.sync,1.1;"
	for _, fields := range [][][2]string{
		{{"session_id", session}, {"component_type", "lion"}, {"session_date", "2024-04-23"}, {"file", string(dump(300))}},
		{{"file", string(dump(300))}, {"width", "1920"}, {"session_id", session}},
		{{"width", "1920"}, {"bitrate", "1"}, {"file", raw}, {"file_type", ".replay"}},
		{{"component_type", "razor"}, {"file_type", "rdp"}, {"file", raw}},
	} {
		w := newWorker(t)
		status, answer := w.form(t, fields...)
		if status != http.StatusOK || len(w.accepted) != 1 {
			t.Fatal(fields, status, answer)
		}
		for name, value := range answer {
			if text, ok := value.(string); !ok || text == "" {
				t.Errorf("%s is %v", name, value)
			}
		}
		task := w.accepted[0]
		stored, err := os.ReadFile(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(task)))
		if err != nil || task.ID != answer["id"] || !slices.Contains(fields, [2]string{"file", string(stored)}) {
			t.Errorf("%+v: %v", task, err)
		}
		rec, err := recording.Open(filepath.Join(w.api.Spool.Dir, w.api.Spool.Path(task)))
		if err != nil || rec.Session != session {
			t.Errorf("%+v %v", rec, err)
		}
	}
}

// TestAFormIsTakenWhenItHasEnded: what follows the file can still cause a refusal.
func TestAFormIsTakenWhenItHasEnded(t *testing.T) {
	other := strings.Replace(session, "5", "6", 1)
	many := [][2]string{{"file", string(dump(300))}}
	for range maxFields {
		many = append(many, [2]string{"x", "y"})
	}
	for name, fields := range map[string][][2]string{
		"another session": {{"file", string(dump(300))}, {"session_id", other}},
		"no file":         {{"session_id", session}},
		"an empty file":   {{"session_id", session}, {"file", ""}},
		"without end":     many,
	} {
		w := newWorker(t)
		if status, answer := w.form(t, fields...); status != http.StatusBadRequest || answer["error"] == "" {
			t.Error(name, status, answer)
		}
		w.empty(t)
	}
}

// TestTasksInTheWordsOfEachSDK: Go's field names or others, dates in either form,
// more fields than are known.
func TestTasksInTheWordsOfEachSDK(t *testing.T) {
	part := fmt.Sprintf(`{"name":"%s.0.part.gz","start":912345678,"end":914999000,"duration":2653322,"size":314572911,"checksum":"%s"}`,
		session, strings.ToUpper(sum(dump(50))))
	for name, body := range map[string]string{
		"Go's names": `{"config":{"MaxFrame":0,"Width":1920,"Height":1080,"Bitrate":1},"meta":{"id":"` + session + `","type":"guacamole","date_start":"2025-11-20 17:15:07 +0000","files":[` + part + `]}}`,
		"tags":       `{"config":{"max_frame":24,"width":0,"height":0,"bitrate":2},"meta":{"id":"` + session + `","type":"guacamole","data_start":"2025-11-20 17:15:07 +0000","data_end":"x","files":[` + part + `]}}`,
		"the least":  `{"meta":{"files":[` + part + `],"replay":{"new":true}}}`,
	} {
		w := newWorker(t)
		status, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", "application/json", "lion", strings.NewReader(body))
		id, _ := answer["id"].(string)
		if status != http.StatusOK || id == "" {
			t.Fatal(name, status, answer)
		}
		if status, answer := w.part(t, "lion", id, 0, "x", dump(50)); status != http.StatusOK || answer["ok"] != true || len(w.accepted) != 1 {
			t.Error(name, status, answer)
		}
	}
}

// TestSizesAreCompared: the announced size is that of the uncompressed part. It
// decides if there is no checksum; a matching checksum takes precedence.
func TestSizesAreCompared(t *testing.T) {
	data := dump(50)
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	name := session + ".0.part.gz"
	for _, c := range []struct {
		size     string
		checksum string
		want     int
	}{
		{fmt.Sprint(len(plain)), "", http.StatusOK},
		{fmt.Sprint(len(plain)), sum(data), http.StatusOK},
		{fmt.Sprint(len(data)), "", http.StatusOK}, // as sent
		{"0", "", http.StatusOK},                   // unknown
		{`"` + fmt.Sprint(len(plain)) + `"`, "", http.StatusOK},
		{fmt.Sprint(len(plain) + 1), "", http.StatusUnprocessableEntity},
		{fmt.Sprint(len(plain) + 1), sum(data), http.StatusOK},
		{fmt.Sprint(len(plain)), sum(plain), http.StatusUnprocessableEntity},
	} {
		w := newWorker(t)
		var log bytes.Buffer
		w.api.Log = slog.New(slog.NewTextHandler(&log, nil))
		body := fmt.Sprintf(`{"meta":{"files":[{"name":%q,"size":%s,"checksum":%q}]}}`, name, c.size, c.checksum)
		_, answer := w.send(t, http.MethodPost, "/api/v2/replay/sessions/"+session+"/task/", "application/json", "lion", strings.NewReader(body))
		id, _ := answer["id"].(string)
		if status, answer := w.part(t, "lion", id, 0, name, data); status != c.want || (answer["ok"] == true) != (c.want == http.StatusOK) {
			t.Errorf("%+v: %d %v", c, status, answer)
		}
		if c.want != http.StatusOK {
			w.empty(t)
		} else if c.size == fmt.Sprint(len(plain)+1) != strings.Contains(log.String(), "another length") {
			t.Errorf("%+v: %s", c, log.String())
		}
	}
}
