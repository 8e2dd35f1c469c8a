package render

import (
	"errors"
	"strings"
	"time"
)

// Mark is what the MP4 says of its own origin, in its comment: it lets any
// agent tell later whether a recording it meets is the one that the MP4 was
// made from, without keeping a database.
type Mark struct {
	Session string    // session id
	Source  string    // Plan.Source
	Start   time.Time // session start, zero when unknown
	Agent   string    // name and version
}

// String is the comment: key=value fields divided by "; ".
func (m Mark) String() string {
	fields := []string{"session=" + m.Session, "source=sha256:" + m.Source, "agent=" + m.Agent}
	if !m.Start.IsZero() {
		fields = append(fields, "start="+m.Start.UTC().Format(time.RFC3339))
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
		}
	}
	if len(m.Source) != 64 {
		return Mark{}, ErrNoMark
	}
	return m, nil
}

func (p *Plan) metadata(agent string) map[string]string {
	mark := Mark{Session: p.Recording.Session, Source: p.Source, Start: p.Started, Agent: agent}
	title := mark.Session
	if title == "" {
		title = "session recording"
	}
	tags := map[string]string{"title": title, "comment": mark.String()}
	if !mark.Start.IsZero() {
		tags["creation_time"] = mark.Start.UTC().Format(time.RFC3339)
	}
	return tags
}
