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

// The replay versions of core: which name an upload gets in its storage.
const (
	VersionGuacamole = 2 // D/S.replay.gz
	VersionCast      = 3 // D/S.cast.gz
	VersionMP4       = 4 // D/S.replay.mp4
	VersionPart      = 5 // D/S/<name of the file>, from v4.2 on
)

// Upload is what became of an uploaded replay.
type Upload struct {
	// URL is where core stored it, a path such as
	// /media/replay/2024-04-23/<id>.replay.mp4. A name other than the
	// wanted one means that a file of that name was there and core (before
	// v4.8) stored ours beside it, which nothing serves.
	URL string
}

// Progress is called as an upload advances, with the bytes of the file sent in
// this attempt and the file's size. It starts again at 0 with each attempt.
type Progress func(sent, total int64)

// UploadReplay sends the file at path to core as the session's replay of the
// given version. The file is streamed from disk; a request that fails midway is
// repeated from the start. There is no limit on the time it takes as long as it
// advances, of which progress is told unless it is nil. It does not mark the
// session: see [Client.MarkReplay].
//
// Errors of the file itself come back as they are (wrapped); [ErrTooLarge],
// [ErrCoreStorage] and [ErrBadForm] are core's or a proxy's.
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
	return Upload{URL: out.URL}, nil
}

// refineUpload knows the upload's own answers: {"msg":…} with 401 for a bad
// form and with 400 for an error of core's disk.
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

// uploadName is the name that core gives the file; it takes ours for version 5
// only.
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

// form is a multipart body around a file: text fields first, the file last,
// the same bytes each time it is opened.
type form struct {
	file        string
	size        int64
	head, tail  []byte
	contentType string
	progress    Progress

	mu  sync.Mutex // guards err
	err error      // first failure to read the file
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

// length is the body's, exactly.
func (f *form) length() int64 { return int64(len(f.head)) + f.size + int64(len(f.tail)) }

// open starts the body anew; each has its own file, because an earlier one can
// still be read by the transport for a moment.
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

// fail remembers the first error of the file and returns it.
func (f *form) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

// failed returns the error of the file, if that is why an attempt failed.
func (f *form) failed() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// formFile reads the file within its body and insists on its size, which the
// Content-Length has promised.
type formFile struct {
	form *form
	file *os.File
	sent int64
}

func (r *formFile) Read(p []byte) (int, error) {
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
