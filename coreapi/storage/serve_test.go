package storage_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/azure"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/s3"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
)

const (
	day = storagetest.Day
	sid = storagetest.SID
)

// coreWithStorages is a core with a volume and two external storages; videos are
// stored in the first.
type coreWithStorages struct {
	t           *testing.T
	core        *devcore.Core
	media       string
	home, other storage.Storage
	search      storage.Search
}

var began = time.Date(2024, 4, 23, 17, 15, 7, 0, time.UTC)

// place is a storage, opened by the agent and by core.
type place struct {
	storage.Storage
	core devcore.Bucket
}

func newCoreWithStorages(t *testing.T, version string, home, other place) *coreWithStorages {
	t.Helper()
	s := &coreWithStorages{t: t, media: t.TempDir(), home: home.Storage, other: other.Storage}
	for _, p := range []place{home, other} {
		page, err := p.List(t.Context(), storage.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			if err := p.Delete(t.Context(), o.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
	var err error
	s.core, err = devcore.New(devcore.Options{Version: version, MediaDir: s.media, External: []devcore.Storage{
		{Name: "other", External: other.core}, {Name: "home", External: home.core},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.core.Close() })
	if err := os.MkdirAll(filepath.Join(s.media, "replay"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.core.AddSession(devcore.Session{ID: sid, Protocol: "rdp", TerminalType: "lion", Storage: "other", Start: began, Finished: true})
	s.search = storage.Search{Rules: storage.RulesOf(version), Media: s.media, Replay: filepath.Join(s.media, "replay"), Home: s.home, Others: []storage.Storage{s.other}}
	return s
}

var video = storagetest.Body("the video")

// plays reports whether the UI would play the video, and what it plays.
func (s *coreWithStorages) plays() (bool, string) {
	s.t.Helper()
	r, err := s.core.Served(s.t.Context(), sid)
	if err != nil {
		return false, err.Error()
	}
	b, err := os.ReadFile(r.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Type == "mp4" && string(b) == "the video" && !r.Denied, r.Type + " " + r.URL + ": " + string(b)
}

// put puts a file on the volume ("media:…") or into a storage ("home:…",
// "other:…").
func (s *coreWithStorages) put(at string) {
	s.t.Helper()
	where, key, _ := strings.Cut(at, ":")
	var err error
	switch where {
	case "media":
		path := filepath.Join(s.media, key)
		err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("old"), 0o644))
	case "home":
		err = s.home.Put(s.t.Context(), key, storagetest.Body("old"))
	case "other":
		err = s.other.Put(s.t.Context(), key, storagetest.Body("old"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *coreWithStorages) retire(shadows []storage.Shadow) {
	s.t.Helper()
	for _, x := range shadows {
		var err error
		if x.Storage == nil {
			err = os.Remove(x.Path)
		} else {
			_, err = storage.Trash{Storage: x.Storage}.Retire(s.t.Context(), x.Key)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func s3Place(t *testing.T, server *storagetest.Server, bucket string) place {
	t.Helper()
	client := server.Client(t)
	if ok, err := client.BucketExists(t.Context(), bucket); err != nil || !ok {
		if err := client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{Region: server.Region}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := s3.Open(storage.Config{Kind: storage.KindS3, Bucket: bucket, Endpoint: &url.URL{Scheme: "http", Host: server.URL.Host},
		AccessKey: server.Access, SecretKey: storage.Secret(server.Secret)}, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return place{b, devcore.S3Bucket{Client: client, Name: bucket}}
}

func azurePlace(t *testing.T) place {
	t.Helper()
	server := storagetest.Azure(t)
	client := server.Container(t)
	b, err := azure.OpenAt(storage.Config{Kind: storage.KindAzure, Account: server.Access, AccountKey: storage.Secret(server.Secret), Container: server.Bucket},
		storage.Options{}, client.URL())
	if err != nil {
		t.Fatal(err)
	}
	return place{b, devcore.AzureContainer{Client: client}}
}

// TestTheUIServesTheVideo: for each release, and for files in all places where core
// looks, the list of shadows is empty exactly if the UI plays the published video.
// After the shadows are retired, the UI plays it.
func TestTheUIServesTheVideo(t *testing.T) {
	server := storagetest.S3(t)
	t.Run("s3", func(t *testing.T) { serve(t, s3Place(t, server, "replays"), s3Place(t, server, "others")) })
	t.Run("azure", func(t *testing.T) { serve(t, azurePlace(t), s3Place(t, server, "others")) })
}

func serve(t *testing.T, home, other place) {
	flat := day + "/" + sid
	index := flat + "/" + sid + ".replay.json"
	scenarios := [][]string{nil, {"media:replay/" + flat + ".replay.gz", "home:" + flat + ".replay.gz", "other:" + flat + ".replay.gz"}}
	for _, key := range []string{flat + ".gz", flat + ".replay.gz", flat + ".cast.gz", flat + ".replay.mp4", index, flat + ".json", flat + ".tar",
		flat + ".replay.gz.old", flat + ".replay_aB3dE5g.mp4", "old/" + flat + ".replay.gz"} {
		for _, where := range []string{"media:", "media:replay/", "home:", "other:"} {
			if where != "home:" || key != flat+".replay.mp4" { // that one is the video
				scenarios = append(scenarios, []string{where + key})
			}
		}
	}
	for _, version := range []string{"3.10.9", "4.2.0", "4.8.0", "4.10.13", "4.10.17"} {
		for _, scenario := range scenarios {
			t.Run(version+" "+strings.Join(scenario, " "), func(t *testing.T) {
				s := newCoreWithStorages(t, version, home, other)
				for _, at := range scenario {
					s.put(at)
				}
				replay := storage.Replay{Date: day, Session: sid}
				if err := storage.Publish(t.Context(), s.home, replay.Video(), video); err != nil {
					t.Fatal(err)
				}
				found, err := s.search.Shadows(t.Context(), replay)
				if err != nil {
					t.Fatal(err)
				}
				unknown := s.search
				unknown.Rules = storage.RulesOf("")
				wide, err := unknown.Shadows(t.Context(), replay)
				if err != nil || len(wide) < len(found) {
					t.Errorf("of an unknown release %v, %v", wide, err)
				}
				ok, what := s.plays()
				// For core, a video in another storage is as good as ours. Which
				// one it serves is chance, and this test does not check it.
				another := len(scenario) == 1 && scenario[0] == "other:"+replay.Video()
				if ok != (len(found) == 0) && !another {
					t.Errorf("the UI plays %s; shadows %v", what, found)
				}
				// What core has downloaded meanwhile is a shadow too.
				if found, err = s.search.Shadows(t.Context(), replay); err != nil {
					t.Fatal(err)
				}
				s.retire(found)
				if ok, what := s.plays(); !ok && !another {
					t.Errorf("after retiring %v the UI plays %s", found, what)
				}
			})
		}
	}
}

func TestShadowsNeedTheVolume(t *testing.T) {
	s := storage.Search{Replay: filepath.Join(t.TempDir(), "gone")}
	if _, err := s.Shadows(t.Context(), storage.Replay{Date: day, Session: sid}); err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Error(err)
	}
}

// hollow is an empty storage.
type hollow struct{ storage.Storage }

func (hollow) List(context.Context, storage.Query) (storage.Page, error) { return storage.Page{}, nil }
func (hollow) MatchesPrefixes() bool                                     { return false }

// TestADumpIsNoFolder: Razor's recordings have the name of the folder in which core
// looks for parts.
func TestADumpIsNoFolder(t *testing.T) {
	replay := t.TempDir()
	if err := os.Mkdir(filepath.Join(replay, day), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{sid, sid + ".replay.gz"} {
		if err := os.WriteFile(filepath.Join(replay, day, name), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := storage.Search{Rules: storage.RulesOf(""), Replay: replay, Home: hollow{}}
	found, err := s.Shadows(t.Context(), storage.Replay{Date: day, Session: sid})
	if err != nil || len(found) != 1 || found[0].Key != day+"/"+sid+".replay.gz" {
		t.Errorf("%+v %v", found, err)
	}
}
