package devcore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dir is a storage in a folder.
type dir struct {
	root   string
	prefix bool  // as azure: any name that begins with the key matches
	err    error // of every call
}

func newDir(t *testing.T, keys ...string) *dir {
	t.Helper()
	d := &dir{root: t.TempDir()}
	for _, key := range keys {
		name := filepath.Join(d.root, key)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("external "+key), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *dir) keys(t *testing.T) []string {
	t.Helper()
	keys, err := d.list()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (d *dir) list() (keys []string, err error) {
	err = filepath.WalkDir(d.root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(d.root, name)
			keys = append(keys, filepath.ToSlash(rel))
		}
		return err
	})
	return keys, err
}

func (d *dir) Exists(_ context.Context, key string) (bool, error) {
	keys, err := d.list()
	if err = errors.Join(err, d.err); err != nil {
		return false, err
	}
	for _, k := range keys {
		if k == key || d.prefix && strings.HasPrefix(k, key) {
			return true, nil
		}
	}
	return false, nil
}

func (d *dir) Download(_ context.Context, key, path string) error {
	b, err := os.ReadFile(filepath.Join(d.root, key))
	if err = errors.Join(err, d.err); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func (d *dir) Upload(_ context.Context, key, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := filepath.Join(d.root, key)
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, 0o644), d.err)
}

// Names relative to a base, for the tables.
const (
	v1    = day + "/" + sid + ".gz"
	xGz   = day + "/" + sid + ".replay.gz"
	xCast = day + "/" + sid + ".cast.gz"
	xMP4  = day + "/" + sid + ".replay.mp4"
	xJSON = day + "/" + sid + "/" + sid + ".replay.json"
	index = "replay/" + xJSON
)

// TestLookup checks the order of the lookup.
func TestLookup(t *testing.T) {
	type storages [][]string
	all := append([]string{"4.1.0"}, versions...)
	since42 := versions[1:]
	until41 := []string{"4.1.0", "3.10.9"}
	for _, tt := range []struct {
		name     string
		versions []string
		local    []string
		external storages
		want     string // path below media; "" = none
		kind     string
	}{
		{"nothing", all, nil, nil, "", ""},
		{"video", all, []string{mp4}, nil, mp4, "mp4"},
		{"original before video", all, []string{mp4, gz}, nil, gz, "guacamole"},
		{"cast before video", all, []string{mp4, cast}, nil, cast, "asciicast"},
		{"original before cast", all, []string{cast, gz}, nil, gz, "guacamole"},
		{"outside of the replay folder first", all, []string{gz, mp4, xMP4}, nil, xMP4, "mp4"},
		{"outside, a cast before all within", all, []string{gz, xCast}, nil, xCast, "asciicast"},
		{"legacy name", until41, []string{v1, gz}, nil, v1, "guacamole"},
		{"legacy name is forgotten", since42, []string{v1, mp4}, nil, mp4, "mp4"},
		{"legacy name within the replay folder", all, []string{"replay/" + v1, mp4}, nil, mp4, "mp4"},
		{"index", since42, []string{index}, nil, index, "parts"},
		{"video before index", since42, []string{index, mp4}, nil, mp4, "mp4"},
		{"index unknown", until41, []string{index}, nil, "", ""},
		{"names that only look alike", all, []string{gz + ".trash", "replay/" + day + "/" + sid + ".replay_abcdefg.mp4"}, nil, "", ""},
		{"another date", all, []string{"replay/2024-04-24/" + sid + ".replay.mp4"}, nil, "", ""},
		{"local before external", all, []string{mp4}, storages{{xGz}}, mp4, "mp4"},
		{"external video", all, nil, storages{{xMP4}}, mp4, "mp4"},
		{"external video behind a local index", since42, []string{index}, storages{{xMP4}}, index, "parts"},
		{"external video with a local index", until41, []string{index}, storages{{xMP4}}, mp4, "mp4"},
		{"external original of another storage before video", all, nil, storages{{xMP4}, {xGz}}, gz, "guacamole"},
		{"external cast before video", all, nil, storages{{xMP4}, {xCast}}, cast, "asciicast"},
		{"external index", since42, nil, storages{{xJSON}}, index, "parts"},
		{"external video before external index", since42, nil, storages{{xJSON}, {xMP4}}, mp4, "mp4"},
		{"external legacy name", until41, nil, storages{{v1, xMP4}}, "replay/" + v1, "guacamole"},
		{"external legacy name is forgotten", since42, nil, storages{{v1, xMP4}}, mp4, "mp4"},
		{"no external", all, nil, storages{{}, {}}, "", ""},
	} {
		for _, v := range tt.versions {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := newTestCore(t, v, func(o *Options) {
					for _, keys := range tt.external {
						o.External = append(o.External, Storage{Name: "s", External: newDir(t, keys...)})
					}
				})
				for _, name := range tt.local {
					s.put(name, "local")
				}
				got, err := s.Served(t.Context(), sid)
				if tt.want == "" {
					if !errors.Is(err, ErrNoReplay) {
						t.Errorf("%+v, %v", got, err)
					}
					return
				}
				external := !strings.Contains(strings.Join(tt.local, " "), tt.want)
				want := Replay{
					Path: filepath.Join(s.media, tt.want), URL: "/media/" + tt.want, Type: tt.kind, Downloaded: external,
				}
				if err != nil || got != want {
					t.Fatalf("%+v, %v", got, err)
				}
				if external && !strings.HasPrefix(s.content(tt.want), "external ") {
					t.Error("not in the volume")
				}
			})
		}
	}
}

// TestExternalStorages: the storages have different contents.
func TestExternalStorages(t *testing.T) {
	dead := errors.New("connection refused")
	for _, tt := range []struct {
		name     string
		versions []string
		external func(t *testing.T) []Storage
		storage  string // of the recorder
		want     string
	}{
		{"a dead one is passed over", versions, func(t *testing.T) []Storage {
			broken := newDir(t, xGz)
			broken.err = dead
			return []Storage{{Name: "a", External: broken}, {Name: "b", External: newDir(t, xMP4)}}
		}, "", mp4},
		{"one with broken settings", versions[1:], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", Broken: true}, {Name: "b", External: newDir(t, xMP4)}}
		}, "", mp4},
		{"one with broken settings breaks all", versions[:1], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", Broken: true}, {Name: "b", External: newDir(t, xMP4)}}
		}, "", "error"},
		{"one that cannot be searched", versions, func(t *testing.T) []Storage {
			return []Storage{{Name: "sftp"}, {Name: "b", External: newDir(t, xMP4)}}
		}, "", mp4},
		{"azure takes a longer name for the key", versions, func(t *testing.T) []Storage {
			azure := newDir(t, xGz+".trash", xMP4)
			azure.prefix = true
			return []Storage{{Name: "a", External: azure}}
		}, "", "error"}, // but cannot download it
		{"another prefix is no trap", versions, func(t *testing.T) []Storage {
			azure := newDir(t, "trash/"+xGz, xMP4)
			azure.prefix = true
			return []Storage{{Name: "a", External: azure}}
		}, "", mp4},
		{"all are one before v4.10.17", versions[:5], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", External: newDir(t, xGz)}, {Name: "b", External: newDir(t, xMP4)}}
		}, "b", gz},
		{"the recorder's first", versions[5:], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", External: newDir(t, xGz)}, {Name: "b", External: newDir(t, xMP4)}}
		}, "b", mp4},
		{"the recorder's index before another's video", versions[5:], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", External: newDir(t, xMP4)}, {Name: "b", External: newDir(t, xJSON)}}
		}, "b", index},
		{"others after the recorder's", versions[5:], func(t *testing.T) []Storage {
			return []Storage{{Name: "a", External: newDir(t, xMP4)}, {Name: "b", External: newDir(t)}}
		}, "b", mp4},
	} {
		for _, v := range tt.versions {
			t.Run(v+" "+tt.name, func(t *testing.T) {
				s := newTestCore(t, v, func(o *Options) { o.External = tt.external(t) })
				s.AddSession(Session{ID: sid, Protocol: "rdp", TerminalType: "lion", Storage: tt.storage, Start: began, Finished: true})
				got, err := s.Served(t.Context(), sid)
				if tt.want == "error" {
					if err == nil {
						t.Errorf("%+v", got)
					}
					return
				}
				if err != nil || got.URL != "/media/"+tt.want {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	}
}

// A download puts the original back on the volume.
func TestViewingAnExternalOriginalBringsItBack(t *testing.T) {
	s := newTestCore(t, "4.10.13", func(o *Options) { o.External = []Storage{{Name: "a", External: newDir(t, xGz)}} })
	for i, downloaded := range []bool{true, false} {
		got, err := s.Served(t.Context(), sid)
		if err != nil || got.Downloaded != downloaded {
			t.Fatalf("%d: %+v, %v", i, got, err)
		}
	}
	s.upload("4", "x", "video")
	if got, err := s.Served(t.Context(), sid); err != nil || got.Type != "guacamole" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPlayer(t *testing.T) {
	for _, tt := range []struct {
		name, terminal, protocol string
		want                     map[string]string // by version
	}{
		{".replay.gz", "lion", "http", map[string]string{"3.10.9": "guacamole", "4.10.17": "guacamole"}},
		{".replay.gz", "razor", "ssh", map[string]string{"3.10.9": "guacamole"}},
		{".replay.gz", "xrdp", "ssh", map[string]string{"3.10.9": "guacamole"}},
		{".replay.gz", "", "vnc", map[string]string{"3.10.9": "guacamole"}},
		{".replay.gz", "koko", "ssh", map[string]string{"3.10.9": "json", "4.10.17": "json"}},
		{".cast.gz", "lion", "rdp", map[string]string{"3.10.9": "asciicast"}},
		{".replay.mp4", "koko", "ssh", map[string]string{"3.10.9": "mp4"}},
		{".0.part.mp4", "lion", "rdp", map[string]string{"4.2.0": "guacamole", "4.8.0": "guacamole", "4.10.13": "mp4"}},
		{".0.part.gz", "lion", "rdp", map[string]string{"4.2.0": "guacamole"}},
		{".replay.json", "lion", "rdp", map[string]string{"4.2.0": "parts"}},
	} {
		for version, want := range tt.want {
			v, err := parseVersion(version)
			if err != nil {
				t.Fatal(err)
			}
			if got := playerOf(v, sid+tt.name, Session{TerminalType: tt.terminal, Protocol: tt.protocol}); got != want {
				t.Errorf("%s %s of %s/%s: %s", version, tt.name, tt.terminal, tt.protocol, got)
			}
		}
	}
}
