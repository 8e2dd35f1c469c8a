package render

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Mark is the description of an MP4's origin in its comment. With it, any agent can
// find out later whether an MP4 was made from a recording, without a database. A
// mark is only a claim, which anyone can write into a video, unless [Sealed] proves
// it.
type Mark struct {
	Session string    // session id
	Source  string    // Plan.Source
	Start   time.Time // session start, zero if unknown
	Agent   string    // name and version

	Parts      int   // of the recording
	Tail       int64 // uncompressed bytes of the last part
	Incomplete bool  // parts of the recording may be missing in the video

	IdleLimit, LeftOut time.Duration // limit of idle stretches, 0 = none, and how much time was skipped because of it
}

// String returns the comment: key=value fields separated by "; ".
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
	if m.IdleLimit > 0 {
		fields = append(fields, fmt.Sprintf("idle-limit=%s; idle-left-out=%s", m.IdleLimit, m.LeftOut))
	}
	return strings.Join(fields, "; ")
}

// ErrNoMark is returned by [ParseMark] for a comment that is not ours.
var ErrNoMark = errors.New("the video was not made by jumpserver-video")

// ParseMark parses a comment as written by [Mark.String].
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
		case "idle-limit":
			m.IdleLimit, _ = time.ParseDuration(value)
		case "idle-left-out":
			m.LeftOut, _ = time.ParseDuration(value)
		}
	}
	if len(m.Source) != 64 {
		return Mark{}, ErrNoMark
	}
	return m, nil
}

// mark returns the mark of a video of the plan. A session id is used only if it is
// a UUID: a recording may contain anything.
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
	if m.Incomplete { // players show the title
		title += " (incomplete)"
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
