package queue

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/jumpserver-video/jumpserver-video/coreapi/waittest"
)

// sealed returns the options of an agent with a key; "" means without a key.
func sealed(url, key string, log *slog.Logger) Options {
	o := Options{URL: url, Owner: "agent of " + key, Lease: 2 * time.Second, Log: log}
	if key == "" {
		return o
	}
	o.Seal = func(content []byte) []byte {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(content)
		return mac.Sum(nil)
	}
	o.Holds = func(seal, content []byte) bool { return hmac.Equal(seal, o.Seal(content)) }
	return o
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

// intruder is an attacker who reaches the server of a shared queue.
type intruder struct {
	t  *testing.T
	kv jetstream.KeyValue
}

func intrude(t *testing.T, url string) intruder {
	t.Helper()
	kv, err := js(t, url).KeyValue(t.Context(), bucketName)
	if err != nil {
		t.Fatal(err)
	}
	return intruder{t, kv}
}

func (i intruder) record(n int) []byte {
	i.t.Helper()
	entry, err := i.kv.Get(i.t.Context(), id(n))
	if err != nil {
		i.t.Fatal(err)
	}
	return entry.Value()
}

func (i intruder) put(n int, record []byte) (rev uint64) {
	i.t.Helper()
	rev, err := i.kv.Put(i.t.Context(), id(n), record)
	if err != nil {
		i.t.Fatal(err)
	}
	return rev
}

// seen waits until the queue has seen a revision of a task, and returns the task.
func (q *Queue) seen(t *testing.T, n int, rev uint64) Task {
	t.Helper()
	var have Task
	waittest.Until(t, "seen", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		have = q.view[id(n)].task
		return have.Rev >= rev
	})
	return have
}

// TestAForgedRecordIsNotWorkedOn: a record written without the key is shown as failed,
// without its content. The task is created again when its recording is found again.
func TestAForgedRecordIsNotWorkedOn(t *testing.T) {
	t.Parallel()
	url := natsAlone(t).ClientURL()
	var log logged
	q := open(t, sealed(url, "the key", slog.New(slog.NewTextHandler(&log, nil))))
	submit(t, q, 1, "of one") // its record is used in forgeries
	i := intrude(t, url)
	one := i.record(1)
	release(t, lease(t, q), done)
	evil := []byte(`{"path":"2026-11-22/victim.replay.gz"}`)
	plain := func(n int) []byte {
		record, err := json.Marshal(Task{ID: id(n), Source: evil, Fingerprint: "evil", State: StateQueued})
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	other, err := (&Queue{opt: sealed(url, "another key", nil)}).encode(Task{ID: id(2), Source: evil, State: StateQueued})
	if err != nil {
		t.Fatal(err)
	}
	own := func() []byte { return bytes.ReplaceAll(one, []byte(id(1)), []byte(id(2))) }
	for n, forgery := range map[string][]byte{
		"no seal":                        plain(2),
		"another key's":                  other,
		"another task's":                 one,
		"another task's, with its id":    own(),
		"another source":                 bytes.Replace(one, []byte(`{"n":1}`), evil, 1),
		"another state":                  bytes.Replace(one, []byte(`"state":"queued"`), []byte(`"state":"retiring"`), 1),
		"a source before the sealed one": append([]byte(`{"source":`+string(evil)+`,`), one[1:]...),
		"a source after the seal":        append(bytes.Clone(one[:len(one)-1]), []byte(`,"source":`+string(evil)+`}`)...),
		"a second seal":                  append(bytes.Clone(one[:len(one)-1]), one[bytes.LastIndex(one, sealField):]...),
		"an empty seal":                  append(bytes.Clone(plain(2)[:len(plain(2))-1]), []byte(`,"seal":""}`)...),
		"a seal that is no text":         append(bytes.Clone(plain(2)[:len(plain(2))-1]), []byte(`,"seal":null}`)...),
		"a record after another":         append(bytes.Clone(one), plain(2)...),
		"spaces":                         bytes.Replace(one, []byte(`":`), []byte(`": `), 1),
		"somebody holds it":              bytes.Replace(plain(2), []byte(`"state"`), []byte(`"lease":"x","owner":"x","state"`), 1),
		"a journal":                      bytes.Replace(plain(2), []byte(`"state"`), []byte(`"data":{"reached":"retiring"},"state"`), 1),
		"no JSON":                        []byte("{"),
		"only a seal":                    []byte(`,"seal":"AAAA"}`),
		"nothing":                        {},
	} {
		t.Run(n, func(t *testing.T) {
			before := log.count("a task is not processed")
			rev := i.put(2, forgery)
			have := q.seen(t, 2, rev)
			if have.State != StateFailed || have.Reason != Forged || have.Error == "" || have.Held() || have.Source != nil || have.Data != nil || have.Fingerprint != "" || have.Updated.IsZero() {
				t.Errorf("shown: %+v", have)
			}
			idle(t, q)
			i.put(2, forgery) // again
			if have := q.seen(t, 2, rev+1); have.Reason != Forged {
				t.Errorf("written again: %+v", have)
			}
			if n := log.count("a task is not processed") - before; n != 1 {
				t.Errorf("logged %d times", n)
			}
			task, fresh := submit(t, q, 2, "of two")
			if !fresh || task.State != StateQueued || task.Data != nil {
				t.Fatalf("not created again: %+v", task)
			}
			l := lease(t, q)
			if l.Task().ID != id(2) || string(l.Task().Source) != `{"n":1}` {
				t.Errorf("leased %+v", l.Task())
			}
			release(t, l, done)
		})
	}
}

// TestNoByteOfARecordCanBeChanged: each byte is sealed, or part of the seal.
func TestNoByteOfARecordCanBeChanged(t *testing.T) {
	q := &Queue{opt: sealed("", "the key", nil)}
	task := Task{ID: id(1), Source: json.RawMessage(`{"seal":"x"}`), Data: json.RawMessage(`{"a":",\"seal\":\"AAAA\"}"}`), State: StateRetiring,
		Error: `,"seal":"AAAA"}`, Lease: "x", Date: time.Now().UTC(), Progress: 0.25, Attempt: 3}
	record, err := q.encode(task)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := q.decode(entryOf{record}); err != nil || got.forged || got.Error != task.Error || string(got.Data) != string(task.Data) || !got.Date.Equal(task.Date) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range record {
		for _, b := range []byte{record[i] ^ 1, record[i] ^ 0x20, 0, ' ', '"', '\n'} {
			if b == record[i] {
				continue
			}
			changed := bytes.Clone(record)
			changed[i] = b
			if got, err := q.decode(entryOf{changed}); err != nil || !got.forged {
				t.Errorf("byte %d of %q: %+v, %v", i, changed, got, err)
			}
		}
	}
}

// entryOf is a record of task 1 as the server returns it.
type entryOf struct{ value []byte }

func (entryOf) Bucket() string                  { return bucketName }
func (entryOf) Key() string                     { return id(1) }
func (e entryOf) Value() []byte                 { return e.value }
func (entryOf) Revision() uint64                { return 1 }
func (entryOf) Created() time.Time              { return time.Now() }
func (entryOf) Delta() uint64                   { return 0 }
func (entryOf) Operation() jetstream.KeyValueOp { return jetstream.KeyValuePut }

// TestAHolderWhoseRecordIsForgedStops: its lease is lost, and no other worker takes the
// task.
func TestAHolderWhoseRecordIsForgedStops(t *testing.T) {
	t.Parallel()
	url := natsAlone(t).ClientURL()
	q := open(t, sealed(url, "the key", nil))
	submit(t, q, 1, "x")
	l := lease(t, q)
	i := intrude(t, url)
	i.put(1, bytes.Replace(i.record(1), []byte(`"progress":0`), []byte(`"progress":1`), 1))
	if err := l.Update(func(task *Task) { task.State = StateRetiring }); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("it could still write: %v", err)
	}
	if l.Context().Err() == nil {
		t.Error("the lease's context did not end")
	}
	if have, err := q.Get(t.Context(), id(1)); err != nil || have.Reason != Forged {
		t.Errorf("%+v, %v", have, err)
	}
	idle(t, q)
}

// TestAgentsWithOneKeyShareAQueue: each works on what the other has written.
func TestAgentsWithOneKeyShareAQueue(t *testing.T) {
	t.Parallel()
	url := natsAlone(t).ClientURL()
	a, b := open(t, sealed(url, "the key", nil)), open(t, sealed(url, "the key", nil))
	for n := range 20 {
		submit(t, []*Queue{a, b}[n%2], n, "x")
	}
	i := intrude(t, url)
	for n := range 20 {
		l := lease(t, []*Queue{b, a}[n%2])
		if err := l.Update(func(task *Task) { task.State, task.Data = StateRendering, json.RawMessage(`{"seal":"mine"}`) }); err != nil {
			t.Fatal(err)
		}
		release(t, l, done)
	}
	for n := range 20 {
		if task, err := b.Get(t.Context(), id(n)); err != nil || task.State != StateDone || task.Reason != "" {
			t.Errorf("%+v, %v", task, err)
		}
		if !regexp.MustCompile(`,"seal":"[A-Za-z0-9+/]{43}="}$`).Match(i.record(n)) {
			t.Errorf("not sealed: %s", i.record(n))
		}
	}
	if err := a.Retry(t.Context(), id(3)); err != nil {
		t.Fatal(err)
	}
	if l := lease(t, b); l.Task().ID != id(3) {
		t.Errorf("leased %+v", l.Task())
	}
}

// TestRecordsOfAgentsWithAnotherKey: records from before the key was set, and of agents
// without a key or with another one. They are not processed, are logged in one line, and
// created again when their recordings are found again.
func TestRecordsOfAgentsWithAnotherKey(t *testing.T) {
	t.Parallel()
	for _, keys := range [][2]string{{"", "the key"}, {"the key", ""}, {"the key", "another key"}} {
		t.Run(fmt.Sprintf("%q then %q", keys[0], keys[1]), func(t *testing.T) {
			t.Parallel()
			url := natsAlone(t).ClientURL()
			first := open(t, sealed(url, keys[0], nil))
			for n := range 4 {
				submit(t, first, n, "x")
			}
			held := lease(t, first)
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			var log logged
			q := open(t, sealed(url, keys[1], slog.New(slog.NewTextHandler(&log, nil))))
			waittest.Until(t, "seen", func() bool { tasks, err := q.List(t.Context()); return err == nil && len(tasks) == 4 })
			tasks, err := q.List(t.Context())
			for _, task := range tasks {
				if err != nil || task.State != StateFailed || task.Reason != Forged || task.Held() {
					t.Errorf("%+v, %v", task, err)
				}
			}
			idle(t, q)
			if log.count("count=4") != 1 || log.count("a task is not processed") != 0 {
				t.Errorf("logged:\n%s", log.b.String())
			}
			for n := range 4 { // the same recording, as it was
				if _, fresh := submit(t, q, n, "x"); !fresh {
					t.Errorf("%d is not created again", n)
				}
			}
			for range 4 {
				release(t, lease(t, q), done)
			}
			_ = held
		})
	}
}

// TestRetryingForgetsWhatIsNotBelieved: there is nothing in them to retry.
func TestRetryingForgetsWhatIsNotBelieved(t *testing.T) {
	t.Parallel()
	url := natsAlone(t).ClientURL()
	q := open(t, sealed(url, "the key", nil))
	submit(t, q, 9, "x") // creates the bucket
	release(t, lease(t, q), done)
	i := intrude(t, url)
	for n := 1; n < 4; n++ {
		rev := i.put(n, []byte(`{"id":"`+id(n)+`","state":"queued"}`))
		q.seen(t, n, rev)
	}
	if err := q.Retry(t.Context(), id(1)); err != nil {
		t.Error(err)
	}
	if n, err := q.RetryClass(t.Context(), Forged); err != nil || n < 2 {
		t.Errorf("%d, %v", n, err)
	}
	for n := 1; n < 4; n++ {
		if _, err := q.Get(t.Context(), id(n)); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", n, err)
		}
	}
	waittest.Until(t, "forgotten", func() bool { tasks, err := q.List(t.Context()); return err == nil && len(tasks) == 1 })
	idle(t, q)
	if n, err := q.Purge(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestSealsAreMadeAndLookedAtOrNeither(t *testing.T) {
	o := sealed("nats://127.0.0.1:1", "the key", nil)
	o.Holds = nil
	if q, err := Open(t.Context(), o); err == nil {
		q.Close()
		t.Error("a queue was opened that seals records and does not verify seals")
	}
}

// natsAlone starts a NATS server without a cluster, at an address of its own.
func natsAlone(t *testing.T) *server.Server {
	t.Helper()
	at := reserve(t, 1)
	return natsAt(t, at.Host, at.Ports[0])
}
