package recording

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

const (
	maxIndex = 16 << 20 // bytes of a .replay.json
	maxParts = 10_000   // parts of a recording: at 300 MiB each, 3 TB
)

// Index is the .replay.json of a recording in parts: those fields that we need.
// Fields that are absent or invalid are zero.
type Index struct {
	Session string   // id, a lower-case UUID; empty if the field is not a UUID
	Type    string   // guacamole, or mp4 if it was converted
	Files   []string // names of the parts, in the index's order
	About   About    // of the session
}

// About is the description of the session in a recording, or in a file beside it.
type About struct {
	Start       time.Time // zero if unknown
	User, Asset string    // as JumpServer shows them; "" if unknown
}

// aboutText shortens and cleans a name for people: the recorded user may have
// chosen it.
func aboutText(text string) string {
	const maxRunes = 100
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text))
	return string(runes[:min(len(runes), maxRunes)])
}

// parseAbout parses the JSON of a session: an index, core's file of a download, or
// Lion's own.
func parseAbout(data []byte) (About, error) {
	var raw struct {
		DateStart any `json:"date_start"`
		DataStart any `json:"data_start"` // spelling of early builds
		User      any `json:"user"`
		Asset     any `json:"asset"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return About{}, err
	}
	a := About{Start: parseTime(raw.DateStart)}
	if a.Start.IsZero() {
		a.Start = parseTime(raw.DataStart)
	}
	user, _ := raw.User.(string)
	asset, _ := raw.Asset.(string)
	a.User, a.Asset = aboutText(user), aboutText(asset)
	return a, nil
}

// MissingPartError says that a part that the index lists does not exist.
type MissingPartError struct {
	Index string // the index
	Part  string // the missing part's name
}

func (e *MissingPartError) Error() string {
	return fmt.Sprintf("%s lists %s, which is not there", e.Index, e.Part)
}

// IndexError says that a .replay.json cannot be used.
type IndexError struct {
	Index string
	Err   error
}

func (e *IndexError) Error() string { return fmt.Sprintf("%s: not a usable index: %v", e.Index, e.Err) }
func (e *IndexError) Unwrap() error { return e.Err }

// ParseIndex parses a .replay.json.
func ParseIndex(r io.Reader) (*Index, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIndex+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIndex {
		return nil, fmt.Errorf("larger than %d bytes", maxIndex)
	}
	data = withoutBlanks(data)
	var raw struct {
		ID    string `json:"id"`
		Type  string `json:"type"`
		Files []struct {
			Name string `json:"name"`
		} `json:"files"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, err
	}
	if len(raw.Files) == 0 {
		return nil, fmt.Errorf("it lists no parts")
	}
	if len(raw.Files) > maxParts {
		return nil, fmt.Errorf("it lists %d parts", len(raw.Files))
	}
	about, err := parseAbout(data)
	if err != nil {
		return nil, err
	}
	index := &Index{Type: raw.Type, About: about}
	// The id is written into the MP4, and becomes an argument of ffmpeg.
	if id := strings.ToLower(raw.ID); isUUID(id) {
		index.Session = id
	}
	seen := map[string]bool{}
	for _, f := range raw.Files {
		if p := parsePart(f.Name); p == nil || p.Class == ClassLeftover {
			return nil, fmt.Errorf("it lists %q, which is not a part's name", f.Name)
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("it lists %q twice", f.Name)
		}
		seen[f.Name] = true
		index.Files = append(index.Files, f.Name)
	}
	return index, nil
}

// parsePart parses the name of a part of any session; it returns nil for other
// names.
func parsePart(base string) *Name {
	m := partName.FindStringSubmatch(base)
	if m == nil {
		return nil
	}
	n := parseInner(base, m[1])
	return &n
}

// NoIndexError says that there are parts of a recording, but not their index: Lion
// uploads it last.
type NoIndexError struct {
	Index string // where it should be
	Parts int    // number of parts
}

func (e *NoIndexError) Error() string {
	return fmt.Sprintf("%s is not there, and %d of its parts are: the upload has not ended, or was cut", e.Index, e.Parts)
}

// byNumber orders part names by their number: indexes are ordered by name, where 10
// comes before 2.
func byNumber(a, b string) int { return parsePart(a).Part - parsePart(b).Part }

// parseTime parses a date of an index or session; it returns zero for other values.
func parseTime(v any) time.Time {
	text, _ := v.(string)
	for _, layout := range []string{"2006-01-02 15:04:05 -0700", "2006/01/02 15:04:05 -0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
