package soak

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/liontest"
)

// arrivals adds all recordings, each at its time, and returns when all are in place.
func (w *town) arrivals(ctx context.Context, began time.Time) {
	var group sync.WaitGroup
	at := func(after time.Duration, do func()) {
		group.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(began.Add(after))):
				do()
			}
		})
	}
	for _, i := range w.items {
		at(i.after, func() { w.arrive(ctx, i) })
		if i.over > 0 {
			at(i.over, func() {
				s := i.session
				s.Finished, s.End = true, time.Now()
				w.core.AddSession(s)
			})
		}
		if i.forget > 0 {
			at(i.forget, func() { w.core.RemoveSession(i.id) })
		}
	}
	group.Wait()
	// Lions that keep recordings send them to core when they restart.
	for _, era := range []liontest.Era{liontest.Cookie, liontest.Keeps} {
		w.insist(ctx, "restart "+era.String(), func() error { return w.lions[era].Restart(ctx, time.Now().UTC().Format(time.DateOnly)) })
	}
}

// insist repeats what people and components would repeat until it succeeds.
func (w *town) insist(ctx context.Context, what string, do func() error) {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return
		}
		w.log.Info("retrying later", "what", what, "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

func (w *town) arrive(ctx context.Context, i *item) {
	w.log.Info("arrives", "id", i.id, "kind", i.kind)
	if i.session.ID != "" {
		w.core.AddSession(i.session)
	}
	switch {
	case i.isUpload(), i.kind == "hollow upload":
		w.upload(ctx, i, w.lions[i.era])
		if i.kind == "upload twice" {
			w.upload(ctx, i, w.lions[liontest.Keeps])
		}
	case i.bucket:
		for _, key := range i.order() {
			w.insist(ctx, key, func() error {
				_, err := w.client.PutObject(ctx, bucket, key, bytes.NewReader(i.files[key]), int64(len(i.files[key])), minio.PutObjectOptions{})
				return err
			})
		}
	default:
		for _, name := range i.order() {
			if err := w.write(ctx, i, name); err != nil {
				w.complain("the soak cannot write %s: %v", name, err)
			}
		}
	}
}

// order returns the order in which a component stores the files: the index is last.
func (i *item) order() (names []string) {
	for name := range i.files {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.ReplaceAll(a, ".replay.json", "~"), strings.ReplaceAll(b, ".replay.json", "~"))
	})
	return names
}

// write writes a file to the volume, dated an hour ago unless it is a slow one.
func (w *town) write(ctx context.Context, i *item, name string) error {
	path := filepath.Join(w.below(), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	data := i.files[name]
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if i.slow {
		half := len(data) / 2
		if _, err := f.Write(data[:half]); err != nil {
			return err
		}
		data = data[half:]
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
	if _, err := f.Write(data); err != nil || i.slow || !i.session.Finished { // a session that has not ended is still written to
		return err
	}
	old := time.Now().Add(-time.Hour)
	if i.kind == "broken" { // the rest will never be written
		old = old.Add(-48 * time.Hour)
	}
	return os.Chtimes(path, old, old)
}

// upload has a Lion upload a recording, to the agent or finally to core.
func (w *town) upload(ctx context.Context, i *item, lion *liontest.Lion) {
	from := filepath.Join(w.dir, "made", i.id)
	if err := os.MkdirAll(from, 0o755); err != nil {
		w.complain("%v", err)
		return
	}
	for name, data := range i.files {
		if err := os.WriteFile(filepath.Join(from, filepath.Base(name)), data, 0o600); err != nil {
			w.complain("%v", err)
			return
		}
	}
	path := from
	if i.era != liontest.Parts {
		path = filepath.Join(from, i.id+".replay.gz")
	}
	if err := lion.Record(i.id, path); err != nil {
		w.complain("%s: %v", i.id, err)
		return
	}
	w.insist(ctx, "upload of "+i.id, func() error {
		out, err := lion.End(ctx, i.id, i.day())
		refused := ""
		if out.Refused != nil {
			refused = out.Refused.Error()
		}
		w.log.Info("upload", "id", i.id, "taken", out.Task != "", "refused", refused)
		return err
	})
}
