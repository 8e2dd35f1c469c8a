package devcore

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// download handles GET sessions/*/replay/download/: it makes a tar for the offline
// player, in the folder of the replay, and sends it.
//
// Core can send only bytes here, no JSON. If the error is an object, it sends the
// names of the object's fields.
func (c *Core) download(r *call) reply {
	if accept := r.Header.Get("Accept"); accept != "" && !strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/octet-stream") {
		return refuse(http.StatusNotAcceptable, "not_acceptable", "Could not satisfy the request Accept header.")
	}
	s, refusal := c.session(r)
	if refusal != nil {
		return asBytes(r, *refusal)
	}
	if r.v.tarsByNginx() {
		c.mu.Lock()
		c.tars[r.who], refusal = throttle(c.tars[r.who], c.opt.Now(), time.Hour, tarsPerHour)
		c.mu.Unlock()
		if refusal != nil {
			return *refusal
		}
	}
	rel, _, err := c.find(r.Context(), r.v, s)
	if err != nil {
		return asBytes(r, reply{status: http.StatusNotFound, body: object{"error": c.notFound()}})
	}
	var file string
	if r.v.hasParts() && strings.HasSuffix(rel, suffixIndex) {
		file, err = c.tarParts(r, s)
	} else {
		file, err = c.tarFlat(r, s, rel)
	}
	if err != nil {
		return asBytes(r, reply{status: http.StatusNotFound, body: object{"error": err.Error()}})
	}
	r.w.Header().Set("Content-Type", "application/octet-stream")
	r.w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+s.ID+".tar")
	if r.v.tarsByNginx() {
		below := strings.TrimPrefix(filepath.ToSlash(file), filepath.ToSlash(c.media))
		return reply{status: http.StatusOK, header: map[string]string{"X-Accel-Redirect": "/private-media" + below}}
	}
	http.ServeFile(r.w, r.Request, file)
	return reply{}
}

// asBytes writes an error in that form.
func asBytes(r *call, a reply) reply {
	body, isObject := a.body.(object)
	if !isObject || a.status != http.StatusNotFound {
		return a
	}
	names := ""
	for _, name := range []string{"error", "detail", "code"} { // in core's order
		if _, found := body[name]; found {
			names += name
		}
	}
	r.w.Header().Set("Content-Type", "application/octet-stream")
	r.w.WriteHeader(a.status)
	_, _ = r.w.Write([]byte(names)) // the caller may have disconnected
	return reply{}
}

// tarFlat writes S.json and S.tar beside a replay that is one file, again for each
// download.
func (c *Core) tarFlat(r *call, s Session, rel string) (string, error) {
	dir := filepath.Dir(c.abs(rel))
	detail, err := json.Marshal(c.view(r, s))
	if err != nil {
		return "", err
	}
	meta := filepath.Join(dir, s.ID+".json")
	if err := os.WriteFile(meta, detail, 0o644); err != nil {
		return "", err
	}
	to := filepath.Join(dir, s.ID+".tar")
	return to, pack(to, c.abs(rel), meta)
}

// tarParts writes D/S/S.tar with the index and all files that it lists. If the tar
// exists it is sent as it is, even if the files have changed.
func (c *Core) tarParts(r *call, s Session) (string, error) {
	rel, err := c.findPart(r.Context(), r.v, s, s.ID+suffixIndex)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(c.abs(rel))
	if err != nil {
		return "", err
	}
	var index struct {
		Files []struct {
			Name string `json:"name"`
		} `json:"files"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return "", err
	}
	files := []string{c.abs(rel)}
	for _, f := range index.Files {
		if f.Name == "" {
			continue
		}
		part, err := c.findPart(r.Context(), r.v, s, f.Name)
		if err != nil {
			return "", err
		}
		files = append(files, c.abs(part))
	}
	to := filepath.Join(filepath.Dir(c.abs(rel)), s.ID+".tar")
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	return to, pack(to, files...)
}

// pack writes a tar of files under their base names.
func pack(to string, files ...string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	w := tar.NewWriter(out)
	for _, name := range files {
		if err := add(w, name); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), out.Close())
}

func add(w *tar.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h, err := tar.FileInfoHeader(st, "")
	if err != nil {
		return err
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	// Copy only the promised size: the file may grow meanwhile.
	_, err = io.CopyN(w, f, st.Size())
	return err
}
