package storagetest

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Broken says how to open a storage with faults. Fields that are nil are not
// tested.
type Broken struct {
	// Through opens the storage through a front.
	Through func(t *testing.T, f *Front) storage.Storage
	// Server is the server behind the front.
	Server                       *Server
	WrongKey, NoBucket, ReadOnly Opener
	Unreachable                  Opener
	// ClockCode is how the real server refuses a request with a wrong time; the
	// server in the tests accepts any time.
	ClockCode Fault
	// Archived are the headers of an object that must be restored before it can be
	// read. ArchivedCode is the refusal to read it.
	Archived     http.Header
	ArchivedCode Fault
	// These recognize requests: the upload of a part, the last request of a
	// multipart upload, the upload of a small object, a download.
	PartOf, CompletionOf, SmallUploadOf, DownloadOf func(r *http.Request) bool
}

// Faults checks the results of requests that fail.
func Faults(t *testing.T, b Broken) {
	Heavy(t)
	open := func(t *testing.T) (storage.Storage, *Front) {
		f := NewFront(t, b.Server.URL)
		s := b.Through(t, f)
		empty(t, s)
		return s, f
	}
	// nth makes only the nth matching request fail.
	nth := func(n int64, match func(*http.Request) bool, fault Fault) func(*http.Request) Fault {
		var seen atomic.Int64
		return func(r *http.Request) Fault {
			if match(r) && seen.Add(1) == n {
				return fault
			}
			return Fault{}
		}
	}
	body := Large(LargeSize)

	t.Run("a connection cut within a part", func(t *testing.T) {
		s, f := open(t)
		f.Spoil(nth(3, b.PartOf, Fault{CutUpload: 5 << 20}))
		if err := storage.Publish(t.Context(), s, MP4, body); err != nil {
			t.Fatal(err)
		}
		// What was sent before the cut is not sent again.
		if sent := s.Usage().Sent; sent > LargeSize+(20<<20) {
			t.Errorf("sent %d MB", sent>>20)
		}
	})
	t.Run("the answer to the whole is lost", func(t *testing.T) {
		s, f := open(t)
		f.Spoil(nth(1, b.CompletionOf, Fault{LoseAnswer: true}))
		if err := storage.Publish(t.Context(), s, MP4, body); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a bit changed on the way", func(t *testing.T) {
		s, f := open(t)
		f.Spoil(nth(1, b.SmallUploadOf, Fault{Flip: true}))
		if err := storage.Publish(t.Context(), s, MP4, Body("the video")); err != nil {
			// Servers that sign bodies see a wrong signature, which is correct.
			if !errors.Is(err, storage.ErrDamaged) && !errors.Is(err, storage.ErrCredentials) {
				t.Fatal(err)
			}
			if err := storage.Publish(t.Context(), s, MP4, Body("the video")); err != nil {
				t.Fatal(err)
			}
		}
		if got := get(t, s, MP4, 0); got != "the video" {
			t.Errorf("%q", got)
		}
	})
	t.Run("a download cut again and again", func(t *testing.T) {
		s, f := open(t)
		text := strings.Repeat("0123456789", 300_000)
		put(t, s, Gz, text)
		var cuts atomic.Int64
		f.Spoil(func(r *http.Request) Fault {
			if b.DownloadOf(r) && cuts.Add(1) <= 2 {
				return Fault{CutDownload: 1_000_003}
			}
			return Fault{}
		})
		before := s.Usage()
		to := filepath.Join(t.TempDir(), "x")
		if _, err := storage.Download(t.Context(), s, Gz, to, 0); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(to); err != nil || string(got) != text {
			t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
		}
		if got := s.Usage().Sub(before).Received; cuts.Load() != 3 || got > int64(len(text))+100_000 {
			t.Errorf("%d downloads, %d bytes for %d", cuts.Load(), got, len(text))
		}
	})
	t.Run("a storm that passes", func(t *testing.T) {
		s, f := open(t)
		var n atomic.Int64
		f.Spoil(func(*http.Request) Fault {
			if i := n.Add(1); i <= 3 || i == 6 || i == 7 {
				return XMLError(http.StatusServiceUnavailable, "SlowDown")
			}
			return Fault{}
		})
		if err := storage.Publish(t.Context(), s, MP4, Body("the video")); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a storm that stays", func(t *testing.T) {
		s, f := open(t)
		f.Spoil(func(*http.Request) Fault { return XMLError(http.StatusServiceUnavailable, "ServiceUnavailable") })
		began, used := time.Now(), s.Usage()
		_, err := s.List(t.Context(), storage.Query{})
		says(t, err, storage.ErrUnavailable, "temporarily unavailable")
		if d := s.Usage().Sub(used); d.Requests > 12 || time.Since(began) > 40*time.Second {
			t.Errorf("%d requests in %s", d.Requests, time.Since(began))
		}
	})
	t.Run("an archived object", func(t *testing.T) {
		s, f := open(t)
		put(t, s, Gz, "original")
		f.Spoil(func(r *http.Request) Fault {
			switch {
			case r.Method == http.MethodHead:
				return Fault{Header: b.Archived}
			case b.DownloadOf(r):
				return b.ArchivedCode
			}
			return Fault{}
		})
		if o, err := s.Stat(t.Context(), Gz); err != nil || !o.Archived {
			t.Errorf("%+v, %v", o, err)
		}
		_, err := storage.Download(t.Context(), s, Gz, filepath.Join(t.TempDir(), "x"), 0)
		says(t, err, storage.ErrArchived, "restore it")
		_, err = s.Get(t.Context(), Gz, 0)
		says(t, err, storage.ErrArchived, "restore it")
	})
	t.Run("a clock that is years behind", func(t *testing.T) {
		s, f := open(t)
		if b.ClockCode.Status > 0 {
			f.Spoil(func(*http.Request) Fault { return b.ClockCode })
			_, err := s.List(t.Context(), storage.Query{})
			says(t, err, storage.ErrClock, "NTP")
			return
		}
		// The connection ends with the response, and its goroutines with it.
		f.Spoil(func(*http.Request) Fault { return Fault{Header: http.Header{"Connection": {"close"}}} })
		synctest.Test(t, func(t *testing.T) { // in it, the year is 2000
			s := b.Through(t, f)
			_, err := s.List(t.Context(), storage.Query{})
			says(t, err, storage.ErrClock, "NTP")
			says(t, s.Put(t.Context(), MP4, Body("x")), storage.ErrClock, "NTP")
		})
	})
	refusals(t, b)
}

// refusals are permanent: requests are not retried, and nothing changes.
func refusals(t *testing.T, b Broken) {
	for _, tt := range []struct {
		name  string
		open  Opener
		want  error
		text  string
		reads bool // only writes are refused
	}{
		{"a wrong key", b.WrongKey, storage.ErrCredentials, "access key", false},
		{"a missing bucket", b.NoBucket, storage.ErrNoBucket, "no such bucket", false},
		{"a read-only bucket", b.ReadOnly, storage.ErrForbidden, "rights to", true},
		{"nobody listens", b.Unreachable, storage.ErrUnavailable, "cannot be reached", false},
	} {
		if tt.open == nil {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.open(t).Stat(t.Context(), MP4)
			if tt.reads && errors.Is(err, storage.ErrNotFound) {
				err = storage.Publish(t.Context(), tt.open(t), MP4, Body("x"))
			}
			says(t, err, tt.want, tt.text)
			if errors.Is(tt.want, storage.ErrUnavailable) {
				return
			}
			s := tt.open(t)
			says(t, s.Put(t.Context(), MP4, Body("x")), tt.want, tt.text)
			if n := s.Usage().Requests; n > 3 {
				t.Errorf("%d requests", n)
			}
			if !tt.reads {
				_, err = tt.open(t).List(t.Context(), storage.Query{})
				says(t, err, tt.want, tt.text)
			}
		})
	}
}

// says checks that an error has the right kind, tells what to do and contains no
// secret.
func says(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v: want %v", err, kind)
	}
	var e *storage.Error
	if !errors.As(err, &e) || e.Op == "" || e.Place == "" {
		t.Errorf("%#v", err)
	}
	if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "Signature=") || strings.Contains(err.Error(), "\n")) {
		t.Errorf("not fit to be shown: %v", err)
	}
}
