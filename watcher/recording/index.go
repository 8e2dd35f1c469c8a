package recording

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	maxIndex = 16 << 20 // bytes of a .replay.json
	maxParts = 10_000   // parts of a recording: at 300 MiB each, 3 TB
)

// Index is the .replay.json of a recording in parts, as far as we need it.
// Fields that are absent or odd are zero.
type Index struct {
	Session string    // id, a lower-case UUID; empty when it says anything else
	Type    string    // guacamole, or mp4 for a converted one
	Start   time.Time // session start
	Files   []string  // names of the parts, in the index's order
}

// MissingPartError says that a part that the index lists is not there.
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

// ParseIndex reads a .replay.json.
func ParseIndex(r io.Reader) (*Index, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxIndex+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIndex {
		return nil, fmt.Errorf("larger than %d bytes", maxIndex)
	}
	var raw struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		DateStart any    `json:"date_start"`
		DataStart any    `json:"data_start"` // spelling of early builds
		Files     []struct {
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
	index := &Index{Type: raw.Type, Start: parseTime(raw.DateStart)}
	if index.Start.IsZero() {
		index.Start = parseTime(raw.DataStart)
	}
	// The id becomes part of the MP4, and an argument of ffmpeg's.
	if id := strings.ToLower(raw.ID); isUUID(id) {
		index.Session = id
	}
	seen := map[string]bool{}
	for _, f := range raw.Files {
		if parsePart(f.Name) == nil {
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

// parsePart reads the name of a part of any session; nil when it is none.
func parsePart(base string) *Name {
	m := partName.FindStringSubmatch(base)
	if m == nil {
		return nil
	}
	n := parseInner(base, m[1])
	return &n
}

// byNumber orders part names by the number in them: indexes are ordered by
// name, where 10 comes before 2.
func byNumber(a, b string) int { return parsePart(a).Part - parsePart(b).Part }

// parseTime reads a date of an index or session; zero when it is none.
func parseTime(v any) time.Time {
	text, _ := v.(string)
	for _, layout := range []string{"2006-01-02 15:04:05 -0700", "2006/01/02 15:04:05 -0700", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	return time.Time{}
}
