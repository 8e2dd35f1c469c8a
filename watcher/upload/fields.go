package upload

import (
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/http"
)

// Bounds of what a form holds beside its file, in bytes.
const (
	maxField = 64 << 10 // of a field's text
	// maxBetween is what may come until the next part begins: its head, and what
	// nobody has read of the part before. The library itself would take 10 MB of
	// head a part into memory.
	maxBetween = 128 << 10
)

// formReader reads a form part by part.
type formReader struct {
	form *multipart.Reader
	body *allowance
}

// newForm reads the form in a request's body. Its errors carry a status.
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

// next is the next part; [io.EOF] after the last.
func (f *formReader) next() (*multipart.Part, error) {
	f.body.left = maxBetween
	return f.form.NextPart()
}

// file lets a part be as long as it likes: whoever reads it looks at the room.
func (f *formReader) file(part *multipart.Part) io.Reader {
	f.body.left = math.MaxInt64
	return part
}

// text is the text of a field.
func (f *formReader) text(part *multipart.Part) (string, error) {
	f.body.left = maxBetween
	value, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err == nil && len(value) > maxField {
		err = errField
	}
	return string(value), err
}

var errField = errors.New("a field or its head is too long")

// allowance is a body of which only so much may be read on.
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
