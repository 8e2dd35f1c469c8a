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

// target is an MP4 that is looked at.
type target struct {
	name    string // for people
	file    string // "" = not one of this host
	session string // by its name; "" = that says none
	claims  string // the session that it says it is of, if its name says none
	sum     string // SHA-256, hex
	gone    bool   // it should be there
	err     error  // it cannot be read
}

// inspection looks at MP4s.
type inspection struct {
	app   *app
	books *books

	config *config.Config  // nil = not needed yet
	bucket storage.Storage // likewise
	asked  bool            // for the bucket

	targets []target
	seen    map[string]bool   // files among them
	days    map[string]string // all of whose MP4s should be there, in this folder; "" = where the ledger says
	ids     []string          // of sessions named
}

const mp4Suffix = ".replay.mp4"

var sessionID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// run looks at what the arguments name.
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
		return nil, fmt.Errorf("%w: there is no MP4 in %s, and none should be", errFiles, strings.Join(args, ", "))
	}
	return all, context.Cause(ctx)
}

// add takes up what one argument names.
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
	}
	return err
}

// addDay takes up a day of the replay folder. Where that cannot be read, the MP4s
// that should be there are found by the ledgers, and cannot be read either.
func (i *inspection) addDay(ctx context.Context, day string) error {
	i.days[day] = ""
	root, err := i.replayDir()
	if err != nil || root == "" {
		return nil //nolint:nilerr // each MP4 says so
	}
	err = i.addFolder(ctx, filepath.Join(root, day))
	if errors.Is(err, fs.ErrNotExist) { // all are missing then, or in a bucket
		return nil
	}
	return err
}

// replayDir is core's replay folder; "" if there is none. An empty one is one
// that is not mounted: nothing is missing then.
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

// addFolder takes up the MP4s in a folder and below it.
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

// addFile takes up a file.
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

// claimOf is the session that an MP4 says it is of; "" if it says none.
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

// addMissing takes up the MP4s of the sessions and days named that are not among
// the files.
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
		case current.Entry.Place == destination.PlaceCore: // else it is not to be found in a folder
			file := filepath.Join(folder, id+mp4Suffix)
			i.targets = append(i.targets, target{name: file, session: id, gone: true})
		}
		have[id] = true
	}
}

// inPlace looks at the MP4 that an entry is about, where it should be.
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

// onVolume is where a file of the replay folder is on this host.
func (i *inspection) onVolume(path string) (string, error) {
	root, err := i.replayDir()
	if err != nil {
		return "", err
	}
	if root == "" || !filepath.IsLocal(path) {
		return "", errors.New("it is not below a replay folder of this host")
	}
	return filepath.Join(root, filepath.FromSlash(path)), nil
}

// hashObject is the SHA-256 of an MP4 in the bucket that core is set to.
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
		return "", errors.New("this bucket cannot be looked into from here: fetch the MP4, and verify the file")
	}
	r, err := i.bucket.Get(ctx, e.MP4.Path, 0)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return hashAll(ctx, r)
}

// openRegular opens a file that is one: no pipe that nobody writes to.
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

// hashRegular is the SHA-256 of a file, hex.
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
