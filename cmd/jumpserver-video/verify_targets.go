package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/ledger"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/destination"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// target is one MP4 to verify.
type target struct {
	name    string // for people
	file    string // "" = not a file on this host
	session string // from its name; "" if the name has none
	claims  string // the session in its metadata, if its name has none
	sum     string // SHA-256, hex
	gone    bool   // it is missing
	err     error  // why it cannot be read
}

// inspection verifies the MP4s that the arguments name.
type inspection struct {
	app   *app
	books *books

	config *config.Config  // nil = not loaded yet
	bucket storage.Storage // nil = not opened yet, or there is none
	asked  bool            // opening the bucket was tried

	targets []target
	seen    map[string]bool   // files of targets
	days    map[string]string // days whose MP4s must all exist, with their folder; "" = the place in the ledger
	ids     []string          // sessions that the arguments name
}

const mp4Suffix = ".replay.mp4"

var sessionID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// shortID matches the beginning of a session's id: at least four characters, as everywhere.
var shortID = regexp.MustCompile(`^[0-9a-fA-F][0-9a-fA-F-]{3,34}$`)

// run verifies the MP4s that the arguments name.
func (i *inspection) run(ctx context.Context, args []string) ([]finding, error) {
	i.seen, i.days = map[string]bool{}, map[string]string{}
	for _, arg := range args {
		if err := i.add(ctx, arg); err != nil {
			return nil, err
		}
	}
	w := newWanted()
	for _, t := range i.targets {
		if t.sum != "" {
			w.hashes[t.sum] = true
		}
		w.sessions[t.session] = t.session != ""
		w.sessions[t.claims] = t.claims != ""
	}
	for _, id := range i.ids {
		w.sessions[id] = true
	}
	for day := range i.days {
		w.days[day] = true
	}
	delete(w.sessions, "")
	if len(w.sessions)+len(w.hashes)+len(w.days) == 0 {
		return []finding{}, nil
	}
	found, err := i.books.search(w)
	if err != nil {
		return nil, err
	}
	h := newHistory(found)
	i.addMissing(ctx, h)
	all := []finding{}
	for _, t := range i.targets {
		all = append(all, h.judge(ctx, t))
	}
	if len(all) == 0 {
		return nil, fileTrouble(nil, "cli.verify_no_mp4", "names", strings.Join(args, ", "))
	}
	return all, context.Cause(ctx)
}

// add adds the MP4s of one argument.
func (i *inspection) add(ctx context.Context, arg string) error {
	st, err := os.Stat(arg)
	switch _, notDay := time.Parse(time.DateOnly, arg); {
	case err == nil && st.IsDir():
		return i.addFolder(ctx, arg)
	case err == nil:
		i.addFile(ctx, arg)
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case sessionID.MatchString(arg):
		i.ids = append(i.ids, arg)
		return nil
	case notDay == nil:
		return i.addDay(ctx, arg)
	case shortID.MatchString(arg):
		return i.addShort(arg)
	}
	return err
}

// addShort adds the only session in the ledgers whose id begins with begins.
func (i *inspection) addShort(begins string) error {
	begins = strings.ToLower(begins)
	found, err := i.books.sessions(begins)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return fileTrouble(nil, "cli.verify_no_such", "name", begins)
	case len(found) > 1:
		return usage(said("cli.verify_ambiguous", "name", begins, "n", len(found), "one", found[0], "other", found[1]))
	}
	i.ids = append(i.ids, found[0])
	return nil
}

// addDay adds a day of the replay folder. If the folder cannot be read, the MP4s that
// should exist are known from the ledgers, and are reported as unreadable.
func (i *inspection) addDay(ctx context.Context, day string) error {
	i.days[day] = ""
	root, err := i.replayDir()
	if err != nil || root == "" {
		return nil //nolint:nilerr // each MP4 reports it
	}
	err = i.addFolder(ctx, filepath.Join(root, day))
	if errors.Is(err, fs.ErrNotExist) { // all are missing, or in a bucket
		return nil
	}
	return err
}

// replayDir returns core's replay folder; "" if there is none. An empty folder is treated
// as not mounted, so that nothing is reported as missing.
func (i *inspection) replayDir() (string, error) {
	cfg, err := i.settings()
	if err != nil || cfg.ReplayDir == "" {
		return "", err
	}
	if err := destination.MustMount(cfg.ReplayDir); err != nil {
		return "", fmt.Errorf("%w: %w", errFiles, err)
	}
	return cfg.ReplayDir, nil
}

func (i *inspection) settings() (config.Config, error) {
	if i.config == nil {
		cfg, err := i.app.agentConfig()
		if err != nil {
			return cfg, err
		}
		i.config = &cfg
	}
	return *i.config, nil
}

// addFolder adds the MP4s in a folder and below it.
func (i *inspection) addFolder(ctx context.Context, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir():
			day := filepath.Base(path)
			if _, known := i.days[day]; isDay(day) && !known {
				i.days[day] = path
			}
		case strings.HasSuffix(d.Name(), mp4Suffix):
			i.addFile(ctx, path)
		}
		return context.Cause(ctx)
	})
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// addFile adds a file.
func (i *inspection) addFile(ctx context.Context, path string) {
	if i.seen[path] {
		return
	}
	i.seen[path] = true
	t := target{name: path, file: path}
	if id := strings.TrimSuffix(filepath.Base(path), mp4Suffix); sessionID.MatchString(id) {
		t.session = id
	}
	t.sum, t.err = hashRegular(ctx, path)
	if t.session == "" && t.err == nil {
		t.claims = claimOf(ctx, path)
	}
	i.targets = append(i.targets, t)
}

// claimOf returns the session in an MP4's metadata; "" if there is none.
func claimOf(ctx context.Context, path string) string {
	info, err := (&video.Tool{}).Probe(ctx, path)
	if err != nil {
		return ""
	}
	mark, err := render.ParseMark(info.Metadata["comment"])
	if err != nil || !sessionID.MatchString(mark.Session) {
		return ""
	}
	return mark.Session
}

// addMissing adds the MP4s of the given sessions and days that are not among the files.
func (i *inspection) addMissing(ctx context.Context, h history) {
	have := map[string]bool{}
	for _, t := range i.targets {
		have[t.session] = true
	}
	for _, id := range slices.Concat(i.ids, slices.Sorted(maps.Keys(h.replaced))) {
		current, known := h.current(id)
		folder, due := i.days[current.Entry.Date]
		switch named := slices.Contains(i.ids, id); {
		case have[id] || !named && !due:
			continue
		case !known:
			i.targets = append(i.targets, target{name: id, session: id})
		case named || folder == "":
			i.targets = append(i.targets, i.inPlace(ctx, current.Entry))
		case current.Entry.Place == destination.PlaceCore: // otherwise it is not in a folder
			file := filepath.Join(folder, id+mp4Suffix)
			i.targets = append(i.targets, target{name: file, session: id, gone: true})
		}
		have[id] = true
	}
}

// inPlace returns the MP4 of an entry as a target, at the place where it should be.
func (i *inspection) inPlace(ctx context.Context, e ledger.Entry) target {
	t := target{name: e.MP4.Path, session: e.Session}
	if e.Place == destination.PlaceCore {
		t.file, t.err = i.onVolume(e.MP4.Path)
		if t.err == nil {
			t.sum, t.err = hashRegular(ctx, t.file)
		}
	} else {
		t.name = e.Place + "/" + e.MP4.Path
		t.sum, t.err = i.hashObject(ctx, e)
	}
	if errors.Is(t.err, storage.ErrNotFound) || t.file != "" && errors.Is(t.err, fs.ErrNotExist) {
		t.gone, t.err = true, nil
	}
	return t
}

// onVolume returns the path on this host of a file in the replay folder.
func (i *inspection) onVolume(path string) (string, error) {
	root, err := i.replayDir()
	if err != nil {
		return "", err
	}
	if root == "" || !filepath.IsLocal(path) {
		return "", said("cli.verify_not_below")
	}
	return filepath.Join(root, filepath.FromSlash(path)), nil
}

// hashObject returns the SHA-256 of an MP4 in the bucket of core's settings.
func (i *inspection) hashObject(ctx context.Context, e ledger.Entry) (string, error) {
	cfg, err := i.settings()
	if err != nil {
		return "", err
	}
	if !i.asked {
		i.asked = true
		if i.bucket, err = i.app.remoteStorage(ctx, cfg); err != nil {
			fmt.Fprintln(i.app.err, printable(err.Error()))
		}
	}
	if i.bucket == nil || i.bucket.Place() != e.Place {
		return "", said("cli.verify_bucket")
	}
	r, err := i.bucket.Get(ctx, e.MP4.Path, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return hashAll(ctx, r)
}

// openRegular opens a regular file. It does not wait for the writer of a pipe.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// hashRegular returns the SHA-256 of a file, in hexadecimal.
func hashRegular(ctx context.Context, path string) (string, error) {
	f, err := openRegular(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashAll(ctx, f)
}

func hashAll(ctx context.Context, r io.Reader) (string, error) {
	h, piece := sha256.New(), make([]byte, 1<<20)
	for {
		n, err := r.Read(piece)
		h.Write(piece[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return "", err
		}
	}
}
