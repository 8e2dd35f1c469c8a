package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// input is one recording to convert.
type input struct {
	path    string // as given on the command line, or found in a folder
	index   string // instead of path, for a recording in parts: the index, which need not exist
	session string // id for the name of the MP4; "" = from the path
	below   string // path relative to the folder on the command line
	found   bool   // in a folder
}

// open opens the recording.
func (in input) open(ctx context.Context) (*recording.Recording, error) {
	switch {
	case in.path == standard:
		return stream(ctx, "standard input", func() (io.ReadCloser, error) { return io.NopCloser(os.Stdin), nil })
	case in.index != "":
		return recording.OpenNamed(in.index)
	case recording.Streamed(in.path):
		return stream(ctx, in.path, func() (io.ReadCloser, error) { return os.Open(in.path) })
	}
	return recording.OpenNamed(in.path)
}

// stream opens what can be read only once. Neither opening nor reading can be
// interrupted, so stream does not wait for them when ctx ends.
func stream(ctx context.Context, name string, open func() (io.ReadCloser, error)) (*recording.Recording, error) {
	type result struct {
		rec *recording.Recording
		err error
	}
	done := make(chan result, 1)
	go func() {
		in, err := open()
		if err != nil {
			done <- result{nil, err}
			return
		}
		defer in.Close()
		rec, err := recording.OpenStream(name, in)
		done <- result{rec, err}
	}()
	select {
	case r := <-done:
		return r.rec, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// expand replaces folders by the recordings in them.
func expand(args []string) (all []input, err error) {
	add := func(in input) {
		if !slices.ContainsFunc(all, func(other input) bool { return other.path == in.path && other.index == in.index }) {
			all = append(all, in) // an input that is given twice is converted once
		}
	}
	for _, arg := range args {
		if arg == standard && logging.Terminal(os.Stdin) {
			return nil, usage(said("cli.convert_stdin"))
		}
		if st, err := os.Stat(arg); err != nil || !st.IsDir() || arg == standard {
			add(input{path: arg}) // errors are reported when it is opened
			continue
		}
		own, err := recordingsOf(arg)
		if err != nil {
			return nil, err
		}
		if len(own) > 0 { // the folder of a recording
			for _, in := range own {
				add(in)
			}
			continue
		}
		f := finder{root: arg}
		if err := f.look(arg, "."); err != nil {
			return nil, err
		}
		if len(f.found) == 0 {
			return nil, fileTrouble(nil, "cli.convert_none_in", "path", arg)
		}
		for _, in := range f.found {
			add(in)
		}
	}
	return all, nil
}

// recordingsOf returns the recordings in parts in a folder of a session: those that have
// an index, or else those that have parts.
func recordingsOf(dir string) (found []input, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var sessions []string
	for _, e := range entries {
		if stem, ok := strings.CutSuffix(e.Name(), ".replay.json"); ok && !e.IsDir() {
			sessions = append(sessions, stem)
		}
	}
	if len(sessions) == 0 {
		if sessions, err = recording.Sessions(dir); err != nil {
			return nil, err
		}
	}
	for _, session := range sessions {
		in := input{path: dir, index: filepath.Join(dir, session+".replay.json"), session: session}
		if len(sessions) > 1 {
			in.path = in.index
		}
		found = append(found, in)
	}
	return found, nil
}

// finder finds recordings in a folder and below.
type finder struct {
	root  string
	found []input
}

func (f *finder) look(dir, below string) error {
	own, err := recordingsOf(dir)
	if err != nil {
		return err
	}
	for _, in := range own {
		in.below, in.found = filepath.Dir(below), true
		if in.path != dir {
			in.below = below
		}
		f.found = append(f.found, in)
	}
	if len(own) > 0 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	names := map[string]bool{} // of MP4s
	var tars []input
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		in := input{path: path, below: below, found: true}
		switch {
		case strings.HasPrefix(e.Name(), "."): // the trash, and unfinished files
		case e.IsDir():
			if err := f.look(path, filepath.Join(below, e.Name())); err != nil {
				return err
			}
			names[fitting(e.Name(), videoSuffix)] = true
		case !e.Type().IsRegular():
		case isTarName(e.Name()):
			tars = append(tars, in)
		case isRecordingName(e.Name()) || isRecording(path):
			f.found = append(f.found, in)
			names[in.names(0)[0]] = true
		}
	}
	for _, in := range tars { // downloads; the recording itself may be in the same folder
		if _, err := recording.OpenNamed(in.path); err == nil && !names[in.names(0)[0]] {
			f.found = append(f.found, in)
		}
	}
	return nil
}

func isRecordingName(name string) bool {
	return strings.HasSuffix(name, ".replay.gz") || strings.HasSuffix(name, ".guac")
}

// isTarName reports whether a name may be that of a download. To recognize a compressed
// tar by its content, it would have to be decompressed.
func isTarName(name string) bool {
	return strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".tar.gz") && recording.SessionOf(name) != ""
}

// isRecording reports whether the content of a file is a dump.
func isRecording(path string) bool {
	f, err := regular.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	kind, err := recording.Sniff(f)
	return err == nil && kind == recording.KindGuacamole
}

// leaveOut removes inputs that were found in folders and already have an MP4.
func (c *convert) leaveOut(inputs []input, outputs []string) (todo []input, to []string) {
	done := 0
	for i, in := range inputs {
		if _, err := os.Lstat(outputs[i]); err == nil && in.found && !c.force {
			done++
			continue
		}
		todo, to = append(todo, in), append(to, outputs[i])
	}
	if done > 0 {
		fmt.Fprintln(c.app.err, c.app.lang.T("cli.convert_left_out", "n", done))
	}
	return todo, to
}

// planned is the output of --json for an input of a dry run.
type planned struct {
	Input   string `json:"input"`
	Output  string `json:"output"`
	Session string `json:"session"`
	BytesIn int64  `json:"bytes_in"`
	DryRun  bool   `json:"dry_run"` // always true
}

// preview prints the planned output of an input, checking only its beginning.
func (c *convert) preview(ctx context.Context, in input, out string) error {
	if err := c.mayWrite(in, out); err != nil {
		return err
	}
	rec, err := in.open(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.tell(planned{Input: in.path, Output: out, Session: rec.Session, BytesIn: rec.Size, DryRun: true})
	}
	c.print.Lock()
	defer c.print.Unlock()
	_, err = fmt.Fprintln(c.app.out, c.app.lang.T("cli.convert_would", "in", terminal.Line(in.path), "size", c.app.megabytes(rec.Size), "out", terminal.Line(out)))
	return err
}
