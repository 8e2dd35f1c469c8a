package bucket

import (
	"context"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
	"github.com/jumpserver-video/jumpserver-video/watcher"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Survey looks at every day of a bucket from since on ("" = all), the newest
// first, and changes nothing. It goes by names: the content of objects is not
// read, because that costs. Missing parts are therefore not found out.
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

// survey sorts in what there is of one session.
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
	age := time.Since(newest)
	switch {
	case len(objects) > 0 && age >= 0 && age < settle:
		d.TooNew.Add(size)
	case len(objects) > 0 && s.Entry().Size == 0:
		d.Because(&d.Broken, size, "empty")
	case len(objects) > 0:
		d.Convertible.Add(size)
	case s.Video != nil:
		d.Done.Add(s.Video.Size)
	case s.Index != nil && len(s.Others) == 0:
		d.Because(&d.Broken, s.Index.Size, "missing part")
	}
	for _, o := range s.Others {
		d.Because(&d.Foreign, o.Size, recording.ParseName(o.Key).Class.String())
	}
}
