package queue

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Forged is the reason of a task whose record was not written by an agent that
// has the key: nothing that it says is believed.
const Forged Class = "record_forged"

// Why a record is not believed.
var (
	errSeal = errors.New("the task's record was not sealed by this fleet: somebody else has written it, or an agent without VIDEO_WORKER_SECRET_KEY or with another one")
	errKey  = errors.New("the task's record is sealed, and this agent has no VIDEO_WORKER_SECRET_KEY")
	errSwap = errors.New("the task's record was sealed for another task")
)

// sealField begins the last field of a sealed record. What is sealed are the
// very bytes before it, closed by a brace: there is one way to read them.
var sealField = []byte(`,"seal":"`)

// encode returns the record of a task, sealed where records are.
func (q *Queue) encode(t Task) ([]byte, error) {
	content, err := json.Marshal(t)
	if err != nil || q.opt.Seal == nil {
		return content, err
	}
	seal := q.opt.Seal(content)
	record := append(bytes.Clone(content[:len(content)-1]), sealField...)
	return append(base64.StdEncoding.AppendEncode(record, seal), `"}`...), nil
}

// unseal takes a record apart. A seal that cannot be read is none.
func unseal(record []byte) (content, seal []byte, sealed bool) {
	i := bytes.LastIndex(record, sealField)
	text, ok := bytes.CutSuffix(record[max(i, 0):], []byte(`"}`))
	if i < 0 || !ok {
		return record, nil, false
	}
	seal, _ = base64.StdEncoding.Strict().DecodeString(string(text[len(sealField):]))
	return append(bytes.Clone(record[:i]), '}'), seal, true
}

// decode reads a record. One whose seal does not hold becomes a task that has
// failed with [Forged], of which nothing is known but its id.
func (q *Queue) decode(entry jetstream.KeyValueEntry) (Task, error) {
	content, seal, sealed := unseal(entry.Value())
	switch {
	case q.opt.Holds != nil && !q.opt.Holds(seal, content):
		return forged(entry, errSeal)
	case q.opt.Holds == nil && sealed:
		return forged(entry, errKey)
	}
	var t Task
	err := json.Unmarshal(content, &t)
	t.Rev = entry.Revision()
	switch {
	case err != nil:
		return Task{}, err
	case t.ID != entry.Key() && sealed:
		return forged(entry, errSwap)
	case t.ID != entry.Key():
		return Task{}, fmt.Errorf("it is of the task %q", t.ID)
	}
	return t, nil
}

// forged is what is shown in place of a record that is not believed.
func forged(entry jetstream.KeyValueEntry, why error) (Task, error) {
	if !idPattern.MatchString(entry.Key()) {
		return Task{}, why
	}
	at := entry.Created().UTC()
	return Task{
		ID: entry.Key(), State: StateFailed, Reason: Forged, Error: why.Error(), Created: at, Updated: at, Rev: entry.Revision(), forged: true,
	}, nil
}

// suspect says in the log which record is not believed, once for each; those
// that are there at the start are counted.
func (q *Queue) suspect(t Task, starting bool) {
	if !t.forged {
		return
	}
	q.mu.Lock()
	known := q.view[t.ID].task.forged
	if !known && starting {
		q.distrusted++
	}
	q.mu.Unlock()
	if !known && !starting {
		q.opt.Log.Error("a task is not worked on", "session", t.ID, "reason", Forged, "error", t.Error)
	}
}

// tellDistrusted says in the log how many records were there at the start that
// are not believed.
func (q *Queue) tellDistrusted() {
	q.mu.Lock()
	n := q.distrusted
	q.distrusted = 0
	q.mu.Unlock()
	if n > 0 {
		q.opt.Log.Error("tasks are not worked on: their records were not sealed by this fleet", "count", n, "reason", Forged)
	}
}

// forget removes the record of a task that is not believed; errConflict when
// there is another one by now.
func (q *Queue) forget(ctx context.Context, t Task) error {
	return q.try(ctx, func(ctx context.Context) error {
		err := q.kv.Purge(ctx, t.ID, jetstream.LastRevision(t.Rev))
		if isCode(err, jetstream.JSErrCodeStreamWrongLastSequence) {
			return errConflict
		}
		return err
	})
}
