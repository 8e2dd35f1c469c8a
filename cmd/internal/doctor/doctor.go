// Package doctor checks everything that the agent needs on its host and around it,
// and says how to fix each problem.
//
// It changes nothing: it does not register, and the file with which it tests
// whether a folder is writable is removed at once. Each check is one method that
// returns one or more [Finding]s. If something is missing, checks that need it are
// skipped, not reported as further problems.
package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/container"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// Level is how bad a finding is.
type Level string

// Levels of findings.
const (
	OK   Level = "ok"
	Warn Level = "warning" // works, though not as well as it could
	Bad  Level = "problem" // prevents that recordings are converted
)

// Finding is the result of one check.
type Finding struct {
	Check  Check
	Level  Level
	Detail i18n.Text
	Fix    i18n.Text // what to do; empty if nothing is wrong
}

// Check is the name of a check.
type Check string

// Names of checks.
const (
	Settings     Check = "settings"
	FFmpeg       Check = "ffmpeg"
	Data         Check = "data folder"
	Unit         Check = "service unit"
	Volume       Check = "replay volume"
	Core         Check = "core"
	Clock        Check = "clock"
	Registration Check = "registration"
	Storage      Check = "replay storage"
	Storages     Check = "replay storages"
	Agent        Check = "agent"
	Tasks        Check = "tasks"
	Notify       Check = "notifications"
)

// Checks are all checks.
var Checks = []Check{Settings, FFmpeg, Data, Unit, Volume, Core, Clock, Registration, Storage, Storages, Agent, Tasks, Notify}

// Name returns the name of the check in the user's language.
func (c Check) Name() i18n.Text {
	return i18n.Of("doctor", "check_"+strings.ReplaceAll(string(c), " ", "_"))
}

// MarshalJSON writes a finding for scripts: always in English.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Check  Check  `json:"check"`
		Level  Level  `json:"level"`
		Detail string `json:"detail"`
		Fix    string `json:"fix,omitempty"`
	}{f.Check, f.Level, f.Detail.String(), f.Fix.String()})
}

// Doctor checks the environment of an agent.
type Doctor struct {
	Config    config.Config
	UserAgent string
	// Patience is the time limit of each check; 0 = 15 s. A volume that hangs is
	// reported after this time.
	Patience time.Duration

	// UnitDir is the folder of the drop-ins of the service's unit; "" =
	// /etc/systemd/system.
	UnitDir string
	// Systemctl returns the properties of the service's unit; nil = run systemctl.
	Systemctl func(context.Context) (string, error)
}

// Examine runs all checks, in the order in which problems are best fixed.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	var all []Finding
	for _, check := range []func(context.Context) []Finding{d.settings, d.ffmpeg, d.data, d.unit, d.volume, d.core, d.agent, d.tasks} {
		all = append(all, check(ctx)...)
	}
	return all
}

// Healthy reports whether no finding is a problem.
func Healthy(all []Finding) bool {
	for _, f := range all {
		if f.Level == Bad {
			return false
		}
	}
	return true
}

func good(check Check, detail i18n.Text) Finding {
	return Finding{Check: check, Level: OK, Detail: detail}
}

func bad(check Check, fix, detail i18n.Text) Finding {
	return Finding{Check: check, Level: Bad, Detail: detail, Fix: fix}
}

func warn(check Check, fix, detail i18n.Text) Finding {
	return Finding{Check: check, Level: Warn, Detail: detail, Fix: fix}
}

// say returns an error's text as one line, because errors may be joined.
func say(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// raw returns an error whose text needs no addition.
func raw(err error) i18n.Text { return i18n.Raw(say(err)) }

func (d *Doctor) patience() time.Duration {
	if d.Patience > 0 {
		return d.Patience
	}
	return 15 * time.Second
}

// settings checks combinations of settings. Each single value has been checked when
// the settings were read.
func (d *Doctor) settings(context.Context) []Finding {
	c := d.Config
	var all []Finding
	if c.BindHost != "127.0.0.1" && c.BindHost != "localhost" && c.StatusToken == "" {
		all = append(all, warn(Settings, i18n.T("doctor.fix_token"), i18n.T("doctor.no_token")))
	}
	if c.IgnoreVerifyCerts {
		all = append(all, warn(Settings, i18n.T("doctor.fix_certs"), i18n.T("doctor.certs")))
	}
	for _, risk := range c.QueueRisks() {
		all = append(all, warn(Settings, risk.Fix, risk.What))
	}
	if len(all) == 0 {
		all = append(all, good(Settings, i18n.T("doctor.settings_ok")))
	}
	return all
}

func (d *Doctor) ffmpeg(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 2*d.patience())
	defer cancel()
	tool, err := video.FindFor(ctx, d.Config.FFmpeg, string(d.Config.VideoCodec))
	if err != nil {
		return []Finding{bad(FFmpeg, i18n.T("doctor.fix_ffmpeg"), raw(err))}
	}
	dir, err := os.MkdirTemp("", "jumpserver-video-doctor-")
	if err != nil {
		return []Finding{bad(FFmpeg, i18n.T("doctor.fix_tmp"), raw(err))}
	}
	defer os.RemoveAll(dir)
	options := video.Options{Output: filepath.Join(dir, "try.mp4"), Width: 320, Height: 240, FPS: int(d.Config.VideoFPS),
		CRF: int(d.Config.VideoCRF), Codec: string(d.Config.VideoCodec)}
	if err := tool.TryCodec(ctx, options); err != nil {
		return []Finding{warn(FFmpeg, i18n.T("doctor.fix_codec"),
			i18n.T("doctor.codec", "path", tool.Path, "version", tool.Version, "codec", options.Codec, "error", say(err)))}
	}
	return []Finding{good(FFmpeg, i18n.T("doctor.ffmpeg_ok", "path", tool.Path, "version", tool.Version, "codec", options.Codec))}
}

// data checks DATA_DIR.
func (d *Doctor) data(ctx context.Context) []Finding {
	dir := d.Config.DataDir
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{warn(Data, i18n.T("doctor.fix_data_new", "dir", dir), i18n.T("doctor.data_new", "dir", dir))}
	case err != nil:
		return []Finding{bad(Data, i18n.T("doctor.fix_data_enter", "dir", dir), raw(err))}
	case !st.IsDir():
		return []Finding{bad(Data, i18n.T("doctor.fix_data_file"), i18n.T("doctor.data_file", "dir", dir))}
	}
	var all []Finding
	for _, lost := range container.Lost(d.Config.Kept()) {
		all = append(all, warn(Data, i18n.T("doctor.fix_unmounted"), i18n.T("doctor.unmounted", "dir", lost)))
	}
	if owner, ok := st.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		uid, own := strconv.Itoa(int(owner.Uid)), strconv.Itoa(os.Geteuid())
		all = append(all, warn(Data, i18n.T("doctor.fix_user", "uid", uid), i18n.T("doctor.other_user", "uid", uid, "own", own)))
	}
	if err := tryWrite(dir); err != nil {
		return append(all, bad(Data, i18n.T("doctor.fix_data_write", "dir", dir), i18n.T("doctor.data_write", "dir", dir, "error", say(err))))
	}
	return append(all, space(ctx, Data, dir))
}

// enough is the free space that a task needs, in bytes.
const enough = 2e9

func space(ctx context.Context, check Check, dir string) Finding {
	usage, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return warn(check, i18n.T("doctor.fix_mount", "dir", dir), i18n.T("doctor.space_unknown", "error", say(err)))
	}
	free, total := i18n.Bytes(usage.Free), i18n.Bytes(usage.Total)
	if usage.Free < enough {
		return warn(check, i18n.T("doctor.fix_space"), i18n.T("doctor.space_low", "dir", dir, "free", free, "total", total))
	}
	return good(check, i18n.T("doctor.space_ok", "dir", dir, "free", free, "total", total))
}

// tryWrite creates and removes a hidden file. No watcher takes that for a recording.
func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".jumpserver-video-doctor-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("this file may be removed\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// quiet discards log messages: the findings contain the results.
var quiet = slog.New(slog.DiscardHandler)
