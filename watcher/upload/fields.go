package upload

import (
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
)

// Limits of a form, excluding its file, in bytes.
const (
	maxField = 64 << 10 // of a field's text
	// maxBetween limits what precedes the next part: its header, and the unread
	// rest of the previous part. The library itself would read 10 MB of header per
	// part into memory.
	maxBetween = 128 << 10
)

// formReader reads a form part by part.
type formReader struct {
	form *multipart.Reader
	body *allowance
}

// newForm returns a reader of the form in a request's body. Its errors contain a
// status.
func newForm(r *http.Request) (*formReader, error) {
	f := &formReader{body: &allowance{ReadCloser: r.Body}}
	r.Body = f.body
	form, err := r.MultipartReader()
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "the form: %w", err)
	}
	f.form = form
	return f, nil
}

// next returns the next part; [io.EOF] after the last.
func (f *formReader) next() (*multipart.Part, error) {
	f.body.left = maxBetween
	return f.form.NextPart()
}

// file removes the limit for a part that is a file: its reader checks the free
// space.
func (f *formReader) file(part *multipart.Part) io.Reader {
	f.body.left = math.MaxInt64
	return part
}

// text returns the text of a field.
func (f *formReader) text(part *multipart.Part) (string, error) {
	f.body.left = maxBetween
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err == nil && len(value) > maxField {
		err = errField
	}
	return string(value), err
}

var errField = errors.New("a field or its header is too long")

// allowance is a body of which only a limited number of bytes may be read.
type allowance struct {
	io.ReadCloser
	left int64 // bytes
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errField
	}
	if int64(len(p)) > a.left {
		p = p[:a.left]
	}
	n, err := a.ReadCloser.Read(p)
	a.left -= int64(n)
	return n, err
}
