package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/disk"
)

// volume looks at core's replay folder. A hard NFS mount whose server is away
// hangs for ever, so it is looked at from a goroutine that may be left behind.
func (d *Doctor) volume(ctx context.Context) []Finding {
	const check = "replay volume"
	dir := d.Config.ReplayDir
	if dir == "" {
		return []Finding{warn(check, "mount core's media folder and set REPLAY_DIR to its folder replay, if it is not in buckets alone",
			"REPLAY_DIR is empty: recordings come from uploads and buckets only")}
	}
	found := make(chan []Finding, 1)
	go func() { found <- d.lookAtVolume(ctx, check, dir) }()
	select {
	case all := <-found:
		return all
	case <-time.After(d.patience()):
		return []Finding{bad(check, "look at the NFS server and the mount (dmesg, nfsstat -m); umount -f -l and mount it again",
			"%s has not answered for %s", dir, d.patience())}
	}
}

func (d *Doctor) lookAtVolume(ctx context.Context, check, dir string) []Finding {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{bad(check, "mount core's data/media so that REPLAY_DIR is its folder replay, or set REPLAY_DIR to where it is", "%s is not there", dir)}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{bad(check, "give the agent's user the rights of core's (see docs/nfs.md: root_squash, user ids)", "%v", err)}
	case err != nil:
		return []Finding{bad(check, "mount it again (umount -l "+dir+"; mount -a)", "%v", err)}
	}
	var all []Finding
	days, newest := 0, ""
	for _, e := range entries {
		if _, err := time.Parse(time.DateOnly, e.Name()); err == nil && e.IsDir() {
			days, newest = days+1, max(newest, e.Name())
		}
	}
	if days == 0 {
		all = append(all, warn(check, "see that the mount is there (findmnt -T "+dir+") and that JumpServer has recorded a session",
			"%s has no folder of a day in it; the agent waits until it has", dir))
	}
	places := []string{dir}
	if newest != "" {
		places = append(places, dir+"/"+newest)
	}
	for _, place := range places {
		if err := tryWrite(place); err != nil {
			return append(all, bad(check, writeFix(err), "%s cannot be written, so originals cannot be moved to the trash: %v", place, err))
		}
	}
	if days > 0 {
		all = append(all, good(check, "%s can be written; %d days, the last %s%s", dir, days, newest, mountedFrom(ctx, dir)))
	}
	if f := space(ctx, check, dir); f.Level != OK {
		all = append(all, f)
	}
	return all
}

func writeFix(err error) string {
	if strings.Contains(err.Error(), "read-only") {
		return "mount it read-write (option rw), on the server's side too"
	}
	return "give the agent's user the rights of core's on it (see docs/nfs.md: root_squash, user ids)"
}

// mountedFrom names the mount that a folder is on.
func mountedFrom(ctx context.Context, dir string) string {
	mounts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return ""
	}
	var best disk.PartitionStat
	for _, m := range mounts {
		within := dir == m.Mountpoint || strings.HasPrefix(dir, strings.TrimSuffix(m.Mountpoint, "/")+"/")
		if within && len(m.Mountpoint) >= len(best.Mountpoint) {
			best = m
		}
	}
	if best.Device == "" {
		return ""
	}
	return fmt.Sprintf(", on %s (%s)", best.Device, best.Fstype)
}
