package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// clock formats a time like those in entries.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// printVerified prints one MP4 in full, or several in a table, and the ledgers.
func (a *app) printVerified(v verified) error {
	if len(v.MP4s) == 1 {
		if err := a.printMP4(v.MP4s[0]); err != nil {
			return err
		}
		fmt.Fprintln(a.out)
	} else if len(v.MP4s) > 1 {
		if err := a.printTable(v.MP4s); err != nil {
			return err
		}
	}
	for i, b := range v.Ledgers {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.printBook(b); err != nil {
			return err
		}
	}
	return nil
}

// lines are names and values in two columns.
type lines struct {
	lang  i18n.Lang
	names []string
	texts []string
}

// add adds a line: a name from the catalogue ("" = none) and its value.
func (l *lines) add(name string, text i18n.Text) {
	if name != "" {
		name = l.lang.T(name)
	}
	l.names, l.texts = append(l.names, name), append(l.texts, printable(l.lang.Say(text)))
}

func (a *app) printLines(l *lines) error {
	width := 0
	for _, name := range l.names {
		width = max(width, runewidth.StringWidth(name))
	}
	for i, name := range l.names {
		if _, err := fmt.Fprintf(a.out, "%s  %s\n", runewidth.FillRight(name, width), l.texts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printMP4(f finding) error {
	l := lines{lang: a.lang}
	l.add(f.Status.say().Key, i18n.Raw(f.MP4))
	if f.Detail != "" {
		l.add("", f.say)
	}
	if e := f.Entry; e != nil {
		noted := "cli.verify_noted"
		if f.Status == statusUntouched {
			noted = "cli.verify_since"
		}
		l.add(noted, i18n.T("cli.verify_entry", "time", clock(e.Time), "entry", fmt.Sprint(e.Seq), "agent", e.Agent))
		l.add("cli.verify_mp4", i18n.T("cli.verify_video", "size", a.megabytes(e.MP4.Size), "n", e.MP4.Frames, "frames", fmt.Sprint(e.MP4.Frames),
			"length", span(a.lang, time.Duration(e.MP4.DurationMS)*time.Millisecond, time.Millisecond)))
		l.add("", i18n.Raw("SHA-256 "+e.MP4.SHA256))
		if f.Status != statusUntouched && f.SHA256 != "" {
			l.add("cli.verify_the_file", i18n.Raw("SHA-256 "+f.SHA256))
		}
		if s := e.Source; s != nil {
			l.add("cli.verify_made_from", i18n.Raw(s.Path+", "+a.megabytes(s.Size)))
			l.add("", i18n.T("cli.verify_content", "hash", s.SHA256))
		}
		l.add("cli.verify_compared", comparedText(e.Compared))
		for _, o := range f.Originals {
			l.add("cli.verify_original", originalText(o))
		}
		if e.Incomplete {
			l.add("cli.verify_incomplete", i18n.T("cli.verify_may_lack"))
		}
		for _, w := range e.Warnings {
			l.add("cli.verify_warning", i18n.Raw(w))
		}
	} else if f.SHA256 != "" {
		l.add("cli.verify_the_file", i18n.Raw("SHA-256 "+f.SHA256))
	}
	return a.printLines(&l)
}

func comparedText(c ledger.Compared) i18n.Text {
	switch c {
	case ledger.ComparedDrawn:
		return i18n.T("cli.verify_by_drawn")
	case ledger.ComparedMark:
		return i18n.T("cli.verify_by_mark")
	case ledger.ComparedSampled:
		return i18n.T("cli.verify_by_sampled")
	}
	return i18n.Raw(string(c))
}

func originalText(o original) i18n.Text {
	switch {
	case o.Deleted != nil:
		return i18n.T("cli.verify_deleted", "path", o.Path, "time", clock(*o.Deleted))
	case o.Restored != nil:
		return i18n.T("cli.verify_restored", "path", o.Path, "time", clock(*o.Restored))
	case o.Fate == ledger.FateKept:
		return i18n.T("cli.verify_kept", "path", o.Path)
	case o.Fate == ledger.FateLost:
		return i18n.T("cli.verify_lost", "path", o.Path)
	default:
		return i18n.Raw(o.Path)
	}
}

// printTable prints one line for each MP4, and the number of MP4s by status.
func (a *app) printTable(all []finding) error {
	rows := &table{}
	var head []string
	for _, column := range []string{"status", "mp4", "since", "frames", "compared", "original", "detail"} {
		head = append(head, a.lang.T("cli.col_"+column))
	}
	rows.row(head...)
	count := map[verifyStatus]int{}
	for _, f := range all {
		count[f.Status]++
		since, frames, compared, fate := "", "", "", ""
		if e := f.Entry; e != nil {
			since, frames, compared = clock(e.Time), fmt.Sprint(e.MP4.Frames), string(e.Compared)
		}
		if f.Entry != nil && f.Entry.Incomplete {
			compared += ", " + a.lang.T("cli.verify_incomplete")
		}
		for _, o := range f.Originals {
			fate = string(o.Fate)
			if o.Deleted != nil {
				fate += " " + o.Deleted.UTC().Format(time.DateOnly)
			}
		}
		rows.row(a.lang.Say(f.Status.say()), printable(f.MP4), since, frames, printable(compared), fate, printable(a.lang.Say(f.say)))
	}
	if err := rows.print(a.out); err != nil {
		return err
	}
	var sum []string
	for _, s := range slices.Sorted(maps.Keys(count)) {
		sum = append(sum, fmt.Sprintf("%d %s", count[s], a.lang.Say(s.say())))
	}
	fmt.Fprintf(a.out, "%s: %s\n\n", a.lang.T("cli.verify_mp4s", "n", len(all)), strings.Join(sum, ", "))
	return nil
}

// shownFaults is the maximum number of faults of a ledger that are printed.
const shownFaults = 10

func (a *app) printBook(b *book) error {
	l := lines{lang: a.lang}
	l.add("cli.verify_book", i18n.Raw(b.File))
	for n, fault := range b.Faults {
		if n == shownFaults {
			l.add("cli.verify_broken", i18n.T("cli.verify_more_faults", "n", len(b.Faults)-n))
			break
		}
		l.add("cli.verify_broken", i18n.T("cli.verify_fault", "fault", fmt.Sprint(fault)))
	}
	text := i18n.T("cli.verify_entries", "count", fmt.Sprint(b.Entries))
	switch {
	case b.Last != nil && len(b.Faults) == 0:
		text = i18n.T("cli.verify_entries_good", "count", fmt.Sprint(b.Entries), "time", clock(*b.Last))
	case b.Last == nil && len(b.Faults) > 0:
		text = i18n.Raw(fmt.Sprint(b.Entries))
	case b.Last != nil:
		text = i18n.T("cli.verify_entries_last", "count", fmt.Sprint(b.Entries), "time", clock(*b.Last))
	}
	l.add("cli.verify_entry_count", text)
	if b.Head != "" {
		l.add("cli.verify_head", i18n.Raw(b.Head))
	}
	whose := "cli.verify_key_beside"
	if b.Foreign {
		whose = "cli.verify_key_given"
	}
	for _, key := range b.Believed {
		l.add("cli.verify_key", i18n.T(whose, "key", key))
	}
	return a.printLines(&l)
}
