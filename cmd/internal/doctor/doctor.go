// Package doctor looks at everything that the agent needs on its host and
// around it, and says how to mend what is wrong.
//
// It changes nothing: it does not register, and the file with which it tries
// whether a folder can be written is removed at once. Each check is one
// method that returns one or more [Finding]s; checks that need what another
// one found missing are left out rather than reported as failures of their own.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// Level is how bad a finding is.
type Level string

// Levels of findings.
const (
	OK   Level = "ok"
	Warn Level = "warning" // works, though not as well as it could
	Bad  Level = "problem" // recordings are not converted because of it
)

// Finding is the result of one check.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do; empty when all is well
}

// Doctor examines an agent's surroundings.
type Doctor struct {
	Config    config.Config
	UserAgent string
	// Patience bounds each check; 0 = 15 s. A volume that hangs is told of
	// after this time.
	Patience time.Duration
}

// Examine makes all checks, in the order in which problems are best mended.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	var all []Finding
	for _, check := range []func(context.Context) []Finding{d.settings, d.ffmpeg, d.data, d.volume, d.core, d.agent, d.tasks} {
		all = append(all, check(ctx)...)
	}
	return all
}

// Healthy tells whether no finding is a problem.
func Healthy(all []Finding) bool {
	for _, f := range all {
		if f.Level == Bad {
			return false
		}
	}
	return true
}

func good(check, format string, a ...any) Finding {
	return Finding{Check: check, Level: OK, Detail: fmt.Sprintf(format, a...)}
}

func bad(check, fix, format string, a ...any) Finding {
	return Finding{Check: check, Level: Bad, Detail: oneLine(format, a...), Fix: fix}
}

func warn(check, fix, format string, a ...any) Finding {
	return Finding{Check: check, Level: Warn, Detail: oneLine(format, a...), Fix: fix}
}

// oneLine is for errors that several others have been joined in.
func oneLine(format string, a ...any) string {
	return strings.ReplaceAll(fmt.Sprintf(format, a...), "\n", "; ")
}

func (d *Doctor) patience() time.Duration {
	if d.Patience > 0 {
		return d.Patience
	}
	return 15 * time.Second
}

// settings looks at values that are valid each for itself. That they can be
// read at all is seen to before there is a doctor.
func (d *Doctor) settings(context.Context) []Finding {
	c := d.Config
	var all []Finding
	if c.BindHost != "127.0.0.1" && c.BindHost != "localhost" && c.StatusToken == "" {
		all = append(all, warn("settings", "set STATUS_TOKEN to a long random word to look at the status page and metrics from other hosts",
			"STATUS_TOKEN is empty: status page and metrics answer this host only"))
	}
	if c.IgnoreVerifyCerts {
		all = append(all, warn("settings", "install the authority of core's certificate on this host and set IGNORE_VERIFY_CERTS=false",
			"IGNORE_VERIFY_CERTS: whoever is between agent and core can pose as core"))
	}
	for _, risk := range c.QueueRisks() {
		all = append(all, warn("settings", risk.Fix, "%s", risk.What))
	}
	if len(all) == 0 {
		all = append(all, good("settings", "can be used"))
	}
	return all
}

func (d *Doctor) ffmpeg(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*d.patience())
	defer cancel()
	tool, err := video.Find(ctx, "")
	if err != nil {
		return []Finding{bad("ffmpeg", "apt-get install ffmpeg, or dnf install ffmpeg (on RHEL from RPM Fusion)", "%v", err)}
	}
	dir, err := os.MkdirTemp("", "jumpserver-video-doctor-")
	if err != nil {
		return []Finding{bad("ffmpeg", "make the folder for temporary files (TMPDIR) writable", "%v", err)}
	}
	defer os.RemoveAll(dir)
	options := video.Options{Output: filepath.Join(dir, "try.mp4"), Width: 320, Height: 240, FPS: int(d.Config.VideoFPS),
		CRF: int(d.Config.VideoCRF), Codec: string(d.Config.VideoCodec)}
	if err := tool.TryCodec(ctx, options); err != nil {
		return []Finding{warn("ffmpeg", "set VIDEO_CODEC=h264, or install the driver of the encoder",
			"version %s cannot encode as VIDEO_CODEC=%s; h264 is used instead: %v", tool.Version, options.Codec, err)}
	}
	return []Finding{good("ffmpeg", "version %s encodes and decodes %s", tool.Version, options.Codec)}
}

// data looks at DATA_DIR.
func (d *Doctor) data(ctx context.Context) []Finding {
	const check = "data folder"
	dir := d.Config.DataDir
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{warn(check, "nothing, if the agent's user may make it; else: install -d -o jumpserver-video "+dir, "%s is not there yet; the agent makes it", dir)}
	case err != nil:
		return []Finding{bad(check, "give the agent's user the right to enter "+dir, "%v", err)}
	case !st.IsDir():
		return []Finding{bad(check, "let DATA_DIR name a folder", "%s is a file", dir)}
	}
	var all []Finding
	if owner, ok := st.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		all = append(all, warn(check, fmt.Sprintf("run the doctor as the agent's user: sudo -u '#%d' jumpserver-video doctor", owner.Uid),
			"belongs to user %d and the doctor runs as %d: what it may do the agent may perhaps not", owner.Uid, os.Geteuid()))
	}
	if err := tryWrite(dir); err != nil {
		return append(all, bad(check, "chown -R jumpserver-video "+dir, "%s cannot be written: %v", dir, err))
	}
	return append(all, space(ctx, check, dir))
}

// enough is the space that a task wants to find, bytes.
const enough = 2e9

func space(ctx context.Context, check, dir string) Finding {
	usage, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return warn(check, "look at the mount of "+dir, "its space cannot be told: %v", err)
	}
	free := fmt.Sprintf("%.1f GB of %.1f GB free", float64(usage.Free)/1e9, float64(usage.Total)/1e9)
	if usage.Free < enough {
		return warn(check, "make room: tasks wait when an MP4 does not fit", "%s: %s", dir, free)
	}
	return good(check, "%s can be written, %s", dir, free)
}

// tryWrite makes and removes a hidden file, which is not taken for a recording.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".jumpserver-video-doctor-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("this file may be removed\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// quiet: what the doctor finds is in its findings.
var quiet = slog.New(slog.DiscardHandler)
