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

// Kind is what an entry tells of.
type Kind string

// Kinds of entries.
const (
	KindOpened     Kind = "opened"           // a section of the ledger begins; Detail says why if it is not the first
	KindRecovered  Kind = "recovered"        // a last line that was incomplete was moved away
	KindReplaced   Kind = "replaced"         // an MP4 is in the place of a recording
	KindDeleted    Kind = "original deleted" // an original leaves the trash for good
	KindMovedAside Kind = "mp4 moved aside"  // an MP4 that was in place went to the trash
	KindMP4Deleted Kind = "mp4 deleted"      // an MP4 that was moved aside leaves the trash for good
)

// Compared is what was known of the MP4 when it replaced the recording.
type Compared string

// What may have been compared.
const (
	ComparedDrawn   Compared = "drawn"   // drawn and encoded by this agent: decoded, and samples compared with what was drawn
	ComparedMark    Compared = "mark"    // the authenticated mark of an MP4 that was in place
	ComparedSampled Compared = "sampled" // samples of an MP4 that was in place, with what the renderer drew
)

// Fate is what became of the original.
type Fate string

// Fates of originals.
const (
	FateTrash   Fate = "trash"   // moved to Entry.Originals
	FateKept    Fate = "kept"    // left in its place
	FateDeleted Fate = "deleted" // deleted at once
)

// Entry is one fact. Seq, Time, Agent, Key and Prev are set by the ledger; a
// Time that is set already is kept.
type Entry struct {
	Seq     int64     `json:"seq"` // number of the line, from 1
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Agent   string    `json:"agent"`
	Key     string    `json:"key,omitempty"`     // of a section: its public key, as ledger.pub has it
	Session string    `json:"session,omitempty"` // id
	Date    string    `json:"date,omitempty"`    // folder in which core looks for the session's replay, YYYY-MM-DD
	Place   string    `json:"place,omitempty"`   // where the MP4 is: "server", or the bucket's name
	MP4     *MP4      `json:"mp4,omitempty"`     // of the replacement, or the one that was moved aside
	Source  *Source   `json:"source,omitempty"`  // the recording
	// Compared is set in entries of the kind replaced.
	Compared Compared `json:"compared,omitempty"`
	// Incomplete means that the MP4 may lack something of the recording.
	Incomplete bool     `json:"incomplete,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	// Original is what became of the recording, and Originals where its files
	// and folders are now, relative to the replay folder or with their bucket.
	// In other kinds Originals is what was deleted, or where the MP4 went.
	Original  Fate     `json:"original,omitempty"`
	Originals []string `json:"originals,omitempty"`
	Detail    string   `json:"detail,omitempty"` // for people
	Prev      string   `json:"prev"`             // SHA-256 of the line before, hex; the last field
}

// MP4 identifies an MP4.
type MP4 struct {
	Path       string `json:"path"`               // relative to the replay folder, or the key in the bucket
	SHA256     string `json:"sha256"`             // of the file, hex
	Size       int64  `json:"size"`               // bytes
	Pictures   string `json:"pictures,omitempty"` // what Pictures returns of it; "" = not known
	Frames     int    `json:"frames,omitempty"`
	DurationMS int64  `json:"duration_ms,omitempty"`
}

// Source identifies a recording.
type Source struct {
	// SHA256 identifies its uncompressed content: the SHA-256, in hex, of the
	// SHA-256s of its parts in their order, or of the one file that it is.
	SHA256   string    `json:"sha256"`
	Path     string    `json:"path"` // where it was found
	Size     int64     `json:"size"` // bytes as stored, all files together
	Modified time.Time `json:"modified,omitzero"`
	Files    []File    `json:"files,omitempty"` // as stored, if they are known
}

// File is one file of a recording as it was stored.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes
}

// maxEntry bounds an entry in bytes: a recording of ten thousand parts fits.
const maxEntry = 16 << 20

// ErrEntry is wrapped by the errors of [Ledger.Append] for entries that say too
// little, or too much. Repeating does not help.
var ErrEntry = errors.New("not an entry for the ledger")

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check returns what an entry lacks.
func (e Entry) check() error {
	var wrong string
	switch e.Kind {
	case KindReplaced:
		switch {
		case e.Source == nil || !hexSHA256.MatchString(e.Source.SHA256):
			wrong = "no SHA-256 of the recording"
		case e.Compared == "":
			wrong = "nothing of what was compared"
		}
	case KindDeleted, KindMP4Deleted:
		if len(e.Originals) == 0 {
			wrong = "nothing of what is deleted"
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

// Deleted returns the entry about something that is about to leave the trash:
// path is where it is there. Session and date are those in the path.
func Deleted(path string) Entry {
	date, name := inPath(path)
	e := Entry{Kind: KindDeleted, Session: sessionInName.FindString(name), Date: date, Originals: []string{path}}
	if strings.Contains(name, ".replay.mp4") {
		e.Kind = KindMP4Deleted
	}
	return e
}

// inPath returns the folder that an original was in, if that is a day's, and
// its name.
func inPath(p string) (date, name string) {
	if date = path.Base(path.Dir(p)); !dayName.MatchString(date) {
		date = ""
	}
	return date, path.Base(p)
}

// fact identifies an entry among those about the same thing, its subject: an
// entry that says the same as the one before about its subject is a repetition.
type fact [16]byte

// subject is what the entry is about: an MP4 of a session, or files in the trash.
func (e Entry) subject() fact {
	if e.MP4 != nil {
		return factOf(e.Session, e.MP4.SHA256)
	}
	return factOf(append([]string{e.Session, e.Detail}, e.Originals...)...)
}

// said is what the entry says of its subject. Where the originals of a
// replacement went is left out: a step that is repeated after a crash may find
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

// facts remembers what was said last of the subjects of recent entries. A
// repetition follows soon: what is much older need not be known.
type facts struct{ young, old map[fact]fact }

// maxFacts is how many subjects are remembered at least; no more than twice as
// many are.
const maxFacts = 1 << 17

// has reports whether an entry says again what was said last of its subject.
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
