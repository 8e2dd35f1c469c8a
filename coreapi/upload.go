package coreapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// The replay versions of core. They decide under which name core stores an upload.
const (
	VersionGuacamole = 2 // D/S.replay.gz
	VersionCast      = 3 // D/S.cast.gz
	VersionMP4       = 4 // D/S.replay.mp4
	VersionPart      = 5 // D/S/<name of the file>, from v4.2 on
)

// Upload is the result of an upload.
type Upload struct {
	// URL is where core stored the file, a path such as
	// /media/replay/2024-04-23/<id>.replay.mp4. If the name differs from the
	// expected one, a file of that name existed, and core (before v4.8) stored ours
	// beside it, where nothing reads it.
	URL string
	// Size is how many bytes of the file were sent in the request that succeeded:
	// all of them.
	Size int64
	// Attempts is how many requests sent the file. An earlier one may have
	// succeeded, with its response lost.
	Attempts int
}

// Progress is called as an upload advances, with the bytes of the file sent in this
// attempt and the file's size. Each attempt starts again at 0.
type Progress func(sent, total int64)

// UploadReplay sends the file at path to core as the session's replay of the given
// version. It streams the file from disk and repeats a request that fails midway
// from the start. There is no limit on the total time as long as the upload
// advances. It calls progress, unless that is nil. It does not mark the session:
// see [Client.MarkReplay].
//
// Errors of the file itself are returned wrapped; [ErrTooLarge], [ErrCoreStorage]
// and [ErrBadForm] come from core or a proxy.
func (c *Client) UploadReplay(ctx context.Context, id, file string, version int, progress Progress) (Upload, error) {
	id = strings.ToLower(id)
	f, err := newForm(file, uploadName(id, file, version), version, progress)
	if err != nil {
		return Upload{}, fmt.Errorf("upload replay: %w", err)
	}
	var out struct {
		URL string `json:"url"`
	}
	err = c.session(ctx, id, call{
		op: "upload replay", method: http.MethodPost, path: "replay/", form: f, out: &out, refine: refineUpload,
	})
	if err == nil && out.URL == "" {
		err = fmt.Errorf("upload replay: %w: no url in it", ErrProtocol)
	}
	if err != nil {
		return Upload{}, err
	}
	return Upload{URL: out.URL, Size: f.size, Attempts: f.attempts()}, nil
}

// refineUpload sets the kind of an upload's own errors: {"msg":…} with 401 for a
// bad form and with 400 for an error of core's disk.
func refineUpload(e *Error, a *answer) {
	fields := a.fields()
	if _, ok := fields["msg"]; !ok {
		return
	}
	switch e.Status {
	case http.StatusUnauthorized:
		e.Kind = ErrBadForm
	case http.StatusBadRequest:
		var text string
		if json.Unmarshal(fields["msg"], &text) == nil {
			e.Kind = ErrCoreStorage
		}
	}
}

// uploadName returns the name that core gives the file; for version 5 core uses
// ours.
func uploadName(id, file string, version int) string {
	switch version {
	case VersionGuacamole:
		return id + ".replay.gz"
	case VersionCast:
		return id + ".cast.gz"
	case VersionMP4:
		return id + ".replay.mp4"
	default:
		return filepath.Base(file)
	}
}

// form is a multipart body that contains a file: text fields first, the file last,
// the same bytes each time it is opened.
type form struct {
	file        string
	size        int64
	head, tail  []byte
	contentType string
	progress    Progress

	mu    sync.Mutex // guards what follows
	err   error      // first failure to read the file
	begun int        // how often sending began
}

func newForm(file, name string, version int, progress Progress) (*form, error) {
	if version < VersionGuacamole || version > VersionPart {
		return nil, fmt.Errorf("%w: version %d", ErrBadForm, version)
	}
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", file)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	// Writing to a buffer does not fail.
	_ = w.WriteField("version", strconv.Itoa(version))
	_, _ = w.CreateFormFile("file", name)
	head := bytes.Clone(b.Bytes())
	b.Reset()
	_ = w.Close()
	return &form{
		file: file, size: st.Size(), head: head, tail: bytes.Clone(b.Bytes()),
		contentType: w.FormDataContentType(), progress: progress,
	}, nil
}

// length returns the exact length of the body.
func (f *form) length() int64 { return int64(len(f.head)) + f.size + int64(len(f.tail)) }

// open returns a reader of the body from its start. Each has its own file, because
// the transport can still read an earlier one for a moment.
func (f *form) open() (io.Reader, error) {
	file, err := os.Open(f.file)
	if err != nil {
		return nil, f.fail(err)
	}
	part := &formFile{form: f, file: file}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(f.head), part, bytes.NewReader(f.tail)), file}, nil
}

func (f *form) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begun++
}

func (f *form) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun
}

// fail stores the first error of the file and returns it.
func (f *form) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

// failed returns the error of the file, if that was why an attempt failed.
func (f *form) failed() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// formFile reads the file within its body. It fails if the file does not have the
// size that the Content-Length was computed from.
type formFile struct {
	form *form
	file *os.File
	sent int64
}

func (r *formFile) Read(p []byte) (int, error) {
	if r.sent == 0 {
		r.form.begin()
	}
	n, err := r.file.Read(p)
	r.sent += int64(n)
	switch {
	case r.sent > r.form.size, err == io.EOF && r.sent < r.form.size:
		return 0, r.form.fail(fmt.Errorf("%s changed while it was sent", r.form.file))
	case err != nil && err != io.EOF && !errors.Is(err, os.ErrClosed):
		return n, r.form.fail(err)
	}
	if n > 0 {
		if r.form.progress != nil {
			r.form.progress(r.sent, r.form.size)
		}
	}
	return n, err
}
