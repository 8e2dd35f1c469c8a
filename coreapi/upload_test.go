package coreapi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const uploadedURL = "/media/replay/2024-04-23/" + testSession + ".replay.mp4"

// video writes a file of n bytes, in which all blocks differ.
func video(t *testing.T, n int) (string, []byte) {
	t.Helper()
	var b []byte
	for block := sha256.Sum256(nil); len(b) < n; block = sha256.Sum256(block[:]) {
		b = append(b, block[:]...)
	}
	name := filepath.Join(t.TempDir(), "work.mp4")
	if err := os.WriteFile(name, b[:n], 0o600); err != nil {
		t.Fatal(err)
	}
	return name, b[:n]
}

func TestUploadIsTheFormThatCoreTakes(t *testing.T) {
	file, want := video(t, 100_000)
	type part struct{ Field, File, Type, Text string }
	for _, tt := range []struct {
		version  int
		filename string
	}{
		{VersionMP4, testSession + ".replay.mp4"},
		{VersionGuacamole, testSession + ".replay.gz"},
		{VersionPart, "work.mp4"},
	} {
		var got []part
		var length int64
		requests := 0
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			length = r.ContentLength
			mr, err := r.MultipartReader()
			if err != nil {
				t.Error(err)
				return
			}
			for {
				p, err := mr.NextPart()
				if err != nil {
					break
				}
				b, _ := io.ReadAll(p)
				if p.FileName() != "" && bytes.Equal(b, want) {
					b = []byte("the file")
				}
				got = append(got, part{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), string(b)})
			}
			reply(w, 201, `{"url":"`+uploadedURL+`"}`)
		})
		var sent, total int64
		up, err := c.UploadReplay(t.Context(), testSession, file, tt.version, func(s, n int64) { sent, total = s, n })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]part{
			{Field: "version", Text: string(rune('0' + tt.version))},
			{"file", tt.filename, "application/octet-stream", "the file"},
		}, got); diff != "" {
			t.Error(diff)
		}
		if length <= int64(len(want)) {
			t.Errorf("Content-Length %d", length)
		}
		if up.URL != uploadedURL || requests != 1 || up.Attempts != 1 || up.Size != int64(len(want)) {
			t.Errorf("%+v after %d requests", up, requests)
		}
		if sent != int64(len(want)) || total != sent {
			t.Errorf("progress ended at %d of %d", sent, total)
		}
	}
}

func TestUploadReturnsTheNameThatCoreGave(t *testing.T) {
	file, _ := video(t, 10)
	beside := "/media/replay/2024-04-23/" + testSession + ".replay_a1B2c3D.mp4"
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		reply(w, 201, `{"url":"`+beside+`"}`)
	})
	if up, err := c.UploadReplay(t.Context(), testSession, file, VersionMP4, nil); err != nil || up.URL != beside {
		t.Errorf("%+v, %v", up, err)
	}
}

func TestAnUploadCutMidwayIsRepeatedWhole(t *testing.T) {
	file, want := video(t, 3<<20)
	var mu sync.Mutex
	var bodies [][]byte
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(bodies) < 2 {
			mu.Lock()
			bodies = append(bodies, nil)
			mu.Unlock()
			io.CopyN(io.Discard, r.Body, 1<<20)
			cut(t, w)
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, b)
		reply(w, 201, `{"url":"`+uploadedURL+`"}`)
	})
	up, err := c.UploadReplay(t.Context(), testSession, file, VersionMP4, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 || up.URL != uploadedURL {
		t.Fatalf("%d requests, %+v", len(bodies), up)
	}
	if !bytes.Contains(bodies[2], want) {
		t.Error("the body is not the file's")
	}
}

func TestARefusedUploadIsNotSent(t *testing.T) {
	file, _ := video(t, 8<<20)
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   error
		not    error
	}{
		{"too large for the proxy", 413, "<html>", ErrTooLarge, nil},
		{"bad fields", 401, `{"msg":{"version":["too much"]}}`, ErrBadForm, ErrUnauthorized},
		{"lost key", 401, `{"detail":"Invalid signature.","code":"authentication_failed"}`, ErrUnauthorized, ErrBadForm},
		{"core's disk is full", 400, `{"msg":"[Errno 28] No space left on device"}`, ErrCoreStorage, ErrBadForm},
		{"unknown session", 404, `{"detail":"x","code":"object_does_not_exist"}`, ErrNotFound, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests, sent atomic.Int64
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				reply(w, tt.status, tt.body)
			})
			_, err := c.UploadReplay(t.Context(), testSession, file, VersionMP4, func(n, _ int64) { sent.Store(n) })
			if !errors.Is(err, tt.want) || tt.not != nil && errors.Is(err, tt.not) {
				t.Errorf("got %v", err)
			}
			if requests.Load() != 1 || sent.Load() != 0 {
				t.Errorf("%d requests, %d bytes sent", requests.Load(), sent.Load())
			}
			if lost := len(c.rejected) != 0; lost != errors.Is(tt.want, ErrUnauthorized) {
				t.Errorf("key taken for lost: %v", lost)
			}
		})
	}
}

func TestUploadNeedsNoFileToFail(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { t.Error("request made") })
	file, _ := video(t, 10)
	if _, err := c.UploadReplay(t.Context(), testSession, file+"x", VersionMP4, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := c.UploadReplay(t.Context(), testSession, filepath.Dir(file), VersionMP4, nil); err == nil {
		t.Error("folder accepted")
	}
	if _, err := c.UploadReplay(t.Context(), testSession, file, 6, nil); !errors.Is(err, ErrBadForm) {
		t.Errorf("version 6: %v", err)
	}
	if _, err := c.UploadReplay(t.Context(), "../../etc", file, VersionMP4, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("bad id: %v", err)
	}
}

func TestAFileThatChangesUnderwayIsNotCoresFault(t *testing.T) {
	for name, change := range map[string]func(string) error{
		"shorter": func(f string) error { return os.Truncate(f, 1<<20) },
		"longer":  func(f string) error { return os.WriteFile(f, make([]byte, 9<<20), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := video(t, 8<<20)
			var once sync.Once
			var requests atomic.Int64
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				io.CopyN(io.Discard, r.Body, 1000)
				once.Do(func() {
					if err := change(file); err != nil {
						t.Error(err)
					}
				})
				io.Copy(io.Discard, r.Body)
			})
			_, err := c.UploadReplay(t.Context(), testSession, file, VersionMP4, nil)
			if err == nil || errors.Is(err, ErrUnavailable) || requests.Load() != 1 {
				t.Errorf("%v after %d requests", err, requests.Load())
			}
		})
	}
}

func TestAnUploadThatStandsStillIsRepeated(t *testing.T) {
	file, want := video(t, 8<<20)
	var n atomic.Int32
	release := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			io.CopyN(io.Discard, r.Body, 1000)
			<-release
			return
		}
		mr := multipart.NewReader(r.Body, boundary(r))
		form, err := mr.ReadForm(16 << 20)
		if err != nil {
			return // on a slow machine the upload stalled again
		}
		f, _ := form.File["file"][0].Open()
		defer f.Close()
		if b, _ := io.ReadAll(f); !bytes.Equal(b, want) {
			t.Error("the file differs")
		}
		reply(w, 201, `{"url":"`+uploadedURL+`"}`)
	}, func(o *Options) { o.UploadIdle = 500 * time.Millisecond })
	defer close(release)
	up, err := c.UploadReplay(t.Context(), testSession, file, VersionMP4, nil)
	if err != nil || up.URL != uploadedURL || n.Load() < 2 {
		t.Errorf("%+v, %v, after %d requests", up, err, n.Load())
	}
}

func boundary(r *http.Request) string {
	_, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return params["boundary"]
}
