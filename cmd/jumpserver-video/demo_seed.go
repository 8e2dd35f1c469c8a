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
	what    string // description
	seconds int    // length of the session
	from    string // folder in the bundled recordings; "" for text
	name    string // file name for text
	text    string
	kind    string // component that recorded the session
	proto   string
	foreign bool // must not be converted
	date    string
}

// demoSeeds returns the sessions of the demo: each layout and kind of the bundled
// recordings, and two sessions that must not be changed.
func demoSeeds() []seed {
	const day = "2026-11-22"
	cast := `{"version": 2, "width": 80, "height": 24, "timestamp": 1795298400}` + "\n" + `[0.5, "o", "$ uptime\r\n"]` + "\n"
	return []seed{
		{id: "1e39f45f-465b-4dd5-937d-5b4e2891d143", what: "RDP, flat file", seconds: 33, from: "tiny/v3", kind: "lion", proto: "rdp"},
		{id: "3d2d98f7-857a-403b-b666-b45e9c48f9ae", what: "RDP, 3 parts", seconds: 18, from: "multipart/v4", kind: "lion", proto: "rdp"},
		{id: "5f946840-ca17-47b4-9b3a-67b7ba28ad0f", what: "RDP, 4 screen sizes", seconds: 67, from: "resize/v3", kind: "lion", proto: "rdp"},
		{id: "aec03eff-9413-4017-b690-a75929062ab6", what: "RDP, JPEG images", seconds: 32, from: "tiny_jpeg/v3", kind: "razor", proto: "rdp"},
		{id: "b4bb2f5e-7eaf-459d-a55c-0d4eaefa7277", what: "RDP, guacd 1.6, part", seconds: 25, from: "tiny_main/v4", kind: "lion", proto: "rdp"},
		{id: "7ed7d7f8-d16f-424b-9377-68d4b5c3ec9c", what: "RDP, idle desktop", seconds: 76, from: "static_main/v4", kind: "lion", proto: "rdp"},
		{id: "6998cb30-d973-4ac9-902c-bcdb877389f9", what: "VNC, 3 screen sizes", seconds: 44, from: "vnc_resize/v4", kind: "lion", proto: "vnc"},
		{id: "32419bfd-ece1-42d9-a406-9fbed0c2fd0d", what: "VNC, guacd's file", seconds: 52, from: "guacd_rec/v3", kind: "lion", proto: "vnc"},
		{id: "c0ffee00-0000-4000-8000-000000000001", what: "SSH, asciicast", seconds: 5, name: ".cast.gz", text: cast, kind: "koko", proto: "ssh", foreign: true, date: day},
		{id: "c0ffee00-0000-4000-8000-000000000002", what: "SSH, koko JSON", seconds: 5, name: ".replay.gz", text: `{"0.0":"$ uptime\r\n","1.2":" 10:00 up 3 days\r\n"}`, kind: "koko", proto: "ssh", date: day},
	}
}

// plant copies the seeds to the replay folder, and adds their sessions to core.
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
			Start: start.Add(9 * time.Hour), End: start.Add(9*time.Hour + time.Duration(s.seconds)*time.Second), Finished: true, HasReplay: true,
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
	// At least as long as a real recording, because shorter ones are ignored.
	if _, err := z.Write([]byte(s.text)); err != nil {
		return err
	}
	return z.Close()
}

// copy copies a recording to the volume, and sets its time some hours back.
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
		return os.Chtimes(path, old, old) //nolint:gosec // a folder that the demo has created
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

// withoutSettings returns an environment without the agent's own variables.
func withoutSettings(env []string) []string {
	names := config.Names()
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, key)
	})
}
