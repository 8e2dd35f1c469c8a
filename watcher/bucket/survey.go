package bucket

import (
	"context"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Survey visits every day of a bucket from since on ("" = all), newest first, and
// changes nothing. It looks only at names, because reading objects costs money. It
// therefore does not find missing parts.
func Survey(ctx context.Context, s storage.Storage, since string, settle time.Duration, visit func(watcher.Day) error) error {
	days, err := Days(ctx, s, ctx.Err)
	if err != nil {
		return err
	}
	for _, date := range days {
		if date < since {
			break
		}
		d := watcher.Day{Date: date}
		err := Day(ctx, s, date, "", func(s *Session, _ string) error {
			survey(&d, s, settle)
			return nil
		}, ctx.Err)
		if err != nil {
			return err
		}
		if err := visit(d); err != nil {
			return err
		}
	}
	return nil
}

// survey classifies what there is of one session.
func survey(d *watcher.Day, s *Session, settle time.Duration) {
	objects := s.Objects()
	var size int64
	var newest time.Time
	for _, o := range objects {
		size += o.Size
		if o.ModTime.After(newest) {
			newest = o.ModTime
		}
	}
	add := func(at string, size int64, as watcher.As, reason string) {
		d.Add(watcher.File{Path: at, Bytes: size, As: as, Reason: reason})
	}
	age := time.Since(newest)
	switch {
	case len(objects) > 0 && age >= 0 && age < settle:
		add(s.Entry().Key, size, watcher.AsTooNew, "")
	case len(objects) > 0 && s.Entry().Size == 0:
		add(s.Entry().Key, size, watcher.AsBroken, "empty")
	case len(objects) > 0:
		add(s.Entry().Key, size, watcher.AsConvertible, "")
	case s.Video != nil:
		add(s.Video.Key, s.Video.Size, watcher.AsDone, "")
	case s.Index != nil && len(s.Others) == 0:
		add(s.Index.Key, s.Index.Size, watcher.AsBroken, "missing part")
	}
	for _, o := range s.Others {
		add(o.Key, o.Size, watcher.AsForeign, recording.ParseName(o.Key).Class.String())
	}
}
