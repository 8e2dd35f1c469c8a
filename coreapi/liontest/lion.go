package liontest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

// Era is a range of releases of Lion that send recordings in the same way.
type Era int

const (
	// Raw is v3.3 – v3.10.3. It logs in for a cookie and keeps an event channel
	// open. It sends the uncompressed recording in a form, and deletes it when the
	// worker has it.
	Raw Era = iota
	// Cookie is v3.10.4 – v3.10.7: as before, but compressed. The file stays until
	// the next start, when Lion uploads it to core.
	Cookie
	// Keeps is v3.10.8 – v3.10.9: as before, but each request is signed.
	Keeps
	// Signed is later v3.10.x, v4.0 – v4.1: as before, but it deletes the file.
	Signed
	// Parts is v4.10.13 and later: it sends a list of parts, then part by part.
	Parts
)

// Eras lists all of them.
var Eras = []Era{Raw, Cookie, Keeps, Signed, Parts}

func (e Era) String() string {
	return [...]string{"v3.3 – v3.10.3", "v3.10.4 – v3.10.7", "v3.10.8 – v3.10.9", "v4.0 – v4.1", "v4.10.13"}[e]
}

// minFlat and minPart are uncompressed sizes in bytes. Lion discards a recording,
// or a part of one, that is smaller.
const (
	minFlat = 1024
	minPart = 5 << 10
)

// Lion is one simulated Lion. Its methods may be called from several goroutines for
// different sessions.
type Lion struct {
	era    Era
	worker string
	dir    string
	says   string // the component's type that it sends
	file   string // the type of its files that it sends
	key    coreapi.Key
	core   *coreapi.Client
	url    string // of core
	http   *http.Client
	store  func(ctx context.Context, key, file string) error
	leave  func() // ends the event channel
}

// Options configure a Lion.
type Options struct {
	Core, Worker string // URLs
	Token        string // core's bootstrap token
	Name         string // unique
	Dir          string // folder of the recordings that it still has
	// Transport carries requests to the worker; nil is net/http's.
	Transport http.RoundTripper
	// Component and FileType are the types that it sends in forms for itself and
	// for its files; empty = lion, and what Lion of that era sends.
	Component, FileType string
	// Store puts a file under its key into Lion's replay storage; nil = core's own
	// storage, by uploads to core.
	Store func(ctx context.Context, key, file string) error
	// Again is the time between the end of the event channel and the next
	// login; 0 = 10 seconds, as Lion has it.
	Again time.Duration
}

// Start registers a Lion with core.
func Start(ctx context.Context, era Era, opt Options) (*Lion, error) {
	client, err := coreapi.New(coreapi.Options{BaseURL: opt.Core, UserAgent: "lion"})
	if err != nil {
		return nil, err
	}
	key, err := client.Register(ctx, opt.Token, "[Lion]-"+opt.Name)
	if err != nil {
		client.Close()
		return nil, err
	}
	client.SetKey(key)
	l := &Lion{
		era: era, worker: opt.Worker, dir: opt.Dir, key: key, core: client, url: opt.Core, store: opt.Store, leave: func() {},
		says: cmp.Or(opt.Component, "lion"), file: cmp.Or(opt.FileType, ".gz"),
		http: &http.Client{Transport: opt.Transport, Jar: &jar{}},
	}
	if era == Raw && opt.FileType == "" {
		l.file = ".replay"
	}
	if era == Raw || era == Cookie {
		l.enter(ctx, cmp.Or(opt.Again, 10*time.Second))
	}
	return l, os.MkdirAll(opt.Dir, 0o755)
}

// Close closes its connections.
func (l *Lion) Close() {
	l.leave()
	l.core.Close()
	l.http.CloseIdleConnections()
}

// Outcome is where a recording went.
type Outcome struct {
	Task    string // the worker's id for it; "" = it went to core
	Refused error  // why the worker does not have it
	// Tiny says that Lion discarded the recording.
	Tiny bool
}

// ErrNowhere means that neither the worker nor core accepted a recording. It stays
// in Lion's folder, and the next start of Lion retries.
var ErrNowhere = errors.New("neither the worker nor core accepted it")

// End sends the recording of a finished session to the worker, or to core if that
// fails. date is the day of the session's start in UTC.
func (l *Lion) End(ctx context.Context, session, date string) (Outcome, error) {
	files, err := l.files(session)
	if err != nil || len(files) == 0 {
		return Outcome{Tiny: err == nil}, err
	}
	task, err := l.toWorker(ctx, session, date, files)
	if err == nil {
		if l.era == Cookie || l.era == Keeps {
			return Outcome{Task: task}, nil
		}
		return Outcome{Task: task}, l.forget(session)
	}
	if coreErr := l.toStorage(ctx, session, date, files); coreErr != nil {
		return Outcome{Refused: err}, fmt.Errorf("%w: %w", ErrNowhere, errors.Join(err, coreErr))
	}
	return Outcome{Refused: err}, l.forget(session)
}

// Restart sends what is left of earlier sessions where this era sends it: the parts
// to the worker, everything else to core.
func (l *Lion) Restart(ctx context.Context, date string) error {
	for _, session := range l.Left() {
		if l.era == Parts {
			if _, err := l.End(ctx, session, date); err != nil {
				return err
			}
			continue
		}
		files, err := l.files(session)
		if err != nil {
			return err
		}
		if err := l.toStorage(ctx, session, date, files); err != nil {
			return err
		}
		if err := l.forget(session); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lion) toWorker(ctx context.Context, session, date string, files []string) (string, error) {
	if l.era == Parts {
		return l.sendParts(ctx, session, date, files)
	}
	return l.sendForm(ctx, session, date, files[0])
}

// toStorage is the fallback: it uploads to the storage that core has configured for
// Lion.
func (l *Lion) toStorage(ctx context.Context, session, date string, files []string) error {
	var size int64
	version := coreapi.VersionGuacamole
	if l.era == Parts {
		version = coreapi.VersionPart
		index, err := l.index(session, files)
		if err != nil {
			return err
		}
		files = append(files[:len(files):len(files)], index) // last
	}
	for _, file := range files {
		sent := file
		if l.era == Raw {
			var err error
			if sent, err = compress(file); err != nil {
				return err
			}
			defer os.Remove(sent)
		}
		if err := l.put(ctx, session, date, sent, version); err != nil {
			return err
		}
		st, err := os.Stat(sent)
		if err != nil {
			return err
		}
		size += st.Size()
	}
	_ = l.core.Lifecycle(ctx, session, coreapi.UploadSuccess, "") // the oldest core versions have no lifecycle log
	return l.core.MarkReplay(ctx, session, size)
}

// put stores one file of a recording.
func (l *Lion) put(ctx context.Context, session, date, file string, version int) error {
	if l.store == nil {
		_, err := l.core.UploadReplay(ctx, session, file, version, nil)
		return err
	}
	key := date + "/" + session + ".replay.gz"
	if version == coreapi.VersionPart {
		key = date + "/" + session + "/" + filepath.Base(file)
	}
	return l.store(ctx, key, file)
}

// forget deletes a session's recording.
func (l *Lion) forget(session string) error {
	left, err := filepath.Glob(filepath.Join(l.dir, session+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
