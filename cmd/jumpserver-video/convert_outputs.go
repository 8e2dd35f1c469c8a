package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/logging"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/terminal"
	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
)

// standard means standard input or output on the command line.
const standard = "-"

// outputs returns the output file of each input.
func (c *convert) outputs(inputs []input) ([]string, error) {
	folder := strings.HasSuffix(c.output, "/")
	if st, err := os.Stat(c.output); err == nil && st.IsDir() {
		folder = true
	}
	if c.output != "" && !folder && len(inputs) > 1 {
		if c.output == standard {
			return nil, usage(said("cli.convert_one_mp4"))
		}
		return nil, usage(said("cli.convert_need_folder", "path", c.output))
	}
	outputs := make([]string, len(inputs))
	taken := map[string]bool{}
	for i, in := range inputs {
		dir := filepath.Dir(filepath.Clean(in.path))
		switch {
		case c.output != "" && !folder:
			outputs[i] = c.output
			continue
		case folder:
			dir = filepath.Join(c.output, in.below)
		case in.path == standard:
			outputs[i] = standard
			continue
		}
		for _, name := range in.names(len(inputs)) {
			if outputs[i] = filepath.Join(dir, name); !taken[outputs[i]] {
				break
			}
		}
		taken[outputs[i]] = true
	}
	if len(outputs) > 0 && outputs[0] == standard {
		if c.json {
			return nil, usage(said("cli.convert_json_stdout"))
		}
		if logging.Terminal(c.app.out) {
			return nil, usage(said("cli.convert_stdout"))
		}
	}
	return outputs, nil
}

// names returns possible names of an input's MP4, best first: the first may be taken by
// another input with the same name. One of the first n + 2 is free for the nth input.
func (in input) names(n int) []string {
	base := filepath.Base(filepath.Clean(in.path))
	stem := in.session
	if stem == "" {
		stem = stemOf(base)
	}
	names := []string{fitting(stem, videoSuffix), fitting(base, videoSuffix)}
	for i := 2; i < n+2; i++ {
		names = append(names, fitting(stem, fmt.Sprintf(".%d%s", i, videoSuffix)))
	}
	return names
}

const videoSuffix = ".replay.mp4"

// stemOf returns a name without the suffix of a recording.
func stemOf(base string) string {
	if base == standard {
		return "stdin"
	}
	for _, suffix := range []string{
		".replay.gz", ".replay.json", ".part.gz", ".part", ".guac.gz", ".guac", ".tar.gz", ".tgz", ".tar", ".replay", ".gz",
	} {
		if stem, ok := strings.CutSuffix(base, suffix); ok && stem != "" {
			return stem
		}
	}
	return base
}

// fitting returns a name that is short enough for file systems.
func fitting(stem, suffix string) string {
	const most = 255
	if len(stem)+len(suffix) <= most {
		return stem + suffix
	}
	sum := sha256.Sum256([]byte(stem))
	suffix = "~" + hex.EncodeToString(sum[:4]) + suffix
	n := most - len(suffix)
	for n > 0 && !utf8.RuneStart(stem[n]) {
		n--
	}
	return stem[:n] + suffix
}

// makeFolders creates the folders of outputs below a folder on the command line.
func (c *convert) makeFolders(outputs []string) error {
	for _, out := range outputs {
		if c.output == "" || c.output == standard || filepath.Clean(c.output) == out {
			continue // beside the input, or a file
		}
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return fmt.Errorf("output folder: %w", err)
		}
	}
	return nil
}

// mayWrite returns, before any work, why an output cannot be written.
func (c *convert) mayWrite(in input, out string) error {
	if out == standard {
		return nil
	}
	now, err := os.Lstat(out)
	if errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(out)
		st, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && c.dryRun:
			return nil // it will be created
		case errors.Is(err, fs.ErrNotExist):
			return fileTrouble(err, "cli.convert_no_folder", "path", out, "folder", dir)
		case err != nil:
			return err
		case !st.IsDir():
			return fileTrouble(nil, "cli.convert_not_folder", "path", out, "folder", dir)
		}
		return nil
	}
	if err != nil {
		return fileTrouble(err, "cli.convert_file", "path", out, "error", cause(err))
	}
	if !now.Mode().IsRegular() {
		return fileTrouble(nil, "cli.convert_not_regular", "path", out)
	}
	if source, err := os.Stat(in.path); err == nil && os.SameFile(source, now) {
		return fileTrouble(nil, "cli.convert_itself", "path", out)
	}
	if !c.force {
		return fileTrouble(nil, "cli.convert_exists", "path", out)
	}
	return nil
}

// cause returns an error of the file system without the path.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// workFolder creates the folder for the unfinished MP4 of an output: beside the output, so
// that the MP4 can be moved. It removes what a killed process has left there.
func workFolder(out string) (dir string, err error) {
	if out == standard {
		return os.MkdirTemp("", "jumpserver-video-")
	}
	sum := sha256.Sum256([]byte(filepath.Base(out)))
	dir = filepath.Join(filepath.Dir(out), ".jumpserver-video-"+hex.EncodeToString(sum[:6]))
	if err = os.RemoveAll(dir); err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return "", fileTrouble(err, "cli.convert_no_write", "path", out, "error", cause(err))
	}
	return dir, nil
}

// publish moves a verified MP4 to its output.
func (c *convert) publish(ctx context.Context, temp, out string) error {
	if out == standard {
		f, err := os.Open(temp)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(terminal.Raw(c.app.out), ctxio.NewReader(ctx, f))
		return err
	}
	if err := os.Chmod(temp, 0o644); err != nil {
		return err
	}
	if now, err := os.Lstat(out); err == nil && !now.Mode().IsRegular() {
		return fileTrouble(nil, "cli.convert_became", "path", out)
	}
	// Without --force, a file that was created there meanwhile is kept.
	err := durable.Publish(temp, out, c.force)
	if errors.Is(err, fs.ErrExist) {
		return fileTrouble(err, "cli.convert_appeared", "path", out)
	}
	return err
}
