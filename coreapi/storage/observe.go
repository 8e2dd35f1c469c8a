package storage

import (
	"context"
	"errors"
	"io"
	"time"
)

// outcomes are the results of [Outcome].
var outcomes = []struct {
	kind error
	word string
}{
	{context.Canceled, "canceled"},
	{ErrNotFound, "not_found"}, {ErrNoBucket, "no_bucket"}, {ErrCredentials, "credentials"}, {ErrForbidden, "forbidden"}, {ErrClock, "clock"},
	{ErrDamaged, "damaged"}, {ErrArchived, "archived"}, {ErrFull, "full"}, {ErrRegion, "region"}, {ErrCertificate, "certificate"},
	{ErrConfig, "config"}, {ErrRefused, "refused"}, {ErrUnavailable, "unavailable"},
}

// Outcome returns the result of a call as one word, for metrics: "ok", the kind of
// the failure, or "error".
func Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			return o.word
		}
	}
	return "error"
}

// Observed returns a storage that reports each call when it has ended, with its
// [Outcome] and its duration including retries. Get ends when reading may begin.
func Observed(s Storage, observe func(call, outcome string, took time.Duration)) Storage {
	return &observed{s, observe}
}

type observed struct {
	Storage

	observe func(call, outcome string, took time.Duration)
}

func (o *observed) ended(call string, began time.Time, err *error) {
	o.observe(call, Outcome(*err), time.Since(began))
}

func (o *observed) Put(ctx context.Context, key string, body Body) (err error) {
	defer o.ended("put", time.Now(), &err)
	return o.Storage.Put(ctx, key, body)
}

func (o *observed) Stat(ctx context.Context, key string) (_ Object, err error) {
	defer o.ended("stat", time.Now(), &err)
	return o.Storage.Stat(ctx, key)
}

func (o *observed) Get(ctx context.Context, key string, offset int64) (_ io.ReadCloser, err error) {
	defer o.ended("get", time.Now(), &err)
	return o.Storage.Get(ctx, key, offset)
}

func (o *observed) List(ctx context.Context, q Query) (_ Page, err error) {
	defer o.ended("list", time.Now(), &err)
	return o.Storage.List(ctx, q)
}

func (o *observed) Delete(ctx context.Context, key string) (err error) {
	defer o.ended("delete", time.Now(), &err)
	return o.Storage.Delete(ctx, key)
}

func (o *observed) Move(ctx context.Context, from, to string) (err error) {
	defer o.ended("move", time.Now(), &err)
	return o.Storage.Move(ctx, from, to)
}
