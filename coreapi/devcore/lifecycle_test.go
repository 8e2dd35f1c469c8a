package devcore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const lifecyclePath = sessionPath + "lifecycle_log/"

func TestLifecycleLog(t *testing.T) {
	for _, v := range append([]string{"3.10.4"}, versions...) {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			for _, tt := range []struct {
				body   string
				status int
			}{
				{`{"event":"replay_convert_start"}`, 200},
				{`{"event":"replay_convert_start"}`, 200}, // the same again is another row
				{`{"event":"replay_convert_failure","reason":"decoder failed at 00:12"}`, 200},
				{`{"event":"replay_convert_failure"}`, 200},
				{`{"event":"replay_upload_failure","reason":"null_storage"}`, 200},
				{`{"event":"replay_upload_failure","reason":"one, two"}`, 200},
				{`{"event":"replay_upload_success","reason":"unseen","user":"Lee(lee)"}`, 200},
				{`{"event":"replay_done"}`, 400},
				{`{"reason":"x"}`, 400},
				{`{"event":"replay_convert_failure","reason":""}`, 400},
				{`{"event":"replay_convert_failure","reason":null}`, 400},
				{`{"event":"replay_convert_start","user":""}`, 400},
			} {
				a := s.call("POST", lifecyclePath, tt.body)
				if a.status != tt.status {
					t.Errorf("%s: %d %s", tt.body, a.status, a.body)
				}
				if got := a.json(t); a.status == 200 && (got["msg"] != "ok" || got["id"] == "") {
					t.Error(a.body)
				}
			}
			garbled := v[0] == '3'
			want := []Event{
				{Name: "replay_convert_start"}, {Name: "replay_convert_start"},
				{Name: "replay_convert_failure", Reason: "decoder failed at 00:12", Text: "decoder failed at 00:12"},
				{Name: "replay_convert_failure", Text: "None"},
				{Name: "replay_upload_failure", Reason: "null_storage", Text: "storage is null"},
				{Name: "replay_upload_failure", Reason: "one, two", Text: map[bool]string{true: "one, two", false: "one two"}[garbled], Garbled: garbled},
				{Name: "replay_upload_success", Reason: "unseen", User: "Lee(lee)"},
			}
			for i := range want {
				want[i].By, want[i].Time = "[VideoWorker]-test", s.clock.Now()
			}
			if diff := cmp.Diff(want, s.Events(sid), cmpopts.IgnoreFields(Event{}, "ID")); diff != "" {
				t.Error(diff)
			}
			unknown := strings.Replace(lifecyclePath, sid, "11111111-1111-4111-8111-111111111111", 1)
			if a := s.call("POST", unknown, `{"event":"replay_convert_start"}`); a.status != 404 || a.code() != "object_does_not_exist" {
				t.Errorf("unknown session: %d %s", a.status, a.body)
			}
		})
	}
	s := newTestCore(t, "3.10.3")
	if a := s.call("POST", lifecyclePath, `{"event":"replay_convert_start"}`); a.status != 404 || a.code() != "" {
		t.Errorf("before v3.10.4: %d %s", a.status, a.body)
	}
	if err := s.SetVersion("3.10.9"); err != nil {
		t.Fatal(err)
	}
	if a := s.call("POST", lifecyclePath, `{"event":"replay_convert_start"}`); a.status != 200 {
		t.Errorf("after the upgrade: %d %s", a.status, a.body)
	}
}
