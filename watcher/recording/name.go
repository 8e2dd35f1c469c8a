package recording

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Class says what a name below the replay folder stands for.
type Class int

// The classes of names; the package comment describes the layouts.
const (
	ClassForeign    Class = iota // an unknown name
	ClassOriginal                // D/S.replay.gz
	ClassDump                    // D/S.guac, D/S: a dump as written by a component; core never serves it
	ClassIndex                   // D/S/S.replay.json
	ClassPart                    // D/S/S.N.part.gz
	ClassPartVideo               // D/S/S.N.part.mp4
	ClassPartMeta                // D/S/S.N.part.meta, left by a crashed Lion
	ClassLeftover                // D/S/S.N.part, D/S/S.json, D/S/upload/…: files of Lion's own folder
	ClassVideo                   // D/S.replay.mp4
	ClassCast                    // D/S.cast.gz, a terminal session
	ClassDownload                // D/S.json, D/S.tar, D/S/S.tar: made by core when someone downloads
	ClassInProgress              // being downloaded by core
	ClassCollision               // D/S.replay_XXXXXXX.gz and the like: a second upload on core before 4.8
	ClassHidden                  // any path with an element that begins with a dot, including the trash
)

var classNames = [...]string{"foreign", "original", "dump", "index", "part", "part video", "part meta", "leftover", "video", "cast", "download",
	"in progress", "collision", "hidden"}

func (c Class) String() string { return classNames[c] }

// MarshalText returns String.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText parses what String returns.
func (c *Class) UnmarshalText(text []byte) error {
	i := slices.Index(classNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a class of names", text)
	}
	*c = Class(i)
	return nil
}

// Name is a parsed name. Date and Session are empty if the class has none.
type Name struct {
	Class   Class
	Date    string // YYYY-MM-DD
	Session string // lower-case UUID
	Part    int    // of ClassPart, ClassPartVideo, ClassPartMeta, and of a ClassLeftover that is a part
}

const uuidPattern = `([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`

var (
	flatName = regexp.MustCompile(`^` + uuidPattern + `(\..+|_.+)$`)
	partName = regexp.MustCompile(`^` + uuidPattern + `\.(\d{1,9})\.part(?:\.(gz|mp4|meta))?$`)
	// Django inserts _ and 7 characters before the last extension.
	collisionSuffix = regexp.MustCompile(`^\.(replay|cast)_[A-Za-z0-9]{7}\.(gz|mp4)$|^_[A-Za-z0-9]{7}\.(gz|json|tar)$`)
	// Core's own downloads add .tmp and a Unix time, boto adds 8 hex digits.
	progressSuffix = regexp.MustCompile(`\.tmp\d*$|\.(gz|mp4|json)\.[0-9a-fA-F]{8}$`)
)

// ParseName parses rel, which is relative to the replay folder, with slashes.
func ParseName(rel string) Name {
	elements := strings.Split(rel, "/")
	for _, e := range elements {
		if strings.HasPrefix(e, ".") {
			return Name{Class: ClassHidden}
		}
	}
	leftover := len(elements) == 4 && elements[2] == uploadFolder
	if leftover {
		elements = slices.Delete(elements, 2, 3)
	}
	if len(elements) < 2 || len(elements) > 3 || !isDate(elements[0]) || strings.ContainsFunc(rel, unicode.IsControl) {
		return Name{}
	}
	if len(elements) == 2 {
		return parseFlat(elements[0], elements[1])
	}
	n := parseInner(elements[2], elements[1])
	if n.Class != ClassForeign {
		n.Date = elements[0]
		if leftover {
			n.Class = ClassLeftover
		}
	}
	return n
}

// uploadFolder is where Lion keeps files that it has not uploaded yet, below the
// session's folder.
const uploadFolder = "upload"

func parseFlat(date, base string) Name {
	if session, _ := strings.CutSuffix(base, ".guac"); isUUID(session) {
		return Name{Class: ClassDump, Date: date, Session: session}
	}
	m := flatName.FindStringSubmatch(base)
	if m == nil {
		return Name{}
	}
	n := Name{Date: date, Session: m[1]}
	switch suffix := m[2]; {
	case suffix == ".replay.gz":
		n.Class = ClassOriginal
	case suffix == ".replay.mp4":
		n.Class = ClassVideo
	case suffix == ".cast.gz":
		n.Class = ClassCast
	case suffix == ".json" || suffix == ".tar":
		n.Class = ClassDownload
	case progressSuffix.MatchString(suffix):
		n.Class = ClassInProgress
	case collisionSuffix.MatchString(suffix):
		n.Class = ClassCollision
	default:
		return Name{}
	}
	return n
}

// parseInner is ParseName for a file in the folder of a session.
func parseInner(base, folder string) Name {
	if m := partName.FindStringSubmatch(base); m != nil && m[1] == folder {
		number, err := strconv.Atoi(m[2])
		if err != nil {
			return Name{}
		}
		class := map[string]Class{"": ClassLeftover, "gz": ClassPart, "mp4": ClassPartVideo, "meta": ClassPartMeta}[m[3]]
		return Name{Class: class, Session: m[1], Part: number}
	}
	suffix, ok := strings.CutPrefix(base, folder)
	if !ok || !isUUID(folder) {
		return Name{}
	}
	n := Name{Session: folder}
	switch {
	case suffix == ".replay.json":
		n.Class = ClassIndex
	case suffix == ".tar":
		n.Class = ClassDownload
	case suffix == ".json":
		n.Class = ClassLeftover
	case progressSuffix.MatchString(suffix):
		n.Class = ClassInProgress
	default:
		return Name{}
	}
	return n
}

var uuidOnly = regexp.MustCompile(`^` + uuidPattern + `$`)

func isUUID(s string) bool { return uuidOnly.MatchString(s) }

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
