package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// Kind says what an entry is about.
type Kind string

// Kinds of entries.
const (
	KindOpened     Kind = "opened"            // a section of the ledger begins; Detail says why if it is not the first
	KindRecovered  Kind = "recovered"         // an incomplete last line was moved to a file of its own
	KindReplaced   Kind = "replaced"          // an MP4 has replaced a recording
	KindDeleted    Kind = "original deleted"  // an original is deleted permanently from the trash
	KindMovedAside Kind = "mp4 moved aside"   // an existing MP4 was moved to the trash
	KindMP4Deleted Kind = "mp4 deleted"       // an MP4 is deleted permanently from the trash
	KindRestored   Kind = "original restored" // an operator has an original moved back from the trash
)

// Compared says how the MP4 was checked when it replaced the recording.
type Compared string

// How an MP4 can be checked.
const (
	ComparedDrawn   Compared = "drawn"   // made by this agent: decoded, and samples compared with the rendered frames
	ComparedMark    Compared = "mark"    // the authenticated mark of an existing MP4
	ComparedSampled Compared = "sampled" // samples of an existing MP4, compared with rendered frames
)

// Fate says what happened to the original.
type Fate string

// Fates of originals.
const (
	FateTrash   Fate = "trash"   // moved to Entry.Originals
	FateKept    Fate = "kept"    // left where it was
	FateDeleted Fate = "deleted" // deleted at once
	FateLost    Fate = "lost"    // removed before, not by this agent
	// FateRestored: moved back from the trash for an operator. No entry of the kind
	// replaced has it.
	FateRestored Fate = "restored"
)

// Entry is one fact. The ledger sets Seq, Time, Agent, Key and Prev; a Time that is
// set already is kept.
type Entry struct {
	Seq     int64     `json:"seq"` // number of the line, from 1
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Agent   string    `json:"agent"`
	Key     string    `json:"key,omitempty"`     // of a section: its public key, in the form of ledger.pub
	Session string    `json:"session,omitempty"` // id
	Date    string    `json:"date,omitempty"`    // folder in which core looks for the session's replay, YYYY-MM-DD
	Place   string    `json:"place,omitempty"`   // where the MP4 is: "server", or the bucket's name
	MP4     *MP4      `json:"mp4,omitempty"`     // the MP4 of the replacement, or the one that was moved to the trash
	Source  *Source   `json:"source,omitempty"`  // the recording
	// Compared is set in entries of the kind replaced.
	Compared Compared `json:"compared,omitempty"`
	// Incomplete means that parts of the recording may be missing in the MP4.
	Incomplete bool     `json:"incomplete,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	// Original is what happened to the recording. Originals is where its files and
	// folders are now, relative to the replay folder or with their bucket. In
	// entries of other kinds, Originals is what was deleted or restored, as a path in
	// the trash, or where the MP4 was moved to.
	Original  Fate     `json:"original,omitempty"`
	Originals []string `json:"originals,omitempty"`
	Detail    string   `json:"detail,omitempty"` // for people
	Prev      string   `json:"prev"`             // SHA-256 of the previous line, hex; the last field
}

// MP4 identifies an MP4.
type MP4 struct {
	Path       string `json:"path"`               // relative to the replay folder, or the key in the bucket
	SHA256     string `json:"sha256"`             // of the file, hex
	Size       int64  `json:"size"`               // bytes
	Pictures   string `json:"pictures,omitempty"` // the result of Pictures; "" = unknown
	Frames     int    `json:"frames,omitempty"`
	DurationMS int64  `json:"duration_ms,omitempty"`
}

// Source identifies a recording.
type Source struct {
	// SHA256 identifies the uncompressed content. It is the SHA-256, in hex, of the
	// SHA-256s of the parts in their order, or of the single file.
	SHA256   string    `json:"sha256"`
	Path     string    `json:"path"` // where it was found
	Size     int64     `json:"size"` // stored bytes, of all files together
	Modified time.Time `json:"modified,omitzero"`
	Files    []File    `json:"files,omitempty"` // as stored, if known
}

// File is one file of a recording as it was stored.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes
}

// maxEntry limits an entry, in bytes: a recording of ten thousand parts fits.
const maxEntry = 16 << 20

// ErrEntry is wrapped by the errors of [Ledger.Append] for entries with missing or
// too many fields. A retry does not help.
var ErrEntry = errors.New("not an entry for the ledger")

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check returns an error that says what is missing in an entry.
func (e Entry) check() error {
	var wrong string
	switch e.Kind {
	case KindReplaced:
		switch {
		case e.Source == nil || !hexSHA256.MatchString(e.Source.SHA256):
			wrong = "no SHA-256 of the recording"
		case e.Compared == "":
			wrong = "it does not say how the MP4 was compared"
		}
	case KindDeleted, KindMP4Deleted, KindRestored:
		if len(e.Originals) == 0 {
			wrong = "it does not say what is moved or deleted"
		}
	case KindMovedAside:
	default:
		wrong = fmt.Sprintf("kind %q", e.Kind)
	}
	needsMP4 := e.Kind == KindReplaced || e.Kind == KindMovedAside
	switch {
	case wrong != "":
	case e.Session == "" && e.Kind != KindDeleted && e.Kind != KindMP4Deleted:
		wrong = "no session"
	case needsMP4 && (e.MP4 == nil || !hexSHA256.MatchString(e.MP4.SHA256)):
		wrong = "no SHA-256 of the MP4"
	}
	if wrong != "" {
		return fmt.Errorf("%w: %s: %s", ErrEntry, e.Session, wrong)
	}
	return nil
}

var (
	sessionInName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	dayName       = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
)

// Deleted returns the entry for something that is about to be deleted from the
// trash, where its path is path. Session and date are taken from the path.
func Deleted(path string) Entry {
	date, name := inPath(path)
	e := Entry{Kind: KindDeleted, Session: sessionInName.FindString(name), Date: date, Originals: []string{path}}
	if strings.Contains(name, ".replay.mp4") {
		e.Kind = KindMP4Deleted
	}
	return e
}

// inPath returns the folder of an original, if it is that of a day, and the
// original's name.
func inPath(p string) (date, name string) {
	if date = path.Base(path.Dir(p)); !dayName.MatchString(date) {
		date = ""
	}
	return date, path.Base(p)
}

// fact identifies an entry among those with the same subject. An entry with the
// same fact as the previous one about its subject is a repetition.
type fact [16]byte

// subject returns what the entry is about: an MP4 of a session, or files in the
// trash.
func (e Entry) subject() fact {
	if e.MP4 != nil {
		return factOf(e.Session, e.MP4.SHA256)
	}
	return factOf(append([]string{e.Session, e.Detail}, e.Originals...)...)
}

// said returns what the entry says about its subject. It ignores where the
// originals of a replacement were moved: after a crash, the repeated step may find
// nothing to move any more.
func (e Entry) said() fact {
	fields := []string{string(e.Kind)}
	if e.Source != nil {
		fields = append(fields, e.Source.SHA256, e.Source.Path, fmt.Sprint(e.Source.Size, e.Source.Modified.UnixNano()))
	}
	if e.Kind != KindReplaced {
		fields = append(fields, e.Originals...)
	}
	return factOf(fields...)
}

func factOf(fields ...string) fact {
	h := sha256.New()
	for _, field := range fields {
		fmt.Fprintf(h, "%d %s", len(field), field)
	}
	return fact(h.Sum(nil)[:16])
}

// facts stores the last fact about each subject of recent entries. A repetition
// follows soon, so that much older facts are not needed.
type facts struct{ young, old map[fact]fact }

// maxFacts is the minimum number of subjects that are stored; the maximum is twice
// that.
const maxFacts = 1 << 17

// has reports whether an entry repeats the last one about its subject.
func (f *facts) has(e Entry) bool {
	said, ok := f.young[e.subject()]
	if !ok {
		said, ok = f.old[e.subject()]
	}
	return ok && said == e.said()
}

func (f *facts) add(e Entry) {
	if f.young == nil || len(f.young) >= maxFacts {
		f.young, f.old = map[fact]fact{}, f.young
	}
	f.young[e.subject()] = e.said()
}
