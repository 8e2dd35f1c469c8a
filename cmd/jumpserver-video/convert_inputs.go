package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// input is one recording to convert.
type input struct {
	path  string
	below string // where it was found, relative to the folder that was named
	found bool   // by looking through a folder
}

// expand replaces folders that are no recording by the recordings in them.
func expand(args []string) ([]input, error) {
	var all []input
	for _, arg := range args {
		if st, err := os.Stat(arg); err != nil || !st.IsDir() || inParts(arg) || empty(arg) {
			all = append(all, input{path: arg}) // errors are told when it is opened
			continue
		}
		before := len(all)
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			folder := d.IsDir() && inParts(path)
			switch {
			case path != arg && strings.HasPrefix(d.Name(), "."): // the trash, files in the making
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			case !folder && (!d.Type().IsRegular() || !isRecordingName(d.Name())):
				return nil
			}
			below, err := filepath.Rel(arg, filepath.Dir(path))
			if err != nil {
				return err
			}
			all = append(all, input{path: path, below: below, found: true})
			if folder {
				return filepath.SkipDir
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(all) == before {
			return nil, fmt.Errorf("%s: no recordings in it: %w", arg, errFiles)
		}
	}
	return all, nil
}

// inParts tells whether a folder is a recording: it has an index.
func inParts(dir string) bool {
	found, err := filepath.Glob(filepath.Join(globQuote(dir), "*.replay.json"))
	return err == nil && len(found) > 0
}

func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) == 0
}

var globQuoter = strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[")

func globQuote(path string) string { return globQuoter.Replace(path) }

func isRecordingName(name string) bool {
	return strings.HasSuffix(name, ".replay.gz") || strings.HasSuffix(name, ".guac")
}

// outputs names the file that each input becomes.
func (c *convert) outputs(inputs []input) ([]string, error) {
	folder := strings.HasSuffix(c.output, "/")
	if st, err := os.Stat(c.output); err == nil && st.IsDir() {
		folder = true
	}
	if c.output != "" && !folder && len(inputs) > 1 {
		return nil, usage(fmt.Errorf("-o %s: several inputs need a folder: write %s/ to make it", c.output, c.output))
	}
	outputs := make([]string, len(inputs))
	seen := map[string]string{}
	for i, in := range inputs {
		switch {
		case c.output == "":
			outputs[i] = filepath.Join(filepath.Dir(filepath.Clean(in.path)), videoName(in.path))
		case folder:
			outputs[i] = filepath.Join(c.output, in.below, videoName(in.path))
		default:
			outputs[i] = c.output
		}
		if other, ok := seen[outputs[i]]; ok {
			return nil, usage(fmt.Errorf("%s and %s would both become %s", other, in.path, outputs[i]))
		}
		seen[outputs[i]] = in.path
	}
	return outputs, nil
}

// leaveOut drops what was found in folders and has its MP4 already.
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
		fmt.Fprintf(c.app.err, "%d left out: their MP4s are there already\n", done)
	}
	return todo, to
}

// planned is what --json prints for each input of a dry run.
type planned struct {
	Input   string `json:"input"`
	Output  string `json:"output"`
	Session string `json:"session"`
	BytesIn int64  `json:"bytes_in"`
	DryRun  bool   `json:"dry_run"` // always true
}

// preview tells what would become of an input, as far as its beginning tells.
func (c *convert) preview(in, out string) error {
	if _, err := os.Lstat(out); err == nil && !c.force {
		return fmt.Errorf("%s exists; use --force to replace it: %w", out, errFiles)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	rec, err := recording.OpenNamed(in)
	if err != nil {
		return err
	}
	if c.json {
		return c.tell(planned{Input: in, Output: out, Session: rec.Session, BytesIn: rec.Size, DryRun: true})
	}
	c.print.Lock()
	defer c.print.Unlock()
	_, err = fmt.Fprintf(c.app.out, "%s (%s) would become %s\n", terminal.Line(in), megabytes(rec.Size), terminal.Line(out))
	return err
}

// videoName is the MP4's name for an input: the name with its suffix replaced.
func videoName(in string) string {
	base := filepath.Base(filepath.Clean(in))
	for _, suffix := range []string{".replay.gz", ".replay.json", ".part.gz", ".guac", ".tar", ".replay", ".gz"} {
		if stem, ok := strings.CutSuffix(base, suffix); ok && stem != "" {
			return stem + ".replay.mp4"
		}
	}
	return base + ".replay.mp4"
}
