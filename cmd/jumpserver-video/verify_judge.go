package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
)

// verifyStatus is what verify says of an MP4.
type verifyStatus string

const (
	statusUntouched   verifyStatus = "untouched"         // the very file that the ledger tells of
	statusChanged     verifyStatus = "changed"           // another file than the ledger tells of
	statusOtherOne    verifyStatus = "of another"        // the MP4 of another session
	statusOlder       verifyStatus = "older"             // an MP4 of the session that another one replaced
	statusMissing     verifyStatus = "missing"           // there is an entry, and no file
	statusNotInLedger verifyStatus = "not in the ledger" // nothing is known of its session
	statusUnread      verifyStatus = "not read"          // it could not be looked at
)

func (s verifyStatus) code() int {
	switch s {
	case statusUntouched:
		return exitOK
	case statusNotInLedger:
		return exitNotInLedger
	case statusUnread:
		return exitFiles
	default:
		return exitChanged
	}
}

// finding is what verify found out about one MP4.
type finding struct {
	MP4     string       `json:"mp4"` // path, or where it should be
	Session string       `json:"session,omitempty"`
	Status  verifyStatus `json:"status"`
	Detail  string       `json:"detail,omitempty"` // for people
	SHA256  string       `json:"sha256,omitempty"` // of the file
	// SamePictures tells of a file that was changed whether the pictures in it
	// are those of the MP4 that the ledger tells of; null = not known.
	SamePictures *bool `json:"same_pictures,omitempty"`
	// Entry is the one about the MP4, or about the one that should be there,
	// and Ledger and Line where it stands.
	Entry    *ledger.Entry `json:"entry,omitempty"`
	Ledger   string        `json:"ledger,omitempty"`
	Line     int           `json:"line,omitempty"`
	SignedBy string        `json:"signed_by,omitempty"` // fingerprint
	// Originals is where the recording's files went, by all entries about the MP4.
	Originals []original `json:"originals,omitempty"`
}

// original is what became of a file or folder of a recording.
type original struct {
	Path    string      `json:"path"`
	Fate    ledger.Fate `json:"fate"`
	Deleted *time.Time  `json:"deleted,omitempty"`
}

// history is what the ledgers say of the sessions in question.
type history struct {
	replaced map[string][]noted // entries about an MP4 in place, by session
	aside    map[string][]noted // MP4s that were moved aside, by session
	hashes   map[string][]noted // entries about an MP4 in place, by its hash
	deleted  map[string]noted   // by path in the trash
}

func newHistory(all []noted) history {
	h := history{map[string][]noted{}, map[string][]noted{}, map[string][]noted{}, map[string]noted{}}
	for _, n := range all {
		e := n.Entry
		switch e.Kind {
		case ledger.KindReplaced:
			if e.MP4 != nil {
				h.replaced[e.Session] = append(h.replaced[e.Session], n)
				h.hashes[e.MP4.SHA256] = append(h.hashes[e.MP4.SHA256], n)
			}
		case ledger.KindMovedAside:
			if e.MP4 != nil {
				h.aside[e.Session] = append(h.aside[e.Session], n)
			}
		case ledger.KindDeleted, ledger.KindMP4Deleted:
			for _, path := range e.Originals {
				h.deleted[path] = n
			}
		}
	}
	return h
}

// current returns the entry about the MP4 that a session should have.
func (h history) current(session string) (last noted, ok bool) {
	for _, n := range h.replaced[session] {
		if !ok || n.after(last) {
			last, ok = n, true
		}
	}
	return last, ok
}

// since returns the entry from which on an MP4 has been a session's. When it is
// not any more, that is the last one, and later is what came after.
func (h history) since(session, sum string) (entry noted, later *noted, ok bool) {
	for _, n := range h.replaced[session] {
		if n.Entry.MP4.SHA256 != sum {
			continue
		}
		entry, later, ok = n, h.replacedLater(n), true
		if later == nil {
			break
		}
	}
	return entry, later, ok
}

// replacedLater returns the entry that says that another MP4 has taken the place
// of the one that an entry is about, or that it was moved aside; nil if none.
func (h history) replacedLater(of noted) *noted {
	for _, n := range h.replaced[of.Entry.Session] {
		if n.after(of) && n.Entry.MP4.SHA256 != of.Entry.MP4.SHA256 {
			return &n
		}
	}
	for _, n := range h.aside[of.Entry.Session] {
		if n.after(of) && n.Entry.MP4.SHA256 == of.Entry.MP4.SHA256 {
			return &n
		}
	}
	return nil
}

// about fills in the entry.
func (h history) about(f *finding, n noted) {
	f.Entry, f.Ledger, f.Line, f.SignedBy = &n.Entry, n.book.File, n.Number, n.Key.Fingerprint()
	f.Session = n.Entry.Session
	for _, m := range h.replaced[f.Session] {
		if m.Entry.MP4.SHA256 == n.Entry.MP4.SHA256 {
			f.Originals = append(f.Originals, h.originals(m.Entry)...)
		}
	}
}

// originals says what became of the recording of an entry.
func (h history) originals(e ledger.Entry) (all []original) {
	for _, path := range e.Originals {
		o := original{Path: path, Fate: ledger.FateTrash}
		if d, ok := h.deleted[path]; ok {
			o.Fate, o.Deleted = ledger.FateDeleted, &d.Entry.Time
		}
		all = append(all, o)
	}
	switch {
	case e.Source == nil:
	case e.Original == ledger.FateKept:
		all = append(all, original{Path: e.Source.Path, Fate: ledger.FateKept})
	case e.Original == ledger.FateDeleted:
		all = append(all, original{Path: e.Source.Path, Fate: ledger.FateDeleted, Deleted: &e.Time})
	}
	return all
}

// judge compares an MP4 with the ledgers.
func (h history) judge(ctx context.Context, t target) finding {
	f := finding{MP4: t.name, Session: t.session, SHA256: t.sum}
	same := h.hashes[t.sum]
	if f.Session == "" { // its name does not say
		f.Session = t.claims
		if len(same) > 0 {
			f.Session = same[len(same)-1].Entry.Session
		}
	}
	current, known := h.current(f.Session)
	entry, later, listed := h.since(f.Session, t.sum)
	switch {
	case t.err != nil:
		f.Status, f.Detail = statusUnread, t.err.Error()
		if known {
			h.about(&f, current)
		}
	case t.gone:
		f.Status, f.Detail = statusMissing, "there is no such file; was it removed, or moved to another storage?"
		h.about(&f, current)
	case listed && later == nil:
		f.Status = statusUntouched
		h.about(&f, entry)
	case listed:
		f.Status, f.Detail = statusOlder, fmt.Sprintf("another MP4 took its place, or it was moved aside, on %s (entry %d)", clock(later.Entry.Time), later.Entry.Seq)
		h.about(&f, entry)
	case len(same) > 0:
		f.Status, f.Detail = statusOtherOne, "it is the MP4 of session "+same[0].Entry.Session
		if known {
			h.about(&f, current)
		}
	case known:
		f.Status = statusChanged
		h.about(&f, current)
		f.SamePictures, f.Detail = samePictures(ctx, t.file, current.Entry.MP4.Pictures)
	default:
		f.Status = statusNotInLedger
	}
	return f
}

// samePictures compares the pictures of a file with those of the MP4 that should
// be there, and says so in words; nil = not known.
func samePictures(ctx context.Context, file, want string) (same *bool, detail string) {
	if file == "" || want == "" {
		return nil, "another file; whether its pictures are the same is not known"
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		return nil, "another file; whether its pictures are the same is not known without ffmpeg"
	}
	have, err := ledger.Pictures(ctx, ffmpeg, file)
	if err != nil {
		return nil, "another file; " + err.Error()
	}
	is := have == want
	if is {
		return &is, "another file with the same pictures: packed in another way, or with other times, sound or words"
	}
	return &is, "another file with other pictures"
}
