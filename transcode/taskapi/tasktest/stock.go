// Package tasktest creates queues with many tasks, like those of large sites, for tests and
// benchmarks.
package tasktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/jumpserver-video/jumpserver-video/transcode/queue"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// Stock writes tasks into the folder of an embedded queue, which must not be open. It does
// not sync each write, so that a hundred thousand tasks take a few seconds.
func Stock(ctx context.Context, dir string, tasks []queue.Task) error {
	s, err := server.NewServer(&server.Options{ServerName: "jumpserver-video", DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		return err
	}
	go s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the embedded NATS server did not start")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(1000))
	if err != nil {
		return err
	}
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "tasks", History: 1, Storage: jetstream.FileStorage}); err != nil {
		return err
	}
	for _, t := range tasks {
		record, err := json.Marshal(t)
		if err != nil {
			return err
		}
		if _, err := js.PublishAsync("$KV.tasks."+t.ID, record, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tasks returns n tasks like those of a large site, of which the last changed at now. Nine
// of ten are done or skipped text sessions; the others have failed or wait. The same n and
// now give the same tasks with other ids.
func Tasks(n int, now time.Time) []queue.Task {
	users := []string{"Ivanov(ivanov)", "Петрова Анна(petrova)", "李雷(lilei)", "Smith(smith)", "韩梅梅(hanmeimei)"}
	assets := []string{"accounting-01(10.3.4.7)", "Бухгалтерия(10.3.4.8)", "财务服务器(10.3.4.9)", "win-07(10.1.0.7)"}
	all := make([]queue.Task, n)
	for i := range all {
		at := now.Add(time.Duration(i-n) * time.Minute)
		id := uuid.NewString()
		end := at.Add(time.Duration(5+i%120) * time.Minute)
		journal := task.Journal{Session: &task.Session{
			User: users[i%len(users)], Asset: assets[i/3%len(assets)], Account: "administrator", Protocol: "rdp", Start: at.UTC(), End: &end,
		}}
		t := queue.Task{ID: id, Date: at, Created: at, Updated: at, State: queue.StateDone, Progress: 1, Attempt: 1}
		source := task.Source{Path: at.UTC().Format(time.DateOnly) + "/" + id + ".replay.gz", Size: int64(9e6 + i%50*1e6), ModTime: at}
		switch i % 20 {
		case 0:
			t.State, t.Reason, t.Error, t.Attempt = queue.StateFailed, task.ClassVerify, fmt.Sprintf("frame %d is not what was drawn: SSIM 0.41", i), 5
		case 1:
			t.State, t.Reason, t.Error, t.Next = queue.StateRetrying, task.ClassDiskFull, "no space left on device", now.Add(24*time.Hour)
		case 2, 3, 4, 5, 6, 7, 8, 9, 10:
			t.State, t.Reason, t.Error = queue.StateSkipped, task.ClassKind, "a koko JSON recording"
		default:
			journal.RenderSeconds, journal.Reached = 41, task.ReachedMarked
			journal.Retired = []string{".jumpserver-video-trash/" + source.Path}
			journal.Video = &task.VideoFacts{Size: source.Size / 9, Frames: 2210, DurationMS: 273_000, Width: 1920, Height: 1080}
		}
		t.Source, t.Fingerprint, t.Data = task.Encode(source), source.Fingerprint(), task.Encode(journal)
		journal.Fingerprint = t.Fingerprint
		all[i] = t
	}
	return all
}
