package liontest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const profilePath = "/api/v1/users/profile/"

// sign signs a request to the worker. Up to v3.10.7 the signature is for the
// request's own path, later as for a request to core for the profile.
func (l *Lion) sign(r *http.Request) error {
	if l.era == Raw || l.era == Cookie {
		l.key.Sign(r)
		return nil
	}
	virtual, err := http.NewRequestWithContext(r.Context(), http.MethodGet, l.url+profilePath, nil)
	if err != nil {
		return err
	}
	l.key.Sign(virtual)
	for _, name := range []string{"Authorization", "Date"} {
		r.Header.Set(name, virtual.Header.Get(name))
	}
	r.Header.Set("X-JMS-ORG", "ROOT")
	return nil
}

// answer sends a request and stores the decoded response in into. A status of 400 or
// more is an error, and so is JSON of another form.
func (l *Lion) answer(r *http.Request, into any) error {
	resp, err := l.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", r.Method, r.URL.Path, resp.Status, bytes.TrimSpace(body))
	}
	if into != nil && strings.Contains(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(body, into); err != nil {
			return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, err)
		}
	}
	return nil
}

// taskAnswer is what v3 decodes; fields of other types are errors.
type taskAnswer struct {
	ID            string `json:"id"`
	RootDir       string `json:"root_dir"`
	DateCreated   string `json:"date_created"`
	SessionID     string `json:"session_id"`
	ComponentType string `json:"component_type"`
	FileType      string `json:"file_type"`
	SessionDate   string `json:"session_date"`
	MaxFrame      int    `json:"max_frame"`
	Width         int    `json:"width"`
	Height        int    `json:"height"`
	Bitrate       int    `json:"bitrate"`
	ReplayMP4Path string `json:"replay_mp4_path"`
	ReplayPath    string `json:"replay_path"`
	Status        string `json:"status"`
	Error         string `json:"error"`
}

// sendForm sends a recording and its description as a form: the fields in random
// order, the file last.
func (l *Lion) sendForm(ctx context.Context, session, date, path string) (string, error) {
	fields := [][2]string{
		{"session_id", session}, {"component_type", l.says}, {"file_type", l.file}, {"session_date", date},
		{"width", "1920"}, {"height", "1080"}, {"bitrate", "1"},
	}
	rand.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	var a taskAnswer
	err := l.post(ctx, "/api/v2/replay/sessions/"+session+"/task/", fields, path, &a)
	return a.ID, err
}

// post sends a form with a file, streamed from disk.
func (l *Lion) post(ctx context.Context, path string, fields [][2]string, file string, into any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	body, w := io.Pipe()
	defer func() { _ = body.Close() }() // ends the writer below
	form := multipart.NewWriter(w)
	go func() {
		w.CloseWithError(func() error {
			for _, field := range fields {
				if err := form.WriteField(field[0], field[1]); err != nil {
					return err
				}
			}
			part, err := form.CreateFormFile("file", filepath.Base(file))
			if err != nil {
				return err
			}
			if _, err := io.Copy(part, f); err != nil {
				return err
			}
			return form.Close()
		}())
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.worker+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	if err := l.sign(r); err != nil {
		return err
	}
	return l.answer(r, into)
}

// part describes a file of a recording in parts.
type part struct {
	Name     string `json:"name"`
	Start    int64  `json:"start"`    // milliseconds of guacd's clock
	End      int64  `json:"end"`      // likewise
	Duration int64  `json:"duration"` // milliseconds
	Size     int64  `json:"size"`     // bytes, uncompressed
	Checksum string `json:"checksum"` // SHA-256 of the file, hex
}

// meta returns what Lion sends about a recording in parts.
func (l *Lion) meta(session, date string, files []string) (map[string]any, error) {
	parts := []part{}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		sum := sha256.New()
		n, err := io.Copy(sum, f)
		var trailer [4]byte
		if err == nil && n >= int64(len(trailer)) {
			_, err = f.ReadAt(trailer[:], n-int64(len(trailer)))
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{Name: filepath.Base(path), Start: 912345678, End: 914999000, Duration: 2653322,
			Size: int64(binary.LittleEndian.Uint32(trailer[:])), Checksum: hex.EncodeToString(sum.Sum(nil))})
	}
	return map[string]any{
		"id": session, "user": "Lee(lee)", "asset": "win-07(10.3.4.7)", "account": "ops(ops)", "login_from": "WT",
		"remote_addr": "10.9.9.9", "protocol": "rdp", "date_start": date + " 09:00:00 +0000", "date_end": date + " 10:00:00 +0000",
		"type": "guacamole", "files": parts,
	}, nil
}

// sendParts announces a recording and sends its parts one after the other. Each
// request has the task's id and the part's index in the list.
func (l *Lion) sendParts(ctx context.Context, session, date string, files []string) (string, error) {
	meta, err := l.meta(session, date, files)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(map[string]any{
		"config": map[string]int{"MaxFrame": 0, "Width": 1920, "Height": 1080, "Bitrate": 1}, "meta": meta,
	})
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.worker+"/api/v2/replay/sessions/"+session+"/task/", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if err := l.sign(r); err != nil {
		return "", err
	}
	var task struct {
		ID string `json:"id"`
	}
	if err := l.answer(r, &task); err != nil {
		return "", err
	}
	for i, path := range files {
		var stored struct {
			OK    bool   `json:"ok"`
			Error string `json:"error_message"`
		}
		if err := l.post(ctx, "/api/v2/replay/sessions/"+task.ID+"/task/upload/"+strconv.Itoa(i), nil, path, &stored); err != nil {
			return "", err
		}
		if !stored.OK {
			return "", errors.New("the worker did not take a part: " + stored.Error)
		}
	}
	return task.ID, nil
}
