package devcore

import (
	"net/http"
	"testing"
)

// TestWorkerMakesItsWay does everything that a worker does for one session.
func TestWorkerMakesItsWay(t *testing.T) {
	for _, v := range versions {
		t.Run(v, func(t *testing.T) {
			s := newTestCore(t, v)
			for _, step := range []struct {
				method, path, body string
				want               int
			}{
				{http.MethodGet, "/api/v1/users/profile/", "", 200},
				{http.MethodPost, "/api/v1/terminal/terminals/status/", `{"sessions":[],"cpu_load":0.4}`, 201},
				{http.MethodGet, "/api/v1/terminal/terminals/config/", "", 200},
				{http.MethodGet, "/api/v1/terminal/sessions/?is_finished=1&limit=10", "", 200},
				{http.MethodGet, sessionPath, "", 200},
				{http.MethodPost, sessionPath + "lifecycle_log/", `{"event":"replay_convert_start"}`, 200},
			} {
				if a := s.call(step.method, step.path, step.body); a.status != step.want {
					t.Fatalf("%s %s: %d %s", step.method, step.path, a.status, a.body)
				}
			}
			if a := s.upload("4", "x.replay.mp4", "video"); a.status != 201 || a.json(t)["url"] != "/media/replay/"+day+"/"+sid+".replay.mp4" {
				t.Fatalf("upload: %+v", a)
			}
			if a := s.call(http.MethodPatch, sessionPath, `{"has_replay":true}`); a.status != 200 {
				t.Fatalf("patch: %+v", a)
			}
			replay, err := s.Served(t.Context(), sid)
			if err != nil || replay.Type != "mp4" || replay.Denied {
				t.Errorf("served %+v, %v", replay, err)
			}
			if row, found := s.Session(sid); !found || !row.HasReplay {
				t.Errorf("session %+v", row)
			}
			if p := s.Components(); len(p) != 1 || !p[0].Online || p[0].Type != "video_worker" {
				t.Errorf("components %+v", p)
			}
			if e := s.Events(sid); len(e) != 1 || e[0].Name != "replay_convert_start" {
				t.Errorf("events %+v", e)
			}
		})
	}
}
