package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// volume checks core's replay folder. A hard NFS mount whose server is unavailable
// hangs forever, so the check runs in a goroutine that is left behind if it hangs.
func (d *Doctor) volume(ctx context.Context) []Finding {
	dir := d.Config.ReplayDir
	if dir == "" {
		return []Finding{warn(Volume, i18n.T("doctor.fix_no_volume"), i18n.T("doctor.no_volume"))}
	}
	found := make(chan []Finding, 1)
	go func() { found <- d.lookAtVolume(ctx, dir) }()
	select {
	case all := <-found:
		return all
	case <-time.After(d.patience()):
		return []Finding{bad(Volume, i18n.T("doctor.fix_volume_hangs", "point", mountPoint(dir)),
			i18n.T("doctor.volume_hangs", "dir", dir, "span", i18n.Seconds(d.patience().Seconds())))}
	}
}

func (d *Doctor) lookAtVolume(ctx context.Context, dir string) []Finding {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !d.volumeKnown():
		return []Finding{warn(Volume, i18n.T("doctor.fix_no_volume"), i18n.T("doctor.volume_never", "dir", dir))}
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{bad(Volume, i18n.T("doctor.fix_volume_gone"), i18n.T("doctor.volume_gone", "dir", dir))}
	case errors.Is(err, fs.ErrPermission):
		fix := i18n.T("doctor.fix_volume_rights")
		if m, ok := rights.MountOf(filepath.Clean(dir)); ok && m.Remote() {
			fix = i18n.T("doctor.fix_volume_export")
		}
		return []Finding{bad(Volume, fix, raw(err))}
	case err != nil:
		return []Finding{bad(Volume, i18n.T("doctor.fix_volume_mount", "point", mountPoint(dir)), raw(err))}
	}
	var all []Finding
	days, newest := 0, ""
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() {
			days, newest = days+1, max(newest, e.Name())
		}
	}
	if days == 0 {
		all = append(all, warn(Volume, i18n.T("doctor.fix_volume_empty", "dir", dir), i18n.T("doctor.volume_empty", "dir", dir)))
	}
	f := d.tryRights(ctx, dir, newest)
	if f.Level != OK {
		return append(all, f)
	}
	if days > 0 {
		all = append(all, good(Volume, volumeOK(dir, f.Detail, days, newest)))
	}
	if f := space(ctx, Volume, dir); f.Level != OK {
		all = append(all, f)
	}
	return all
}

// volumeKnown reports whether the agent has ever seen the volume. If that cannot be
// read, it returns true.
func (d *Doctor) volumeKnown() bool {
	mount, err := watcher.NewMount(d.Config.ReplayDir, d.Config.DataDir)
	return err != nil || mount.Known()
}

// tryRights checks whether originals can be retired. It uses the result of the
// running agent, which has tried it with its own user and sandbox. Only if no agent
// runs does this process try it.
func (d *Doctor) tryRights(ctx context.Context, dir, newest string) Finding {
	if d.Config.Originals == cleanup.PolicyKeep {
		return good(Volume, i18n.T("doctor.volume_kept", "dir", dir))
	}
	if report, err := d.report(ctx); err == nil {
		i := slices.IndexFunc(report.Conditions, func(c health.Condition) bool { return c.Part == health.Rights })
		if i >= 0 && !report.Conditions[i].OK {
			return bad(Volume, report.Conditions[i].Remedy(), i18n.T("doctor.agent_denied", "error", report.Conditions[i].Reason))
		}
		if i >= 0 {
			return good(Volume, i18n.T("doctor.volume_writable_agent", "dir", dir))
		}
	}
	if newest == "" {
		if err := tryWrite(dir); err != nil {
			return bad(Volume, i18n.T("doctor.fix_volume_rights"), i18n.T("doctor.volume_write", "dir", dir, "error", say(err)))
		}
		return good(Volume, i18n.T("doctor.volume_writable", "dir", dir))
	}
	err := rights.New(dir, "doctor", nil).Check(ctx, newest+"/?")
	var denied *rights.Error
	if errors.As(err, &denied) {
		return bad(Volume, i18n.Fix(denied.Fix), i18n.T("doctor.volume_denied", "dir", dir, "error", say(err)))
	}
	if err != nil {
		return bad(Volume, i18n.T("doctor.fix_volume_well"), raw(err))
	}
	return good(Volume, i18n.T("doctor.volume_writable", "dir", dir))
}

// mountPoint returns the mount point of a folder's file system.
func mountPoint(dir string) string {
	if m, ok := rights.MountOf(filepath.Clean(dir)); ok {
		return m.Point
	}
	return dir
}

// volumeOK adds the number of days and the mount to a text.
func volumeOK(dir string, what i18n.Text, days int, newest string) i18n.Text {
	m, ok := rights.MountOf(filepath.Clean(dir))
	if !ok {
		return i18n.T("doctor.volume_ok", "what", what, "n", days, "newest", newest)
	}
	return i18n.T("doctor.volume_ok_on", "what", what, "n", days, "newest", newest, "device", m.Device, "type", m.Type)
}
