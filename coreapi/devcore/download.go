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

// download answers GET sessions/*/replay/download/: it makes a tar for the
// offline player, in the folder of the replay, and sends it.
func (c *Core) download(r *call) reply {
	s, refusal := c.session(r)
	if refusal != nil {
		return *refusal
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
		return reply{status: http.StatusNotFound, body: object{"error": "REPLAY not found."}}
	}
	var file string
	if r.v.hasParts() && strings.HasSuffix(rel, suffixIndex) {
		file, err = c.tarParts(r, s)
	} else {
		file, err = c.tarFlat(r, s, rel)
	}
	if err != nil {
		return reply{status: http.StatusNotFound, body: object{"error": err.Error()}}
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

// tarFlat writes S.json and S.tar beside a replay that is one file, anew with
// each download.
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

// tarParts writes D/S/S.tar with the index and all that it lists, once: a tar
// that is there is sent again, whatever has changed since.
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
	// As much as promised: the file may grow meanwhile.
	_, err = io.CopyN(w, f, st.Size())
	return err
}
