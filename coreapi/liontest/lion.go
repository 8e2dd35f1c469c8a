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

// Era is a range of releases of Lion that hand recordings over in one way.
type Era int

const (
	// Raw is v3.3 – v3.10.3. It logs in for a cookie and keeps an event channel
	// open, sends the raw dump in a form, and deletes it when the worker has it.
	Raw Era = iota
	// Cookie is v3.10.4 – v3.10.7. As before, but compressed, and the file stays
	// until the next start, when it goes to core.
	Cookie
	// Keeps is v3.10.8 – v3.10.9. As before, each request with a signature.
	Keeps
	// Signed is later v3.10.x, v4.0 – v4.1. It deletes the file.
	Signed
	// Parts is v4.10.13 and later. A list of parts, then part by part.
	Parts
)

// Eras are all of them.
var Eras = []Era{Raw, Cookie, Keeps, Signed, Parts}

func (e Era) String() string {
	return [...]string{"v3.3 – v3.10.3", "v3.10.4 – v3.10.7", "v3.10.8 – v3.10.9", "v4.0 – v4.1", "v4.10.13"}[e]
}

// minFlat and minPart are the sizes in bytes below which Lion throws a
// recording, or a part of one, away.
const (
	minFlat = 1024
	minPart = 5 << 10
)

// Lion is one Lion. Its methods may be called from several goroutines for
// different sessions.
type Lion struct {
	era    Era
	worker string
	dir    string
	says   string // that it is; a component's type
	file   string // type of its files, as it says
	key    coreapi.Key
	core   *coreapi.Client
	url    string // of core
	http   *http.Client
	store  func(ctx context.Context, key, file string) error
	leave  func() // ends the event channel
}

// Options say where a Lion lives.
type Options struct {
	Core, Worker string // URLs
	Token        string // core's bootstrap token
	Name         string // unique
	Dir          string // of the recordings that it still has
	// Transport carries what goes to the worker; nil is net/http's.
	Transport http.RoundTripper
	// Component and FileType are what it says of itself and of what it sends in
	// forms; empty = lion, and what Lion of that era says.
	Component, FileType string
	// Store puts a file into the storage that Lion is set to, under its key; nil
	// = core's own, through core.
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

// Close ends its connections.
func (l *Lion) Close() {
	l.leave()
	l.core.Close()
	l.http.CloseIdleConnections()
}

// Outcome is where a recording went.
type Outcome struct {
	Task    string // the worker's id of it; "" = it went to core
	Refused error  // why the worker does not have it
	// Tiny tells that the recording was thrown away.
	Tiny bool
}

// ErrNowhere means that neither the worker nor core took a recording: it stays
// where it is, and the next start of Lion tries again.
var ErrNowhere = errors.New("neither the worker nor core took it")

// End hands the recording of a session that is over to the worker, else to
// core. date is the day of the session's start in UTC.
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

// Restart sends what is left of sessions before to where this era sends it:
// the parts to the worker, anything else to core.
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

// toStorage is the fallback: to the storage that core has configured for it.
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
	_ = l.core.Lifecycle(ctx, session, coreapi.UploadSuccess, "") // the oldest cores have none
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
