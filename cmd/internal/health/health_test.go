package health

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// stands is how the parts stand in a test: all well, but for what is set.
type stands struct {
	unregistered bool
	coreFails    string
	volume       *watcher.Status // nil = none

	queue, storage, takes, spool, ffmpeg error
}

func (s stands) sources() Sources {
	always := func(err error) func() error { return func() error { return err } }
	sources := Sources{
		Core:  func() coreapi.State { return coreapi.State{Registered: !s.unregistered, LastError: s.coreFails} },
		Queue: always(s.queue), Storage: always(s.storage), Takes: always(s.takes), Spool: always(s.spool), FFmpeg: always(s.ffmpeg),
	}
	if s.volume != nil {
		sources.Volume = func() watcher.Status { return *s.volume }
	}
	return sources
}

// TestConditions: what each part's trouble makes of the list, of the reasons of
// the health endpoint, word by word, and of uploads.
func TestConditions(t *testing.T) {
	bad := errors.New
	for _, tc := range []struct {
		name    string
		stands  stands
		fails   []Part   // in their order; uploads aside
		reasons []string // of the health endpoint
		uploads string   // why they are refused
	}{
		{"all is well", stands{volume: &watcher.Status{Available: true}}, nil, nil, ""},
		{"without a volume", stands{}, nil, nil, ""},
		{"core takes the key, and no heartbeat", stands{coreFails: "heartbeat: 502"}, nil, nil, ""},
		{"core does not know the agent", stands{unregistered: true, coreFails: "register: 401"}, []Part{Core},
			[]string{"not registered with core"}, "not registered with core"},
		{"the queue is away", stands{queue: bad("the queue cannot be reached")}, []Part{Queue},
			[]string{"the queue cannot be reached"}, "the queue cannot be reached"},
		{"the volume was not looked at yet", stands{volume: &watcher.Status{}}, nil, nil, ""},
		{"the volume is away", stands{volume: &watcher.Status{Reason: "input/output error"}}, []Part{Volume},
			[]string{"replay volume: input/output error"}, ""},
		{"the bucket cannot be listed", stands{storage: bad("access denied")}, []Part{Storage},
			[]string{"replay storage: access denied"}, ""},
		{"nothing can be published", stands{storage: bad("null"), takes: bad("null")}, []Part{Storage},
			[]string{"replay storage: null"}, "null"},
		{"uploads alone cannot be taken", stands{takes: bad("REPLAY_DIR is empty")}, nil, nil, "REPLAY_DIR is empty"},
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
			want := []Part{Core, Queue, Volume, Storage, Spool, FFmpeg, Uploads}
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
				t.Errorf("what core says: %q", got)
			}
		})
	}
}

// TestUploadsAreNamedWhenTheyAreAllThatFails: otherwise the same would be said
// twice.
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

// TestTheReportIsAsItWas: those who watch the health endpoint read the first
// three fields; the conditions come after them. What core says in detail is not
// for everybody.
func TestTheReportIsAsItWas(t *testing.T) {
	for want, s := range map[string]stands{
		`{"status":"ok","name":"n","conditions":[{"part":"core","ok":true},{"part":"queue","ok":true},{"part":"storage","ok":true},` +
			`{"part":"spool","ok":true},{"part":"ffmpeg","ok":true},{"part":"uploads","ok":false,"reason":"t"}]}`: {coreFails: "secret", takes: errors.New("t")},
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
