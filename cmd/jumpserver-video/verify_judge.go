package main

import (
	"context"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// verifyStatus is the result for an MP4.
type verifyStatus string

const (
	statusUntouched   verifyStatus = "untouched"         // exactly the file in the ledger
	statusChanged     verifyStatus = "changed"           // another file than the one in the ledger
	statusOtherOne    verifyStatus = "of another"        // the MP4 of another session
	statusOlder       verifyStatus = "older"             // an earlier MP4 of the session, which another has replaced
	statusMissing     verifyStatus = "missing"           // there is an entry, but no file
	statusNotInLedger verifyStatus = "not in the ledger" // the ledger has no entry of its session
	statusUnread      verifyStatus = "not read"          // it could not be read
)

// say returns the text of the status.
func (s verifyStatus) say() i18n.Text {
	return map[verifyStatus]i18n.Text{
		statusUntouched: i18n.T("cli.is_untouched"), statusChanged: i18n.T("cli.is_changed"), statusOtherOne: i18n.T("cli.is_of_another"),
		statusOlder: i18n.T("cli.is_older"), statusMissing: i18n.T("cli.is_missing"), statusNotInLedger: i18n.T("cli.is_not_in_ledger"),
		statusUnread: i18n.T("cli.is_not_read"),
	}[s]
}

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

// finding is the result for one MP4, with details.
type finding struct {
	MP4     string       `json:"mp4"` // path, or where it should be
	Session string       `json:"session,omitempty"`
	Status  verifyStatus `json:"status"`
	Detail  string       `json:"detail,omitempty"` // for people
	SHA256  string       `json:"sha256,omitempty"` // of the file
	// SamePictures says, for a file that was changed, whether its pictures are those of
	// the MP4 in the ledger; null = unknown.
	SamePictures *bool `json:"same_pictures,omitempty"`
	// Entry is the entry about the MP4, or about the one that should exist. Ledger and
	// Line are its place.
	Entry    *ledger.Entry `json:"entry,omitempty"`
	Ledger   string        `json:"ledger,omitempty"`
	Line     int           `json:"line,omitempty"`
	SignedBy string        `json:"signed_by,omitempty"` // fingerprint
	// Originals are the original's files, with their results from all entries about the
	// MP4.
	Originals []original `json:"originals,omitempty"`

	say i18n.Text // Detail, not translated yet
}

// is sets the status and the detail.
func (f *finding) is(s verifyStatus, detail i18n.Text) {
	f.Status, f.say, f.Detail = s, detail, detail.String()
}

// original is the fate of a file or folder of a recording.
type original struct {
	Path    string      `json:"path"`
	Fate    ledger.Fate `json:"fate"`
	Deleted *time.Time  `json:"deleted,omitempty"`
	// Restored is when an operator had it moved back to its place.
	Restored *time.Time `json:"restored,omitempty"`
}

// history contains the entries about the sessions in question.
type history struct {
	replaced map[string][]noted // entries about an MP4 in place, by session
	aside    map[string][]noted // MP4s that were moved aside, by session
	hashes   map[string][]noted // entries about an MP4 in place, by its hash
	deleted  map[string]noted   // by path in the trash
	restored map[string]noted   // by path in the trash
}

func newHistory(all []noted) history {
	h := history{map[string][]noted{}, map[string][]noted{}, map[string][]noted{}, map[string]noted{}, map[string]noted{}}
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
		case ledger.KindRestored:
			for _, path := range e.Originals {
				h.restored[path] = n
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

// since returns the entry since which an MP4 has been that of its session. If another has
// replaced it, that is the last such entry, and later is the one that ended it.
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

// replacedLater returns the entry according to which the MP4 of another entry was replaced
// or moved aside; nil if there is none.
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

// about adds the details of an entry to a finding.
func (h history) about(f *finding, n noted) {
	f.Entry, f.Ledger, f.Line, f.SignedBy = &n.Entry, n.book.File, n.Number, n.Key.Fingerprint()
	f.Session = n.Entry.Session
	for _, m := range h.replaced[f.Session] {
		if m.Entry.MP4.SHA256 == n.Entry.MP4.SHA256 {
			f.Originals = append(f.Originals, h.originals(m.Entry)...)
		}
	}
}

// originals returns the fate of an entry's recording.
func (h history) originals(e ledger.Entry) (all []original) {
	for _, path := range e.Originals {
		o := original{Path: path, Fate: ledger.FateTrash}
		if d, ok := h.deleted[path]; ok {
			o.Fate, o.Deleted = ledger.FateDeleted, &d.Entry.Time
		} else if r, ok := h.restored[path]; ok {
			o.Fate, o.Restored = ledger.FateRestored, &r.Entry.Time
		}
		all = append(all, o)
	}
	switch {
	case e.Source == nil:
	case e.Original == ledger.FateKept, e.Original == ledger.FateLost:
		all = append(all, original{Path: e.Source.Path, Fate: e.Original})
	case e.Original == ledger.FateDeleted:
		all = append(all, original{Path: e.Source.Path, Fate: ledger.FateDeleted, Deleted: &e.Time})
	}
	return all
}

// judge compares an MP4 with the ledgers.
func (h history) judge(ctx context.Context, t target) finding {
	f := finding{MP4: t.name, Session: t.session, SHA256: t.sum}
	same := h.hashes[t.sum]
	if f.Session == "" { // not in its name
		f.Session = t.claims
		if len(same) > 0 {
			f.Session = same[len(same)-1].Entry.Session
		}
	}
	current, known := h.current(f.Session)
	entry, later, listed := h.since(f.Session, t.sum)
	switch {
	case t.err != nil:
		f.is(statusUnread, textOf(t.err))
		if known {
			h.about(&f, current)
		}
	case t.gone:
		f.is(statusMissing, i18n.T("cli.verify_gone"))
		h.about(&f, current)
	case listed && later == nil:
		f.Status = statusUntouched
		h.about(&f, entry)
	case listed:
		f.is(statusOlder, i18n.T("cli.verify_replaced", "time", clock(later.Entry.Time), "entry", strconv.FormatInt(later.Entry.Seq, 10)))
		h.about(&f, entry)
	case len(same) > 0:
		f.is(statusOtherOne, i18n.T("cli.verify_of_session", "session", same[0].Entry.Session))
		if known {
			h.about(&f, current)
		}
	case known:
		same, detail := samePictures(ctx, t.file, current.Entry.MP4.Pictures)
		f.is(statusChanged, detail)
		f.SamePictures = same
		h.about(&f, current)
	default:
		f.Status = statusNotInLedger
	}
	return f
}

// samePictures compares the pictures of a file with those of the MP4 that should exist; nil
// = unknown. detail is the result in words.
func samePictures(ctx context.Context, file, want string) (same *bool, detail i18n.Text) {
	if file == "" || want == "" {
		return nil, i18n.T("cli.verify_pictures_unknown")
	}
	ffmpeg, err := video.Locate("")
	if err != nil {
		return nil, i18n.T("cli.verify_pictures_ffmpeg")
	}
	have, err := ledger.Pictures(ctx, ffmpeg, file)
	if err != nil {
		return nil, i18n.T("cli.verify_pictures_error", "error", err)
	}
	is := have == want
	if is {
		return &is, i18n.T("cli.verify_same_pictures")
	}
	return &is, i18n.T("cli.verify_other_pictures")
}
