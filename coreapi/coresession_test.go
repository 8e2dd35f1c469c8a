package coreapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// aSession begins on a day that differs between UTC and the time zone in which core
// prints dates.
func aSession() devcore.Session {
	return devcore.Session{
		ID: session, Org: "11111111-2222-4333-8444-555555555555", OrgName: "Elsewhere",
		User: "Lee(lee)", Asset: "win-07(10.3.4.7)", Protocol: "rdp", TerminalType: "lion",
		Start: time.Date(2024, 4, 23, 17, 15, 7, 0, time.UTC), End: time.Date(2024, 4, 23, 18, 0, 0, 0, time.UTC), Finished: true,
	}
}

func TestSessionsAreFoundWhereCoreKeepsThem(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		core.AddSession(aSession())
		c := registered(t, core)
		s, err := c.Session(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		if s.DateDir() != "2024-04-23" || s.DateStart.Day() != 24 {
			t.Errorf("printed as %v, stored under %s", s.DateStart, s.DateDir())
		}
		if !s.IsFinished || !s.Graphical() || s.HasReplay || s.Terminal.Type != "lion" || s.Protocol != "rdp" {
			t.Errorf("%+v", s)
		}
		if want := aSession().End; !s.DateEnd.Equal(want) {
			t.Errorf("ends %v", s.DateEnd)
		}
		if _, err := c.Session(t.Context(), "99999999-6c1a-4f0e-8f3a-2d1c0b9a8e7f"); !errors.Is(err, coreapi.ErrNotFound) {
			t.Errorf("unknown session: %v", err)
		}
	})
}

func TestAPageOfSessionsHoldsTheNewest(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		for i := range 7 {
			s := aSession()
			s.ID, s.Start = fmt.Sprintf("%08d-6c1a-4f0e-8f3a-2d1c0b9a8e7f", i), s.Start.AddDate(0, 0, i)
			core.AddSession(s)
		}
		c := registered(t, core)
		for limit, want := range map[int][]int{2: {29, 28}, 7: {29, 28, 27, 26, 25, 24, 23}} {
			p, err := c.Sessions(t.Context(), coreapi.SessionQuery{Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			if p.Count != 7 || p.More != (limit < 7) {
				t.Errorf("limit %d: count %d, more: %v", limit, p.Count, p.More)
			}
			var days []int
			for _, s := range p.Sessions {
				days = append(days, s.DateStart.UTC().Day())
			}
			if diff := cmp.Diff(want, days); diff != "" {
				t.Errorf("limit %d: %s", limit, diff)
			}
		}
	})
}

func TestSessionsAreSelectedByID(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		id := func(n int) string { return fmt.Sprintf("%08d-6c1a-4f0e-8f3a-2d1c0b9a8e7f", n) }
		for i := range 7 {
			s := aSession()
			s.ID = id(i)
			core.AddSession(s)
		}
		p, err := registered(t, core).Sessions(t.Context(), coreapi.SessionQuery{IDs: []string{id(5), id(2), id(99)}})
		var got []string
		for _, s := range p.Sessions {
			got = append(got, s.ID)
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{id(2), id(5)}, got); err != nil || p.Count != 2 || p.More || diff != "" {
			t.Errorf("%+v, %v, %s", p, err, diff)
		}
	})
}

func TestUploadsAreStoredByteForByte(t *testing.T) {
	video := bytes.Repeat([]byte("not quite a video, "), 1<<18) // 5 MB
	file := filepath.Join(t.TempDir(), "out.mp4")
	if err := os.WriteFile(file, video, 0o600); err != nil {
		t.Fatal(err)
	}
	replay := regexp.MustCompile(`/replay/$`)
	for _, tt := range []struct {
		name     string
		fault    devcore.Fault
		attempts int
		again    bool // core stores the file twice: it had stored one before the request that succeeds
	}{
		{"at once", devcore.Fault{Path: regexp.MustCompile(`nothing`)}, 1, false},
		{"cut midway twice", devcore.Fault{Path: replay, Times: 2, Read: 1 << 20, Cut: true}, 3, false},
		{"cut before it began", devcore.Fault{Path: replay, Times: 1, Cut: true}, 2, false},
		{"throttled", devcore.Fault{Path: replay, Times: 1, Status: 429, Header: map[string]string{"Retry-After": "1"}}, 2, false},
		{"core restarts", devcore.Fault{Path: replay, Times: 1, Status: 502}, 2, false},
		{"answer lost", devcore.Fault{Path: replay, Times: 1, After: true, Cut: true}, 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version string) {
				media := t.TempDir()
				core := start(t, devcore.Options{Version: version, MediaDir: media})
				core.AddSession(aSession())
				c := registered(t, core)
				core.Fail(tt.fault)
				up, err := c.UploadReplay(t.Context(), session, file, coreapi.VersionMP4, nil)
				if err != nil {
					t.Fatal(err)
				}
				attempts := 0
				for _, r := range core.Requests() {
					if replay.MatchString(r.Path) {
						attempts++
					}
				}
				if attempts != tt.attempts {
					t.Errorf("%d attempts", attempts)
				}
				// Only old versions of core leave the first file in place.
				served := "/media/replay/2024-04-23/" + session + ".replay.mp4"
				if want := tt.again && version == "3.10.9"; (up.URL != served) != want {
					t.Errorf("%+v, want a collision: %v", up, want)
				}
				for _, name := range []string{up.URL, served} {
					got, err := os.ReadFile(filepath.Join(media, strings.TrimPrefix(name, "/media/")))
					if err != nil || !bytes.Equal(got, video) {
						t.Errorf("%s: %d bytes, %v", name, len(got), err)
					}
				}
			})
		})
	}
}

func TestRefusedUploadsHaveTheirReason(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.part.mp4")
	if err := os.WriteFile(file, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	core := start(t, devcore.Options{Version: "3.10.9", MaxUpload: 1 << 20})
	core.AddSession(aSession())
	c := registered(t, core)
	if _, err := c.UploadReplay(t.Context(), session, file, coreapi.VersionMP4, nil); !errors.Is(err, coreapi.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := os.Truncate(file, 10); err != nil {
		t.Fatal(err)
	}
	// v3.10 does not know parts; its 401 does not mean that the key is refused.
	if _, err := c.UploadReplay(t.Context(), session, file, coreapi.VersionPart, nil); !errors.Is(err, coreapi.ErrBadForm) || errors.Is(err, coreapi.ErrUnauthorized) {
		t.Errorf("unknown version: %v", err)
	}
	core.RemoveSession(session)
	if _, err := c.UploadReplay(t.Context(), session, file, coreapi.VersionMP4, nil); !errors.Is(err, coreapi.ErrNotFound) {
		t.Errorf("no session: %v", err)
	}
}

func TestABadFormDoesNotCostTheRegistration(t *testing.T) {
	core := start(t, devcore.Options{Version: "3.10.9"})
	core.AddSession(aSession())
	w := newWorker(t, core.URL, "")
	w.run(t)
	waittest.Until(t, "online", func() bool { return w.State().Online })
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client.UploadReplay(t.Context(), session, file, coreapi.VersionPart, nil); !errors.Is(err, coreapi.ErrBadForm) {
		t.Errorf("got %v", err)
	}
	beat := w.State().LastBeat
	waittest.Until(t, "another beat", func() bool { return w.State().LastBeat.After(beat) })
	if n := len(core.Components()); n != 1 || w.State().LastError != "" {
		t.Errorf("%d components, %+v", n, w.State())
	}
}

func TestLifecycleEventsAppearOnce(t *testing.T) {
	lifecycle := regexp.MustCompile(`/lifecycle_log/$`)
	for _, tt := range []struct {
		name  string
		fault devcore.Fault
		want  error
		rows  int
	}{
		{"answer lost", devcore.Fault{Path: lifecycle, Times: 1, After: true, Cut: true}, coreapi.ErrAmbiguous, 1},
		{"proxy gives up", devcore.Fault{Path: lifecycle, Times: 1, After: true, Status: 504}, coreapi.ErrAmbiguous, 1},
		{"never arrived, which nobody can tell", devcore.Fault{Path: lifecycle, Times: 1, Cut: true}, coreapi.ErrAmbiguous, 0},
		{"throttled", devcore.Fault{Path: lifecycle, Times: 2, Status: 429}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachVersion(t, func(t *testing.T, version string) {
				core := start(t, devcore.Options{Version: version})
				core.AddSession(aSession())
				c := registered(t, core)
				core.Fail(tt.fault)
				err := c.Lifecycle(t.Context(), session, coreapi.ConvertFailure, "cut at 00:12, sorry")
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v", err)
				}
				rows := core.Events(session)
				if len(rows) != tt.rows {
					t.Fatalf("%+v", rows)
				}
				for _, r := range rows {
					if r.Name != "replay_convert_failure" || r.Text != "cut at 00:12 sorry" || r.Garbled {
						t.Errorf("%+v", r)
					}
				}
			})
		})
	}
}

func TestEveryEventIsOneThatCoreKnows(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		core.AddSession(aSession())
		c := registered(t, core)
		events := []coreapi.Event{
			coreapi.ConvertStart, coreapi.ConvertSuccess, coreapi.ConvertFailure,
			coreapi.UploadStart, coreapi.UploadSuccess, coreapi.UploadFailure,
		}
		var got []coreapi.Event
		for _, e := range events {
			if err := c.Lifecycle(t.Context(), session, e, ""); err != nil {
				t.Error(err)
			}
		}
		for _, r := range core.Events(session) {
			got = append(got, coreapi.Event(r.Name))
			if r.Text == "None" {
				t.Errorf("without reason: %+v", r)
			}
		}
		if diff := cmp.Diff(events, got); diff != "" {
			t.Error(diff)
		}
		if err := c.Lifecycle(t.Context(), "99999999-6c1a-4f0e-8f3a-2d1c0b9a8e7f", coreapi.ConvertStart, ""); !errors.Is(err, coreapi.ErrNotFound) {
			t.Errorf("unknown session: %v", err)
		}
	})
}

func TestOldCoresHaveNoLifecycleLog(t *testing.T) {
	core := start(t, devcore.Options{Version: "3.10.3"})
	core.AddSession(aSession())
	err := registered(t, core).Lifecycle(t.Context(), session, coreapi.ConvertStart, "")
	if !errors.Is(err, coreapi.ErrUnsupported) || errors.Is(err, coreapi.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestMarksReachTheSession(t *testing.T) {
	for version, size := range map[string]int64{"3.10.9": 0, "4.10.13": 73400320} {
		core := start(t, devcore.Options{Version: version})
		core.AddSession(aSession())
		c := registered(t, core)
		if err := c.MarkReplay(t.Context(), session, 73400320); err != nil {
			t.Error(err)
		}
		if err := c.MarkConvertFailed(t.Context(), session); err != nil {
			t.Error(err)
		}
		want := aSession()
		want.HasReplay, want.ReplaySize, want.ErrorReason = true, size, "replay_convert_failed"
		got, _ := core.Session(session)
		if got.HasReplay != want.HasReplay || got.ReplaySize != want.ReplaySize || got.ErrorReason != want.ErrorReason ||
			got.Finished != want.Finished || !got.End.Equal(want.End) {
			t.Errorf("%s: %+v", version, got)
		}
	}
}

func TestTheRateLimitIsTold(t *testing.T) {
	core := start(t, devcore.Options{Version: "4.10.16", RatePerMinute: 2})
	c := registered(t, core, func(o *coreapi.Options) { o.RetryAfterMax = time.Millisecond })
	var err error
	for range 3 {
		_, err = c.Profile(t.Context())
	}
	var e *coreapi.Error
	if !errors.As(err, &e) || !errors.Is(err, coreapi.ErrUnavailable) || e.Status != http.StatusTooManyRequests ||
		e.RetryAfter <= 0 || e.RetryAfter > time.Minute {
		t.Errorf("got %v", err)
	}
}

func TestCallersAreCheckedByCore(t *testing.T) {
	for _, version := range append([]string{"4.10.7"}, versions...) {
		t.Run(version, func(t *testing.T) {
			core := start(t, devcore.Options{Version: version})
			c := registered(t, core)
			check := func(u devcore.User) (coreapi.Profile, error) {
				t.Helper()
				id, secret, err := core.AddUser(u)
				if err != nil {
					t.Fatal(err)
				}
				// Components send the headers of a signed request to core.
				virtual, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://any/api/v1/users/profile/", nil)
				if err != nil {
					t.Fatal(err)
				}
				coreapi.Key{ID: id, Secret: secret}.Sign(virtual)
				return c.ForwardProfile(t.Context(), virtual.Header.Get("Authorization"), virtual.Header.Get("Date"), "ROOT")
			}
			if p, err := check(devcore.User{Username: "lion", Service: true}); err != nil || p.Username != "lion" || !p.IsServiceAccount || !p.IsValid {
				t.Errorf("component: %+v, %v", p, err)
			}
			if p, err := check(devcore.User{Username: "lee"}); err != nil || p.IsServiceAccount {
				t.Errorf("person: %+v, %v", p, err)
			}
			if p, err := check(devcore.User{Username: "gone", Service: true, Disabled: true}); err == nil && p.IsValid {
				t.Errorf("disabled component: %+v", p)
			}
			if _, err := c.ForwardProfile(t.Context(), `Signature keyId="x"`, "today", ""); !errors.Is(err, coreapi.ErrUnauthorized) {
				t.Errorf("no signature: %v", err)
			}
			if _, err := c.Profile(t.Context()); err != nil {
				t.Errorf("own key after foreign failures: %v", err)
			}
		})
	}
}

func TestReachFindsCore(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		ahead, err := newClient(t, core.URL).Reach(t.Context())
		if err != nil || ahead.Abs() > time.Minute {
			t.Errorf("%v, %v", ahead, err)
		}
	})
}
