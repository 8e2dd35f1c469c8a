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
func (s *simulation) arrivals(ctx context.Context, began time.Time) {
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
	for _, i := range s.items {
		at(i.after, func() { s.arrive(ctx, i) })
		if i.over > 0 {
			at(i.over, func() {
				over := i.session
				over.Finished, over.End = true, time.Now()
				s.core.AddSession(over)
			})
		}
		if i.forget > 0 {
			at(i.forget, func() { s.core.RemoveSession(i.id) })
		}
	}
	group.Wait()
	// Lions that keep recordings send them to core when they restart.
	for _, era := range []liontest.Era{liontest.Cookie, liontest.Keeps} {
		s.keepTrying(ctx, "restart "+era.String(), func() error { return s.lions[era].Restart(ctx, time.Now().UTC().Format(time.DateOnly)) })
	}
}

// keepTrying repeats what people and components would repeat until it succeeds.
func (s *simulation) keepTrying(ctx context.Context, what string, do func() error) {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Info("retrying later", "what", what, "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

func (s *simulation) arrive(ctx context.Context, i *item) {
	s.log.Info("arrives", "id", i.id, "kind", i.kind)
	if i.session.ID != "" {
		s.core.AddSession(i.session)
	}
	switch {
	case i.isUpload(), i.kind == "hollow upload":
		s.upload(ctx, i, s.lions[i.era])
		if i.kind == "upload twice" {
			s.upload(ctx, i, s.lions[liontest.Keeps])
		}
	case i.bucket:
		for _, key := range i.order() {
			s.keepTrying(ctx, key, func() error {
				_, err := s.client.PutObject(ctx, bucket, key, bytes.NewReader(i.files[key]), int64(len(i.files[key])), minio.PutObjectOptions{})
				return err
			})
		}
	default:
		for _, name := range i.order() {
			if err := s.write(ctx, i, name); err != nil {
				s.addFault("the soak cannot write %s: %v", name, err)
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
func (s *simulation) write(ctx context.Context, i *item, name string) error {
	path := filepath.Join(s.coreReplay(), filepath.FromSlash(name))
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
func (s *simulation) upload(ctx context.Context, i *item, lion *liontest.Lion) {
	from := filepath.Join(s.dir, "made", i.id)
	if err := os.MkdirAll(from, 0o755); err != nil {
		s.addFault("%v", err)
		return
	}
	for name, data := range i.files {
		if err := os.WriteFile(filepath.Join(from, filepath.Base(name)), data, 0o600); err != nil {
			s.addFault("%v", err)
			return
		}
	}
	path := from
	if i.era != liontest.Parts {
		path = filepath.Join(from, i.id+".replay.gz")
	}
	if err := lion.Record(i.id, path); err != nil {
		s.addFault("%s: %v", i.id, err)
		return
	}
	s.keepTrying(ctx, "upload of "+i.id, func() error {
		out, err := lion.End(ctx, i.id, i.day())
		refused := ""
		if out.Refused != nil {
			refused = out.Refused.Error()
		}
		s.log.Info("upload", "id", i.id, "taken", out.Task != "", "refused", refused)
		return err
	})
}
