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

// Forged is the reason of a task whose record was not written by an agent with the same
// key. Nothing in such a record is used.
const Forged Class = "record_forged"

// Why a record is not trusted.
var (
	errSeal = errors.New("the task's record has no valid seal of this fleet: someone else has written it, or an agent with another VIDEO_WORKER_SECRET_KEY or none")
	errKey  = errors.New("the task's record is sealed, and this agent has no VIDEO_WORKER_SECRET_KEY; set the same one on all agents")
	errSwap = errors.New("the task's record was sealed for another task")
)

// sealField begins the last field of a sealed record. The sealed content is exactly the
// bytes before it, closed by a brace, so that a record can be read in one way only.
var sealField = []byte(`,"seal":"`)

// encode returns the record of a task, sealed if [Options] has Seal.
func (q *Queue) encode(t Task) ([]byte, error) {
	content, err := json.Marshal(t)
	if err != nil || q.opt.Seal == nil {
		return content, err
	}
	seal := q.opt.Seal(content)
	record := append(bytes.Clone(content[:len(content)-1]), sealField...)
	return append(base64.StdEncoding.AppendEncode(record, seal), `"}`...), nil
}

// unseal splits a record into its content and its seal. sealed reports whether there is
// a seal; seal is nil if it is not valid base64.
func unseal(record []byte) (content, seal []byte, sealed bool) {
	i := bytes.LastIndex(record, sealField)
	text, ok := bytes.CutSuffix(record[max(i, 0):], []byte(`"}`))
	if i < 0 || !ok {
		return record, nil, false
	}
	seal, _ = base64.StdEncoding.Strict().DecodeString(string(text[len(sealField):]))
	return append(bytes.Clone(record[:i]), '}'), seal, true
}

// decode returns the task in a record. If the record is not trusted, the task has only
// its id, and has failed with [Forged].
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
		return Task{}, fmt.Errorf("the record is of another task, %q", t.ID)
	}
	return t, nil
}

// forged returns the task that is shown in place of a record that is not trusted. If the
// record's key is no id, it returns the error why.
func forged(entry jetstream.KeyValueEntry, why error) (Task, error) {
	if !idPattern.MatchString(entry.Key()) {
		return Task{}, why
	}
	at := entry.Created().UTC()
	return Task{
		ID: entry.Key(), State: StateFailed, Reason: Forged, Error: why.Error(), Created: at, Updated: at, Rev: entry.Revision(), forged: true,
	}, nil
}

// logForged logs a task whose record is not trusted, once for each. Those that exist at
// the start are only counted, for logUntrusted.
func (q *Queue) logForged(t Task, starting bool) {
	if !t.forged {
		return
	}
	q.mu.Lock()
	known := q.view[t.ID].task.forged
	if !known && starting {
		q.untrusted++
	}
	q.mu.Unlock()
	if !known && !starting {
		q.opt.Log.Error("a task is not processed", "session", t.ID, "reason", Forged, "error", t.Error)
	}
}

// logUntrusted logs how many records that existed at the start are not trusted.
func (q *Queue) logUntrusted() {
	q.mu.Lock()
	n := q.untrusted
	q.untrusted = 0
	q.mu.Unlock()
	if n > 0 {
		q.opt.Log.Error("tasks are not processed: their records have no valid seal of this fleet", "count", n, "reason", Forged)
	}
}

// forget removes the record of a task. Errors: errConflict if the record has changed
// meanwhile, and those of [Queue.try].
func (q *Queue) forget(ctx context.Context, t Task) error {
	return q.try(ctx, func(ctx context.Context) error {
		err := q.kv.Purge(ctx, t.ID, jetstream.LastRevision(t.Rev))
		if isCode(err, jetstream.JSErrCodeStreamWrongLastSequence) {
			return errConflict
		}
		return err
	})
}
