package soak

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/agenttest"
	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage/storagetest"
	"github.com/jumpserver-video/jumpserver-video/watcher/volumetest"
)

// trouble is a temporary fault.
type trouble struct {
	name  string
	begin func() (end func())
}

func (s *simulation) troubles(bucket bool) (all []trouble) {
	all = append(all, s.troublesOfCore()...)
	if s.volume != nil {
		all = append(all, s.troublesOfTheVolume()...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.switched && bucket { // each takes a minute
		all = append(all, s.troublesOfTheBucket()...)
	}
	return all
}

func (s *simulation) troublesOfTheVolume() (all []trouble) {
	type fault = volumetest.Fault
	for name, f := range map[string]fault{
		"stale handles":           {Op: "stat", On: ".replay.gz", Errno: syscall.ESTALE},
		"no recording opens":      {Op: "open", On: ".gz", Errno: syscall.EIO},
		"reads fail":              {Op: "read", Errno: syscall.EIO},
		"reads fail now and then": {Op: "read", On: ".mp4", Errno: syscall.ESTALE, Skip: 3},
		"nothing may be opened":   {Op: "open", Errno: syscall.EACCES},
		"read-only":               {Op: "rename", Errno: syscall.EROFS},
		"full":                    {Op: "mkdir", On: cleanup.TrashName, Errno: syscall.ENOSPC},
		"over quota":              {Op: "rename", Errno: syscall.EDQUOT},
		"no folder is listed":     {Op: "list", Errno: syscall.EIO},
		"renames lie":             {Op: "rename", Errno: syscall.EIO, After: true},
		"the server is gone":      {Errno: syscall.ESTALE},
	} {
		all = append(all, trouble{"volume: " + name, func() func() {
			s.volume.Set(f)
			return func() { s.volume.Set() }
		}})
	}
	for _, op := range []string{"read", "stat", "list", ""} {
		all = append(all, trouble{"volume: hangs " + op, func() func() {
			gate := make(chan struct{})
			s.volume.Set(fault{Op: op, Hang: gate})
			return func() { s.volume.Set(); close(gate) }
		}})
	}
	return append(all, trouble{"volume: vanishes", func() func() {
		s.volume.Vanish()
		return func() {
			if err := s.volume.Mount(); err != nil {
				s.addFault("the soak cannot mount its volume again: %v", err)
			}
		}
	}})
}

var (
	uploads = regexp.MustCompile(`/replay/upload/$`)
	events  = regexp.MustCompile(`/lifecycle_log/$`)
)

func (s *simulation) troublesOfCore() (all []trouble) {
	type fault = devcore.Fault
	for name, f := range map[string]fault{
		"down":                  {Cut: true},
		"internal errors":       {Status: 500, Body: `{"detail":"server error"}`},
		"restarting":            {Status: 502, Header: map[string]string{"Content-Type": "text/html"}, Body: "<html>Bad Gateway</html>"},
		"too many requests":     {Status: 429, Header: map[string]string{"Retry-After": "2"}, Body: `{"detail":"Request was throttled."}`},
		"slow":                  {Delay: 1500 * time.Millisecond},
		"uploads are reset":     {Method: http.MethodPost, Path: uploads, Read: 2000, Cut: true},
		"uploads' answers lost": {Method: http.MethodPost, Path: uploads, After: true, Cut: true},
		"events' answers lost":  {Method: http.MethodPost, Path: events, After: true, Cut: true},
		"patches' answers lost": {Method: http.MethodPatch, After: true, Status: 504},
		"its disk is full":      {Method: http.MethodPost, Path: uploads, Status: 500, Body: `{"detail":"No space left on device"}`},
	} {
		all = append(all, trouble{"core: " + name, func() func() { return s.core.Fail(f) }})
	}
	return append(all, trouble{"core: the component is deleted", func() func() {
		for _, name := range s.workers() {
			_ = s.core.DeleteComponent(name) // it may no longer exist
		}
		return func() {}
	}})
}

func (s *simulation) troublesOfTheBucket() (all []trouble) {
	type fault = storagetest.Fault
	for name, of := range map[string]func(*http.Request) fault{
		"slow down": func(*http.Request) fault { return storagetest.XMLError(http.StatusServiceUnavailable, "SlowDown") },
		"errors": func(*http.Request) fault {
			return storagetest.XMLError(http.StatusInternalServerError, "InternalError")
		},
		"answers lost":  func(r *http.Request) fault { return fault{LoseAnswer: r.Method != http.MethodGet} },
		"cut uploads":   func(r *http.Request) fault { return fault{CutUpload: 1000 * bit(r.Method == http.MethodPut)} },
		"cut downloads": func(r *http.Request) fault { return fault{CutDownload: 1000 * bit(r.Method == http.MethodGet)} },
		"flipped bits":  func(r *http.Request) fault { return fault{Flip: r.Method == http.MethodPut} },
	} {
		all = append(all, trouble{"bucket: " + name, func() func() {
			s.gateway.Spoil(func(r *http.Request) storagetest.Fault { s.seen(r); return of(r) })
			return func() { s.gateway.Spoil(s.seen) }
		}})
	}
	return all
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// window is the time of a fault.
type window struct {
	name     string
	from, to time.Time
}

// injectFaults causes one fault after another until ctx ends.
func (s *simulation) injectFaults(ctx context.Context, random *rand.Rand, scale time.Duration, bucket bool) (past []window) {
	var left []trouble
	for n := 0; ctx.Err() == nil; n++ {
		if len(left) == 0 { // each once before any is repeated
			left = s.troubles(bucket)
			random.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		}
		now := left[0]
		left = left[1:]
		was := window{name: now.name, from: time.Now()}
		s.log.Info("trouble begins", "what", now.name)
		end := now.begin()
		agenttest.Pause(ctx, scale+time.Duration(random.Int64N(int64(scale))))
		end()
		was.to = time.Now()
		s.log.Info("trouble is over", "what", now.name)
		past = append(past, was)
		agenttest.Pause(ctx, scale/2+time.Duration(random.Int64N(int64(scale))))
	}
	return past
}

// killRepeatedly kills the agent at random times until ctx ends, and restarts it.
func (s *simulation) killRepeatedly(ctx context.Context, random *rand.Rand, scale time.Duration) (kills int) {
	for {
		agenttest.Pause(ctx, scale+time.Duration(random.Int64N(int64(2*scale))))
		if ctx.Err() != nil {
			return kills
		}
		pid := s.pid()
		s.kill()
		s.checkNoProcesses(pid)
		kills++
		s.start()
	}
}

// checkNoProcesses checks that no process outlives the agent.
func (s *simulation) checkNoProcesses(pid int32) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) { // a fault does not end the test
		left := family(pid)
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			s.addFault("processes outlive the agent: %v", left)
			return
		}
	}
}

// seen checks the agent's requests to the bucket.
func (s *simulation) seen(r *http.Request) storagetest.Fault {
	if key, in := strings.CutPrefix(r.URL.Path, "/"+bucket+"/"); in && r.Method == http.MethodDelete {
		s.takenAway(key, "deleted")
	}
	return storagetest.Fault{}
}

// touched checks the agent's operations on the volume.
func (s *simulation) touched(op, on string) {
	switch op {
	case "rename":
		s.takenAway(on, "moved away")
	case "remove":
		s.takenAway(on, "removed")
		if i := s.itemOf(on); i != nil && !hidden(on) && i.holds(on) {
			s.addFault("%s was removed, not moved to the trash", on)
		}
	}
}

func hidden(name string) bool { return strings.HasPrefix(name, ".") }

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (s *simulation) itemOf(name string) *item { return s.items[uuids.FindString(name)] }

// holds reports whether a name is that of the recording, or of the folder of its parts.
func (i *item) holds(name string) bool {
	_, ours := i.files[name]
	return ours || name == i.original() || name == i.day()+"/"+i.id
}

// takenAway checks the main invariant: an original is removed only when its MP4 is in place.
func (s *simulation) takenAway(name, how string) {
	i := s.itemOf(name)
	if i == nil || hidden(name) || !i.holds(name) {
		return
	}
	s.log.Info("original is removed", "name", name, "how", how)
	if i.want == stays || i.want == uploaded {
		s.addFault("%s (%s) must not be removed, and was %s", name, i.kind, how)
	} else if err := s.served(context.Background(), i); err != nil {
		s.addFault("%s was %s before its MP4 was in place: %v", name, how, err)
	}
}

// served checks that an MP4 made from the item's recording is in place.
func (s *simulation) served(ctx context.Context, i *item) error {
	data, err := os.ReadFile(filepath.Join(s.coreReplay(), filepath.FromSlash(i.video())))
	if err != nil && s.client != nil {
		data, err = s.object(ctx, i.video())
	}
	if err != nil {
		return err
	}
	return i.marked(data)
}

// marked returns an error if an MP4 does not have the mark of this recording.
func (i *item) marked(mp4 []byte) error {
	if !bytes.Contains(mp4, []byte("source=sha256:"+i.mark)) {
		return fmt.Errorf("%s was made from another recording", i.video())
	}
	return nil
}

func (s *simulation) object(ctx context.Context, key string) ([]byte, error) {
	o, err := s.client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer o.Close()
	return io.ReadAll(o)
}
