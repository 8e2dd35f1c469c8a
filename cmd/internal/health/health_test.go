package health

import (
	"encoding/json"
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// stands are the states of the parts in a test: all OK except those that are set.
type stands struct {
	unregistered bool
	coreFails    string
	volume       *watcher.Status // nil = none

	queue, storage, takes, spool, ffmpeg error

	rights error // of a volume
}

func (s stands) sources() Sources {
	always := func(err error) func() error { return func() error { return err } }
	sources := Sources{
		Core:  func() coreapi.State { return coreapi.State{Registered: !s.unregistered, LastError: s.coreFails} },
		Queue: always(s.queue), Storage: always(s.storage), Takes: always(s.takes), Spool: always(s.spool), FFmpeg: always(s.ffmpeg),
	}
	if s.volume != nil {
		sources.Volume = func() watcher.Status { return *s.volume }
		sources.Rights = always(s.rights)
	}
	return sources
}

// TestConditions: for each problem of a part, it checks the list, the exact reasons of
// the health endpoint, and the reason why uploads are refused.
func TestConditions(t *testing.T) {
	bad := errors.New
	denied := &rights.Error{Day: "2026-11-28", What: "make a file in its folder", Fix: rights.Fix{Kind: "mount", At: "/replay"}, Err: fs.ErrPermission}
	for _, tc := range []struct {
		name    string
		stands  stands
		fails   []Part   // in order, without uploads
		reasons []string // in the health endpoint
		uploads string   // why they are refused
	}{
		{"all is well", stands{volume: &watcher.Status{Available: true}}, nil, nil, ""},
		{"without a volume", stands{}, nil, nil, ""},
		{"core takes the key, and no heartbeat", stands{coreFails: "heartbeat: 502"}, nil, []string{"core responds with errors: heartbeat: 502"}, ""},
		{"core does not know the agent", stands{unregistered: true, coreFails: "register: 401"}, []Part{Core},
			[]string{"not registered with core"}, "not registered with core"},
		{"the queue is away", stands{queue: bad("the queue cannot be reached")}, []Part{Queue},
			[]string{"the queue cannot be reached"}, "the queue cannot be reached"},
		{"the volume was not checked yet", stands{volume: &watcher.Status{}}, []Part{Volume},
			[]string{"replay volume: it has not been checked yet"}, ""},
		{"originals cannot be retired", stands{volume: &watcher.Status{Available: true}, rights: denied}, []Part{Rights},
			[]string{"replay volume: 2026-11-28: cannot make a file in its folder: permission denied"}, ""},
		{"the volume is away", stands{volume: &watcher.Status{Reason: "input/output error"}}, []Part{Volume},
			[]string{"replay volume: input/output error"}, ""},
		{"the bucket cannot be listed", stands{storage: bad("access denied")}, []Part{Storage},
			[]string{"replay storage: access denied"}, ""},
		{"nothing can be published", stands{storage: bad("null"), takes: bad("null")}, []Part{Storage},
			[]string{"replay storage: null"}, "null"},
		{"uploads alone cannot be taken", stands{takes: bad("REPLAY_DIR is empty")}, nil, []string{"uploads are refused: REPLAY_DIR is empty"}, "REPLAY_DIR is empty"},
		{"the spool is full", stands{spool: bad("not enough room")}, []Part{Spool}, []string{"not enough room"}, "not enough room"},
		{"ffmpeg is gone", stands{ffmpeg: bad("ffmpeg is not there")}, []Part{FFmpeg}, []string{"ffmpeg is not there"}, "ffmpeg is not there"},
		{"everything at once", stands{
			unregistered: true, queue: bad("q"), volume: &watcher.Status{Reason: "v"}, storage: bad("s"), takes: bad("t"), spool: bad("r"), ffmpeg: bad("f"),
		}, []Part{Core, Queue, Volume, Storage, Spool, FFmpeg},
			[]string{"not registered with core", "q", "replay volume: v", "replay storage: s", "r", "f"}, "not registered with core"},
		{"the spool and ffmpeg", stands{spool: bad("r"), ffmpeg: bad("f")}, []Part{Spool, FFmpeg}, []string{"r", "f"}, "r; f"},
		{"the queue before what cannot be stored", stands{queue: bad("q"), takes: bad("t"), spool: bad("r")}, []Part{Queue, Spool}, []string{"q", "r"}, "q"},
		{"what cannot be stored before the spool", stands{takes: bad("t"), spool: bad("r")}, []Part{Spool}, []string{"r"}, "t"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all := tc.stands.sources().Conditions()
			var parts, fails []Part
			for _, c := range all {
				parts = append(parts, c.Part)
				if c.OK == (c.Reason != "") {
					t.Errorf("a reason without a failure, or the reverse: %+v", c)
				}
				if !c.OK && c.Part != Uploads {
					fails = append(fails, c.Part)
				}
			}
			want := []Part{Core, Queue, Volume, Rights, Storage, Spool, FFmpeg, Uploads}
			if tc.stands.volume == nil {
				want = []Part{Core, Queue, Storage, Spool, FFmpeg, Uploads}
			}
			if d := cmp.Diff(want, parts); d != "" {
				t.Error("parts:", d)
			}
			if d := cmp.Diff(tc.fails, fails); d != "" {
				t.Error("failing:", d)
			}
			if d := cmp.Diff(tc.reasons, all.Reasons()); d != "" {
				t.Error("reasons:", d)
			}
			if got := all.Of(Uploads).Reason; got != tc.uploads {
				t.Errorf("uploads: %q, want %q", got, tc.uploads)
			}
			if got := all.Of(Core).Detail; got != tc.stands.coreFails {
				t.Errorf("core's error: %q", got)
			}
			if got := all.Of(Rights).Fix; (got == "Mount /replay read-write (option rw).") != (tc.stands.rights != nil) {
				t.Errorf("fix: %q", got)
			}
		})
	}
}

// TestUploadsAreNamedWhenTheyAreAllThatFails: uploads are listed only if no other part fails,
// because the same reason would otherwise be listed twice.
func TestUploadsAreNamedWhenTheyAreAllThatFails(t *testing.T) {
	full := stands{spool: errors.New("full")}.sources().Conditions()
	if got := full.Failing(); len(got) != 1 || got[0].Part != Spool {
		t.Errorf("%+v", got)
	}
	refused := stands{takes: errors.New("REPLAY_DIR is empty")}.sources().Conditions()
	if got := refused.Failing(); len(got) != 1 || got[0].String() != "uploads are refused: REPLAY_DIR is empty" {
		t.Errorf("%+v", got)
	}
}

// TestTheReport: monitoring systems read the first three fields of the health endpoint.
// The conditions follow them.
func TestTheReport(t *testing.T) {
	for want, s := range map[string]stands{
		`{"status":"ok","name":"n","conditions":[{"part":"core","ok":true},{"part":"queue","ok":true},{"part":"storage","ok":true},` +
			`{"part":"spool","ok":true},{"part":"ffmpeg","ok":true},{"part":"uploads","ok":true}]}`: {},
		`{"status":"degraded","name":"n","reasons":["core responds with errors: 502","uploads are refused: t"],"conditions":[{"part":"core","ok":true,"detail":"502"},` +
			`{"part":"queue","ok":true},{"part":"storage","ok":true},{"part":"spool","ok":true},{"part":"ffmpeg","ok":true},` +
			`{"part":"uploads","ok":false,"reason":"t","mild":true}]}`: {coreFails: "502", takes: errors.New("t")},
		`{"status":"unhealthy","name":"n","reasons":["replay storage: s"],"conditions":[{"part":"core","ok":true},{"part":"queue","ok":true},` +
			`{"part":"storage","ok":false,"reason":"s"},{"part":"spool","ok":true},{"part":"ffmpeg","ok":true},{"part":"uploads","ok":true}]}`: {storage: errors.New("s")},
	} {
		got, err := json.Marshal(NewReport("n", s.sources().Conditions()))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
