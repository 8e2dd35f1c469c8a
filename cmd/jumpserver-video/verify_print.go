package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
)

// clock is a time as entries have it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// printVerified prints one MP4 in full, or many in a table, and the ledgers.
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
type lines struct{ strings.Builder }

func (l *lines) add(name, format string, args ...any) {
	fmt.Fprintf(l, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
}

func (a *app) printLines(l *lines) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, l.String())
	return w.Flush()
}

func (a *app) printMP4(f finding) error {
	var l lines
	l.add(string(f.Status), "%s", f.MP4)
	if f.Detail != "" {
		l.add("", "%s", f.Detail)
	}
	if e := f.Entry; e != nil {
		noted := "noted"
		if f.Status == statusUntouched {
			noted = "since"
		}
		l.add(noted, "%s, entry %d of %s", clock(e.Time), e.Seq, e.Agent)
		l.add("MP4", "%s, %d frames, %s", megabytes(e.MP4.Size), e.MP4.Frames, time.Duration(e.MP4.DurationMS)*time.Millisecond)
		l.add("", "SHA-256 %s", e.MP4.SHA256)
		if f.Status != statusUntouched && f.SHA256 != "" {
			l.add("the file", "SHA-256 %s", f.SHA256)
		}
		if s := e.Source; s != nil {
			l.add("made from", "%s, %s", s.Path, megabytes(s.Size))
			l.add("", "hash of its content %s", s.SHA256)
		}
		l.add("compared", "%s", comparedText(e.Compared))
		for _, o := range f.Originals {
			l.add("original", "%s", originalText(o))
		}
		if e.Incomplete {
			l.add("incomplete", "the video may lack something of the recording")
		}
		for _, w := range e.Warnings {
			l.add("warning", "%s", w)
		}
	} else if f.SHA256 != "" {
		l.add("the file", "SHA-256 %s", f.SHA256)
	}
	return a.printLines(&l)
}

func comparedText(c ledger.Compared) string {
	switch c {
	case ledger.ComparedDrawn:
		return "drawn by the agent: all pictures decoded, samples compared with what was drawn"
	case ledger.ComparedMark:
		return "it was in place already, with the authenticated mark of an agent"
	case ledger.ComparedSampled:
		return "it was in place already: all pictures decoded, samples compared with what was drawn"
	}
	return string(c)
}

func originalText(o original) string {
	switch {
	case o.Deleted != nil:
		return fmt.Sprintf("%s, deleted %s", o.Path, clock(*o.Deleted))
	case o.Fate == ledger.FateKept:
		return o.Path + ", kept"
	default:
		return o.Path
	}
}

// printTable prints a line for each MP4, and how many are how.
func (a *app) printTable(all []finding) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATUS\tMP4\tSINCE\tFRAMES\tCOMPARED\tORIGINAL\tDETAIL")
	count := map[verifyStatus]int{}
	for _, f := range all {
		count[f.Status]++
		since, frames, compared, fate := "", "", "", ""
		if e := f.Entry; e != nil {
			since, frames, compared = clock(e.Time), fmt.Sprint(e.MP4.Frames), string(e.Compared)
		}
		if f.Entry != nil && f.Entry.Incomplete {
			compared += ", incomplete"
		}
		for _, o := range f.Originals {
			fate = string(o.Fate)
			if o.Deleted != nil {
				fate += " " + o.Deleted.UTC().Format(time.DateOnly)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Status, printable(f.MP4), since, frames, printable(compared), fate, printable(f.Detail))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var sum []string
	for _, s := range slices.Sorted(maps.Keys(count)) {
		sum = append(sum, fmt.Sprintf("%d %s", count[s], s))
	}
	fmt.Fprintf(a.out, "%s: %s\n\n", plural(len(all), "MP4", "MP4s"), strings.Join(sum, ", "))
	return nil
}

// shownFaults bounds how many faults of a ledger are printed.
const shownFaults = 10

func (a *app) printBook(b *book) error {
	var l lines
	l.add("ledger", "%s", b.File)
	for n, fault := range b.Faults {
		if n == shownFaults {
			l.add("broken", "and in %d places more", len(b.Faults)-n)
			break
		}
		l.add("broken", "at %s", fault)
	}
	until := ""
	if b.Last != nil {
		until = ", the last of " + clock(*b.Last)
	}
	if len(b.Faults) == 0 {
		until += "; none was changed or removed before it"
	}
	l.add("entries", "%d%s", b.Entries, until)
	if b.Head != "" {
		l.add("head", "%s", b.Head)
	}
	whose := "beside the ledger"
	if b.Foreign {
		whose = "given"
	}
	for _, key := range b.Believed {
		l.add("key", "%s, %s", key, whose)
	}
	return a.printLines(&l)
}
