package coreapi_test

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/loopback"
	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

func TestHeartbeatBringsTheComponentOnline(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		w := newWorker(t, core.URL+"/", "")
		stop := w.run(t)
		waittest.Until(t, "online", func() bool { return len(online(core)) == 1 && w.State().Online })
		got := core.Components()[0]
		if got.Type != "video_worker" || got.Comment != "video_worker" || got.Load != "normal" ||
			got.Stat.CPULoad != 0.5 || got.Stat.MemoryUsed != 40 || got.Stat.DiskUsed != 60 {
			t.Errorf("%+v", got)
		}
		if !regexp.MustCompile(`^\[VideoWorker\]-.*-[a-zA-Z]{7}$`).MatchString(got.Name) || w.State().Name != got.Name {
			t.Errorf("core calls it %s, it says %+v", got.Name, w.State())
		}
		for _, r := range core.Requests() {
			if r.User != "" && r.Org != "ROOT" {
				t.Errorf("not for the root organization: %+v", r)
			}
		}

		// The next start uses the same key.
		stop()
		beat := core.Components()[0].LastBeat
		w.run(t)
		waittest.Until(t, "another beat", func() bool { return core.Components()[0].LastBeat.After(beat) })
		if n := len(core.Components()); n != 1 {
			t.Errorf("%d components", n)
		}
	})
}

func TestAClosedRegistrationIsWaitedOut(t *testing.T) {
	for _, tt := range []struct {
		version string
		mode    devcore.RegistrationMode
		want    error
		reopen  func(*devcore.Server)
		advice  string
	}{
		{"3.10.9", devcore.RegistrationOff, coreapi.ErrRegistrationClosed,
			func(s *devcore.Server) { s.SetRegistration(devcore.RegistrationOn) }, "SECURITY_SERVICE_ACCOUNT_REGISTRATION"},
		{"4.10.13", devcore.RegistrationOff, coreapi.ErrRegistrationRefused,
			func(s *devcore.Server) { s.SetRegistration(devcore.RegistrationOn) }, "SECURITY_SERVICE_ACCOUNT_REGISTRATION"},
		{"4.10.13", devcore.RegistrationAuto, coreapi.ErrRegistrationRefused, (*devcore.Server).Restart, "restart core"},
	} {
		t.Run(tt.version, func(t *testing.T) {
			clock := &clock{now: time.Now()}
			core := start(t, devcore.Options{Version: tt.version, Registration: tt.mode, Now: clock.Now})
			clock.pass(time.Hour)
			w := newWorker(t, core.URL, "")
			var failures failures
			w.Registrar.Failed = failures.add
			w.run(t)
			waittest.Until(t, "several refusals", func() bool { return failures.count() >= 3 })
			if err := failures.last(); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			s := w.State()
			if s.Registered || s.Online || !strings.Contains(s.LastError, tt.advice) {
				t.Errorf("%+v", s)
			}
			tt.reopen(core)
			waittest.Until(t, "online", func() bool { return len(online(core)) == 1 && w.State().Online })
			if n := strings.Count(w.log.String(), tt.advice); n != 1 {
				t.Errorf("advice logged %d times", n)
			}
		})
	}
}

func TestAWrongTokenIsNamedWhereCoreLetsOn(t *testing.T) {
	for version, want := range map[string]error{"3.10.9": coreapi.ErrBadToken, "4.10.13": coreapi.ErrRegistrationRefused} {
		core := start(t, devcore.Options{Version: version})
		_, err := newClient(t, core.URL).Register(t.Context(), "wrong", "w")
		if !errors.Is(err, want) || errors.Is(err, coreapi.ErrUnauthorized) {
			t.Errorf("%s: got %v", version, err)
		}
	}
}

func TestATakenNameIsWaitedFor(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		// An earlier run of this worker, whose key was lost.
		if _, err := newClient(t, core.URL).Register(t.Context(), token, "video-1"); err != nil {
			t.Fatal(err)
		}
		w := newWorker(t, core.URL, "video-1")
		var failures failures
		w.Registrar.Failed = failures.add
		w.run(t)
		waittest.Until(t, "several refusals", func() bool { return failures.count() >= 3 })
		if err := failures.last(); !errors.Is(err, coreapi.ErrNameTaken) || !strings.Contains(err.Error(), "video-1") {
			t.Errorf("got %v", err)
		}
		if err := core.DeleteComponent("video-1"); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "online", func() bool { return len(online(core)) == 1 && w.State().Name == "video-1" })
	})
}

// TestAKeyThatIsTakenAwayIsReplaced: the component was deleted in core, and
// registers again under its name.
func TestAKeyThatIsTakenAwayIsReplaced(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		w := newWorker(t, core.URL, "")
		w.run(t)
		waittest.Until(t, "online", func() bool { return w.State().Online })
		first := core.Components()[0]
		if err := core.DeleteComponent(first.Name); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "registered anew", func() bool {
			c := core.Components()
			return len(c) == 1 && c[0].KeyID != first.KeyID && c[0].Name == first.Name && w.State().Online
		})
		if n := strings.Count(w.log.String(), "registered with core"); n != 2 {
			t.Errorf("said %d times to be registered", n)
		}
		aside, err := filepath.Glob(filepath.Join(w.dir, "keys", ".access_key_*"))
		if err != nil || len(aside) != 1 {
			t.Errorf("former keys: %v, %v", aside, err)
		}
	})
}

// TestADisabledComponentStaysAway: core does not distinguish a disabled component
// from a deleted one. When it is enabled again, its old key is valid.
func TestADisabledComponentStaysAway(t *testing.T) {
	for _, name := range []string{"", "video-1"} {
		core := start(t, devcore.Options{Version: "4.10.16", Registration: devcore.RegistrationOn})
		w := newWorker(t, core.URL, name)
		var failures failures
		w.Registrar.Failed = failures.add
		w.run(t)
		waittest.Until(t, "online", func() bool { return w.State().Online })
		first := core.Components()[0]
		if err := core.DisableUser(first.Name); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "several refusals", func() bool { return failures.count() >= 3 })
		if err := failures.last(); !errors.Is(err, coreapi.ErrDisabled) || !strings.Contains(err.Error(), first.Name) {
			t.Errorf("got %v", err)
		}
		if n := len(core.Components()); n != 1 {
			t.Errorf("%d components", n)
		}
		if err := core.EnableUser(first.Name); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "online again", func() bool { return w.State().Online })
		if c := core.Components(); len(c) != 1 || c[0].KeyID != first.KeyID {
			t.Errorf("%+v", c)
		}
	}
}

// TestARegistrationWhoseAnswerIsLostIsNotOurDisabling: the name is then taken by
// the component that we registered ourselves.
func TestARegistrationWhoseAnswerIsLostIsNotOurDisabling(t *testing.T) {
	core := start(t, devcore.Options{Version: "4.10.16", Registration: devcore.RegistrationOn})
	w := newWorker(t, core.URL, "")
	w.run(t)
	waittest.Until(t, "online", func() bool { return w.State().Online })
	first := core.Components()[0]
	core.Fail(devcore.Fault{Method: "POST", Path: regexp.MustCompile("registration"), After: true, Cut: true, Times: 1})
	if err := core.DeleteComponent(first.Name); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, "online again", func() bool { return w.State().Online && len(online(core)) == 1 && w.State().Name != first.Name })
}

func TestADeletedComponentComesBackUnderItsName(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		w := newWorker(t, core.URL, "video-1")
		w.run(t)
		waittest.Until(t, "online", func() bool { return w.State().Online })
		first := core.Components()[0].KeyID
		if err := core.DeleteComponent("video-1"); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "registered anew", func() bool {
			c := core.Components()
			return len(c) == 1 && c[0].Online && c[0].KeyID != first && w.State().Online
		})
	})
}

func TestACoreThatStartsLaterIsFound(t *testing.T) {
	at, err := loopback.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	w := newWorker(t, "http://"+at.HostPort(0), "")
	var failures failures
	w.Registrar.Failed = failures.add
	w.run(t)
	waittest.Until(t, "several failures", func() bool { return failures.count() >= 3 })
	if !errors.Is(failures.last(), coreapi.ErrUnavailable) {
		t.Errorf("got %v", failures.last())
	}
	core := start(t, devcore.Options{Version: "4.10.13", Addr: at.HostPort(0)})
	waittest.Until(t, "online", func() bool { return len(online(core)) == 1 })
}

func TestTheComponentsOwnStorageIsHandedOut(t *testing.T) {
	eachVersion(t, func(t *testing.T, version string) {
		core := start(t, devcore.Options{Version: version})
		w := newWorker(t, core.URL, "video-1")
		w.run(t)
		kind := func() string { c, _ := w.Config(); return c.ReplayStorage.Type() }
		waittest.Until(t, "config", func() bool { _, ok := w.Config(); return ok })
		if c, _ := w.Config(); kind() != coreapi.TypeServer || c.KeepDays != 200 {
			t.Errorf("%v", c)
		}
		_, _, changed := w.Watch()
		if err := core.SetReplayStorage("video-1", map[string]any{
			"TYPE": "s3", "BUCKET": "replays", "ACCESS_KEY": "a", "SECRET_KEY": token, "ENDPOINT": "http://127.0.0.1:9",
		}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-time.After(waittest.Patience()):
			t.Fatal("not told of the change")
		}
		c, _ := w.Config()
		if kind() != "s3" || c.ReplayStorage["SECRET_KEY"] != token {
			t.Errorf("%#v", map[string]any(c.ReplayStorage))
		}
		// An administrator deletes the storage.
		if err := core.SetReplayStorage("video-1", map[string]any{"default": map[string]any{"TYPE": "server"}}); err != nil {
			t.Fatal(err)
		}
		waittest.Until(t, "server again", func() bool { return kind() == coreapi.TypeServer })
	})
}
