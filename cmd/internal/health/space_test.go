package health

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := &Disk{Dir: dir}
		if s := d.Status(); s != (Space{}) {
			t.Errorf("before any measurement: %+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = d.Run(ctx) }()
		synctest.Wait()
		first := d.Status()
		if first.Total <= 0 || first.Free <= 0 || first.Free > first.Total {
			t.Errorf("%+v", first)
		}
		_ = os.RemoveAll(dir) // without the folder the last values stay
		time.Sleep(3 * spaceEvery)
		synctest.Wait()
		if s := d.Status(); s != first {
			t.Errorf("after the folder was removed: %+v, was %+v", s, first)
		}
		cancel()
	})
}
