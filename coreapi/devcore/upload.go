package devcore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// form is an uploaded replay that is not stored yet.
type form struct {
	version int
	name    string   // base name of the file as sent
	file    *os.File // spooled; nil if no file was sent
	errors  object
}

func (f *form) close() {
	if f.file != nil {
		f.file.Close()
		os.Remove(f.file.Name())
	}
}

// upload handles POST sessions/*/replay/.
func (c *Core) upload(r *call) reply {
	s, refusal := c.strictSession(r)
	if refusal != nil {
		return *refusal
	}
	f, err := readForm(r)
	if f != nil {
		defer f.close()
	}
	switch tooLong := new(http.MaxBytesError); {
	case errors.As(err, &tooLong):
		tooLarge(r.w)
		return reply{}
	case errors.Is(err, http.ErrNotMultipart):
		return reply{status: http.StatusUnauthorized, body: object{"msg": object{"file": []string{"No file was submitted."}}}}
	case err != nil:
		return refuse(http.StatusBadRequest, "parse_error", "Multipart form parse error - "+err.Error())
	}
	if len(f.errors) > 0 {
		// The status is 401, although authentication did not fail.
		return reply{status: http.StatusUnauthorized, body: object{"msg": f.errors}}
	}
	rel, err := c.store(r.v, s, f)
	if err != nil {
		return reply{status: http.StatusBadRequest, body: object{"msg": err.Error()}}
	}
	return reply{status: http.StatusCreated, body: object{"url": mediaURL + rel}}
}

// tooLarge responds as the proxy in front of core does.
func tooLarge(w http.ResponseWriter) {
	const page = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n" +
		"<center><h1>413 Request Entity Too Large</h1></center>\r\n</body>\r\n</html>\r\n"
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	_, _ = io.WriteString(w, page)
}

// linger reads some of the rest of the request after the response, as the proxy
// does. Closing at once would reset the connection and lose the response.
func linger(w http.ResponseWriter, rest io.Reader) {
	conn := http.NewResponseController(w)
	if conn.Flush() != nil || conn.SetReadDeadline(time.Now().Add(2*time.Second)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, rest, 64<<20)
}

// readForm reads the fields in any order and streams the file to a temporary one
// outside of the media folder, as core does with large files.
func readForm(r *call) (*form, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	f := &form{version: 2, errors: object{}}
	text := false // the file was sent as text
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return f, err
		}
		switch name := part.FormName(); {
		case name == "file" && isFile(part):
			if err := f.spool(part); err != nil {
				return f, err
			}
		case name == "file":
			text = true
		case name == "version":
			var b bytes.Buffer
			if _, err := io.CopyN(&b, part, 1000); err != nil && !errors.Is(err, io.EOF) {
				return f, err
			}
			f.parseVersion(b.String(), r.v)
		}
	}
	switch {
	case f.file != nil:
	case text:
		f.errors["file"] = []string{"The submitted data was not a file. Check the encoding type on the form."}
	default:
		f.errors["file"] = []string{"No file was submitted."}
	}
	return f, nil
}

// isFile reports whether a part is a file: Django requires a usable file name.
func isFile(p *multipart.Part) bool {
	return strings.Contains(p.Header.Get("Content-Disposition"), "filename")
}

// spool stores the file of the form; if there are several, the last one wins.
func (f *form) spool(p *multipart.Part) error {
	name := cleanName(p.FileName())
	if name == "" {
		return nil // as if no file was sent
	}
	f.close()
	var err error
	if f.file, err = os.CreateTemp("", "devcore-upload-*"); err != nil {
		return err
	}
	f.name = name
	_, err = io.Copy(f.file, p)
	return err
}

// cleanName returns the base name of what a browser or component sends, without
// folders of either style; "" if nothing usable remains.
func cleanName(name string) string {
	name = filepath.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, name)
	if name == "." || name == ".." || name == "/" {
		return ""
	}
	return name
}

// parseVersion checks the bounds of the release; an empty version counts as absent.
func (f *form) parseVersion(text string, v version) {
	delete(f.errors, "version")
	text = strings.TrimSpace(text)
	if text == "" {
		f.version = 2
		return
	}
	n, err := strconv.Atoi(strings.TrimRight(strings.TrimSuffix(text, ".0"), " "))
	switch {
	case err != nil:
		f.errors["version"] = []string{errInteger}
	case n < 2:
		f.errors["version"] = []string{"Ensure this value is greater than or equal to 2."}
	case n > v.maxReplayVersion():
		f.errors["version"] = []string{fmt.Sprintf("Ensure this value is less than or equal to %d.", v.maxReplayVersion())}
	}
	f.version = n
}
