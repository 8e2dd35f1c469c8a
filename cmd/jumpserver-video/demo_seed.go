//go:build !nodemo

package main

import (
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// seed is one session of the demo.
type seed struct {
	id      string
	what    string // for the people who watch
	from    string // folder below the bundled recordings; empty for text made here
	name    string // file name for text made here
	text    string
	kind    string // component that recorded it
	proto   string
	foreign bool // must stay as it is
	date    string
}

// demoSeeds are the sessions of the demo: every layout and kind that the
// bundled recordings have, and two that are not to be touched.
func demoSeeds() []seed {
	const day = "2026-11-22"
	cast := `{"version": 2, "width": 80, "height": 24, "timestamp": 1795298400}` + "\n" + `[0.5, "o", "$ uptime\r\n"]` + "\n"
	return []seed{
		{id: "1e39f45f-465b-4dd5-937d-5b4e2891d143", what: "RDP, flat file", from: "tiny/v3", kind: "lion", proto: "rdp"},
		{id: "3d2d98f7-857a-403b-b666-b45e9c48f9ae", what: "RDP, 3 parts", from: "multipart/v4", kind: "lion", proto: "rdp"},
		{id: "5f946840-ca17-47b4-9b3a-67b7ba28ad0f", what: "RDP, 4 screen sizes", from: "resize/v3", kind: "lion", proto: "rdp"},
		{id: "aec03eff-9413-4017-b690-a75929062ab6", what: "RDP, JPEG images", from: "tiny_jpeg/v3", kind: "razor", proto: "rdp"},
		{id: "b4bb2f5e-7eaf-459d-a55c-0d4eaefa7277", what: "RDP, guacd 1.6, part", from: "tiny_main/v4", kind: "lion", proto: "rdp"},
		{id: "7ed7d7f8-d16f-424b-9377-68d4b5c3ec9c", what: "RDP, idle desktop", from: "static_main/v4", kind: "lion", proto: "rdp"},
		{id: "6998cb30-d973-4ac9-902c-bcdb877389f9", what: "VNC, 3 screen sizes", from: "vnc_resize/v4", kind: "lion", proto: "vnc"},
		{id: "32419bfd-ece1-42d9-a406-9fbed0c2fd0d", what: "VNC, guacd's file", from: "guacd_rec/v3", kind: "lion", proto: "vnc"},
		{id: "c0ffee00-0000-4000-8000-000000000001", what: "SSH, asciicast", name: ".cast.gz", text: cast, kind: "koko", proto: "ssh", foreign: true, date: day},
		{id: "c0ffee00-0000-4000-8000-000000000002", what: "SSH, koko JSON", name: ".replay.gz", text: `{"0.0":"$ uptime\r\n","1.2":" 10:00 up 3 days\r\n"}`, kind: "koko", proto: "ssh", date: day},
	}
}

// plant copies the seeds to the replay folder and tells core of their sessions.
func plant(recordings, replay string, core *devcore.Server) ([]seed, error) {
	seeds := demoSeeds()
	for i := range seeds {
		s := &seeds[i]
		var err error
		if s.from == "" {
			err = s.write(replay)
		} else {
			err = s.copy(recordings, replay)
		}
		if err != nil {
			return nil, fmt.Errorf("bundled recordings (run from the project's folder, or name them with --recordings): %w", err)
		}
		start, err := time.Parse(time.DateOnly, s.date)
		if err != nil {
			return nil, err
		}
		core.AddSession(devcore.Session{
			ID: s.id, User: "Demo(demo)", Asset: s.what, Account: "demo(demo)", Protocol: s.proto, TerminalType: s.kind,
			Start: start.Add(9 * time.Hour), End: start.Add(10 * time.Hour), Finished: true, HasReplay: true,
		})
	}
	return seeds, nil
}

func (s *seed) write(replay string) error {
	path := filepath.Join(replay, s.date, s.id+s.name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	// As long as a real one: smaller recordings are not looked at.
	if _, err := z.Write([]byte(s.text)); err != nil {
		return err
	}
	return z.Close()
}

// copy brings a recording to the volume, dated some hours back.
func (s *seed) copy(recordings, replay string) error {
	from := filepath.Join(recordings, filepath.FromSlash(s.from))
	days, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if len(days) != 1 {
		return fmt.Errorf("%s: one day expected", from)
	}
	s.date = days[0].Name()
	if err := os.CopyFS(replay, onlySession{os.DirFS(from), s.id}); err != nil {
		return err
	}
	old := time.Now().Add(-6 * time.Hour)
	return filepath.WalkDir(filepath.Join(replay, s.date), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, s.id) {
			return err
		}
		return os.Chtimes(path, old, old) //nolint:gosec // a folder of the demo's own making
	})
}

// onlySession is a file tree without the entries of other sessions.
type onlySession struct {
	fs.FS
	id string
}

func (o onlySession) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(all, func(e fs.DirEntry) bool {
		return !e.IsDir() && !strings.HasPrefix(e.Name(), o.id)
	}), err
}

// withoutSettings is an environment without the agent's own variables.
func withoutSettings(env []string) []string {
	names := config.Names()
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, key)
	})
}
