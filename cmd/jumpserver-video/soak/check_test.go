package soak

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// tree is the content of the volume, of the bucket and of their trashes: the digests of
// files by name, and the names in a trash by digest.
type tree struct {
	live    map[string]string
	trashed map[string]string
	twice   []string // different on the volume and in the bucket
}

// look reads the tree. When core shows a recording in a bucket, it may create copies, so
// that must happen later.
func (s *simulation) look(ctx context.Context) (all tree, err error) {
	all = tree{live: map[string]string{}, trashed: map[string]string{}}
	add := func(name string, data []byte) {
		if hidden(name) {
			all.trashed[sum(data)] = name
		} else {
			all.live[name] = sum(data)
		}
	}
	err = filepath.WalkDir(s.coreReplay(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.coreReplay(), path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		add(filepath.ToSlash(rel), data)
		return err
	})
	if err != nil {
		return all, err
	}
	err = filepath.WalkDir(s.agent.Data("spool", "done"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all.trashed[sum(data)] = path
		return err
	})
	if err != nil || s.client == nil {
		return all, err
	}
	for o := range s.client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return all, o.Err
		}
		data, err := s.object(ctx, o.Key)
		if err != nil {
			return all, err
		}
		if storage.InTrash(o.Key) {
			all.trashed[sum(data)] = o.Key
		} else if was, there := all.live[o.Key]; there && was != sum(data) {
			all.twice = append(all.twice, o.Key+" is different on the volume and in the bucket")
		} else {
			add(o.Key, data)
		}
	}
	return all, nil
}

// check returns everything that is wrong.
func (s *simulation) check(ctx context.Context, tasks map[string]task.View, events map[string][]string) (wrong []string) {
	s.mu.Lock()
	wrong = slices.Concat(s.faults, s.agent.Strays())
	s.mu.Unlock()
	all, err := s.look(ctx)
	if err != nil {
		return append(wrong, err.Error())
	}
	wrong = append(wrong, all.twice...)
	known := map[string]bool{}
	for _, i := range s.items {
		var why error
		switch i.want {
		case ends:
			why = s.isServed(ctx, i, all, tasks)
			known[i.video()] = true
		case stays:
			why = isLeft(i, all, tasks)
		case uploaded:
			why = s.isUploaded(ctx, i)
			known[i.original()] = true
		case whole:
			_, there := all.live[i.video()]
			known[i.video()] = true
			for name, data := range i.files {
				if !there && all.live[name] != sum(data) && all.trashed[sum(data)] == "" {
					why = fmt.Errorf("%s is lost", name)
				}
			}
		}
		if i.want == stays || i.want == whole {
			for name := range i.files {
				known[name] = true
			}
		}
		if why != nil {
			v := tasks[i.id]
			wrong = append(wrong, fmt.Sprintf("%s (%s) is not %s: %v; its task is %q (%s) %s", i.id, i.kind, i.want, why, v.State, v.Reason, v.Error))
		}
		for name, n := range count(events[i.id]) {
			if n > s.often(i) {
				wrong = append(wrong, fmt.Sprintf("%s (%s): core was told of %s %d times", i.id, i.kind, name, n))
			}
		}
	}
	for name, digest := range all.live {
		if !known[name] && !s.isSecond(name, digest) {
			wrong = append(wrong, fmt.Sprintf("%s is left over", name))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// isSecond reports whether a file is a second copy of a recording, which core before 4.8 has
// stored under a random name. Such copies are neither served nor changed.
func (s *simulation) isSecond(name, digest string) bool {
	i := s.itemOf(name)
	return i != nil && recording.ParseName(name).Class == recording.ClassCollision && sum(i.files[i.original()]) == digest
}

// often returns how often core may get an event of a session: once. If replays are moved to
// another storage meanwhile, a recording that is sent again is converted again for that.
func (s *simulation) often(i *item) int {
	if s.client != nil && (i.kind == "upload kept" || i.kind == "upload twice") {
		return 2
	}
	return 1
}

// isServed checks that core's UI plays the MP4 of exactly this recording, and that each
// original is in a trash.
func (s *simulation) isServed(ctx context.Context, i *item, all tree, tasks map[string]task.View) error {
	replay, err := s.core.Served(ctx, i.id)
	if err != nil {
		return err
	}
	if replay.Type != "mp4" || replay.Denied {
		return fmt.Errorf("core serves %+v", replay)
	}
	data, err := os.ReadFile(replay.Path)
	if err != nil {
		return err
	}
	if err := i.marked(data); err != nil {
		return err
	}
	if sum(data) != all.live[i.video()] {
		return fmt.Errorf("core serves other bytes than are stored")
	}
	session, _ := s.core.Session(i.id)
	switch {
	case !session.HasReplay:
		return fmt.Errorf("the session is not marked")
	case tasks[i.id].State != queue.StateDone:
		return fmt.Errorf("its task is not done")
	case i.isUpload() && i.era == liontest.Raw: // Lion has it in another format
		return nil
	}
	for name, data := range i.files {
		if all.trashed[sum(data)] == "" {
			if i.isUpload() && strings.HasSuffix(name, ".replay.json") {
				continue // written again, in another format
			}
			return fmt.Errorf("%s is not in the trash", name)
		}
	}
	return nil
}

// decodes has ffmpeg decode some of the MP4s, without any error.
func (s *simulation) decodes(ctx context.Context, most int) (wrong []string) {
	for _, i := range s.items { // in random order
		replay, err := s.core.Served(ctx, i.id)
		if i.want != ends || err != nil || replay.Type != "mp4" {
			continue
		}
		out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-y", "-v", "error", "-xerror", "-i", replay.Path, "-f", "framehash", "-fps_mode", "passthrough", "-enc_time_base", "-1", os.DevNull).CombinedOutput()
		if err != nil || len(out) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s (%s) does not decode: %v, %s", i.id, i.kind, err, out))
		}
		if most--; most == 0 {
			return wrong
		}
	}
	return append(wrong, "too few MP4s to decode some")
}

// isLeft checks that each byte is in its place, and that the task has a reason.
func isLeft(i *item, all tree, tasks map[string]task.View) error {
	for name, data := range i.files {
		if all.live[name] != sum(data) {
			return fmt.Errorf("%s was changed", name)
		}
	}
	if v := tasks[i.id]; v.State == queue.StateDone {
		return fmt.Errorf("its task is done")
	} else if !strings.HasSuffix(i.order()[0], ".cast.gz") && v.Reason == "" {
		return fmt.Errorf("its task has no reason")
	}
	return nil
}

// isUploaded checks that core plays the recording itself.
func (s *simulation) isUploaded(ctx context.Context, i *item) error {
	replay, err := s.core.Served(ctx, i.id)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(replay.Path)
	if err != nil {
		return err
	}
	if replay.Type != "guacamole" || !bytes.Equal(data, i.files[i.original()]) {
		return fmt.Errorf("core serves %+v", replay)
	}
	return nil
}

// events returns the events that core got from the agents, by session.
func (s *simulation) events() map[string][]string {
	told := map[string][]string{}
	for id := range s.items {
		for _, e := range s.core.Events(id) {
			if !strings.HasPrefix(e.By, "[Lion]") {
				told[id] = append(told[id], e.Name)
			}
		}
	}
	return told
}

func count(names []string) map[string]int {
	n := map[string]int{}
	for _, name := range names {
		n[name]++
	}
	return n
}

// untold counts the events that core should have got for converted recordings, but did not.
// Events that were being sent when the agent was killed or core failed may be missing,
// because they are never sent twice.
func untold(items map[string]*item, told map[string][]string) (missing int) {
	for id, i := range items {
		if i.want != ends {
			continue
		}
		n := count(told[id])
		for _, e := range []coreapi.Event{coreapi.ConvertStart, coreapi.ConvertSuccess, coreapi.UploadStart, coreapi.UploadSuccess} {
			if n[string(e)] == 0 {
				missing++
			}
		}
	}
	return missing
}

// requestRates checks the number of requests to core: per second, per recording, and while all of
// them fail.
func (s *simulation) requestRates(began time.Time, past []window) (wrong []string, total, peak int, down float64) {
	calls := s.proxy.between(began, time.Now())
	seconds := map[int64]int{}
	for _, c := range calls {
		seconds[c.at.Unix()]++
	}
	for _, n := range seconds {
		peak = max(peak, n)
	}
	for _, was := range past {
		if !slices.Contains([]string{"core: down", "core: internal errors", "core: restarting"}, was.name) {
			continue
		}
		since := was.from.Add(2 * time.Second) // until requests in progress have ended
		if n := len(s.proxy.between(since, was.to)); was.to.After(since) {
			down = max(down, float64(n)/was.to.Sub(since).Seconds())
		}
	}
	if per := len(calls) / len(s.items); per > mostPerRecording {
		wrong = append(wrong, fmt.Sprintf("core got %d requests per recording", per))
	}
	if peak > mostPerSecond {
		wrong = append(wrong, fmt.Sprintf("core got %d requests in one second", peak))
	}
	if down > mostWhileDown {
		wrong = append(wrong, fmt.Sprintf("core got %.1f requests per second while it was down", down))
	}
	return wrong, len(calls), peak, down
}

// Limits of requests to core.
const (
	mostPerRecording = 60
	mostPerSecond    = 100
	mostWhileDown    = 20.0
)

// secrets searches logs, task files and arguments for secrets.
func (s *simulation) secrets() (wrong []string) {
	secrets := []string{token}
	if s.server != nil {
		secrets = append(secrets, s.server.Secret)
	}
	if key, err := os.ReadFile(s.agent.Data("keys", ".access_key")); err == nil {
		_, secret, _ := bytes.Cut(bytes.TrimSpace(key), []byte(":"))
		secrets = append(secrets, string(secret))
	} else {
		wrong = append(wrong, err.Error())
	}
	for _, dir := range []string{s.agent.Output, s.agent.Data("tasks"), s.agent.Data("queue"), s.agent.Data("work")} {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // the file was removed
			}
			data, _ := os.ReadFile(path)
			for n, secret := range secrets {
				if secret != "" && bytes.Contains(data, []byte(secret)) {
					wrong = append(wrong, fmt.Sprintf("secret %d is in %s", n, path))
				}
			}
			return nil
		})
	}
	return wrong
}
