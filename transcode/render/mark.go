package render

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Mark is what the MP4 says of its own origin, in its comment: it lets any
// agent tell later whether a recording it meets is the one that the MP4 was
// made from, without keeping a database. A mark is a claim, which anybody can
// write into a video, unless [Sealed] proves it.
type Mark struct {
	Session string    // session id
	Source  string    // Plan.Source
	Start   time.Time // session start, zero when unknown
	Agent   string    // name and version

	Parts      int   // of the recording
	Tail       int64 // uncompressed bytes of the last of them
	Incomplete bool  // the recording may hold more than the video shows
}

// String is the comment: key=value fields divided by "; ".
func (m Mark) String() string {
	fields := []string{"session=" + m.Session, "source=sha256:" + m.Source, "agent=" + m.Agent}
	if !m.Start.IsZero() {
		fields = append(fields, "start="+m.Start.UTC().Format(time.RFC3339))
	}
	if m.Parts > 0 {
		fields = append(fields, fmt.Sprintf("parts=%d; tail=%d", m.Parts, m.Tail))
	}
	if m.Incomplete {
		fields = append(fields, "incomplete=yes")
	}
	return strings.Join(fields, "; ")
}

// ErrNoMark is returned by [ParseMark] for a comment that is not ours.
var ErrNoMark = errors.New("the video was not made by jumpserver-video")

// ParseMark reads a comment as [Mark.String] writes it.
func ParseMark(comment string) (Mark, error) {
	var m Mark
	for field := range strings.SplitSeq(comment, "; ") {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "session":
			m.Session = value
		case "source":
			m.Source, _ = strings.CutPrefix(value, "sha256:")
		case "agent":
			m.Agent = value
		case "start":
			m.Start, _ = time.Parse(time.RFC3339, value)
		case "parts":
			m.Parts, _ = strconv.Atoi(value)
		case "tail":
			m.Tail, _ = strconv.ParseInt(value, 10, 64)
		case "incomplete":
			m.Incomplete = true
		}
	}
	if len(m.Source) != 64 {
		return Mark{}, ErrNoMark
	}
	return m, nil
}

// mark is what a video of the plan says of itself. A session's id is believed
// only if it is one: a recording may claim anything.
func (p *Plan) mark(opt Options, incomplete bool) Mark {
	m := Mark{Session: opt.Session, Source: p.Source, Start: p.Started, Agent: opt.Agent, Incomplete: incomplete}
	if m.Session == "" && uuid.Validate(p.Recording.Session) == nil {
		m.Session = p.Recording.Session
	}
	if n := len(p.Parts); n > 0 {
		m.Parts, m.Tail = n, p.Parts[n-1].Bytes
	}
	return m
}

func (m Mark) metadata(sealed bool) map[string]string {
	title := m.Session
	if title == "" {
		title = "session recording"
	}
	tags := map[string]string{"title": title, "comment": m.String()}
	if sealed {
		tags["comment"] += sealField + unsealed
	}
	if !m.Start.IsZero() {
		tags["creation_time"] = m.Start.UTC().Format(time.RFC3339)
	}
	return tags
}
