package doctor

import (
	"context"
	_ "embed" // rights.conf
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/health"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

// unitName is the service that the packages install.
const unitName = "jumpserver-video.service"

//go:embed rights.conf
var rightsConf string

// DropIn is a file that adapts the service's unit to the settings.
type DropIn struct {
	Path    string
	Content string
	Why     i18n.Text
	Level   Level // Bad if nothing is converted without it
}

// ErrNoUnit means that the service of the packages is not installed on this host.
var ErrNoUnit = errors.New(i18n.T("doctor.no_unit", "unit", unitName).String())

// unit is the part of the service's unit that doctor --fix can correct.
type unit struct {
	user        string
	strict      bool     // everything except writable is read-only
	writable    []string // paths that the service may write
	mounts      []string // paths whose mounts the service waits for
	homes       bool     // home folders are hidden
	canOverride bool     // has the capabilities of rights.conf
}

// systemctl returns properties of the unit.
func systemctl(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", unitName, "-p",
		"LoadState,User,ProtectSystem,ReadWritePaths,RequiresMountsFor,ProtectHome,AmbientCapabilities").Output()
	return string(out), err
}

func parseUnit(show string) (unit, error) {
	values := map[string]string{}
	for line := range strings.Lines(show) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	if values["LoadState"] != "loaded" {
		return unit{}, ErrNoUnit
	}
	u := unit{
		user: values["User"], strict: values["ProtectSystem"] == "strict", homes: values["ProtectHome"] == "yes",
		mounts: strings.Fields(values["RequiresMountsFor"]),
	}
	for _, path := range strings.Fields(values["ReadWritePaths"]) {
		u.writable = append(u.writable, strings.TrimLeft(path, "-+"))
	}
	caps := strings.Fields(strings.ToUpper(values["AmbientCapabilities"]))
	u.canOverride = slices.Contains(caps, "CAP_DAC_OVERRIDE") && slices.Contains(caps, "CAP_FOWNER")
	return u, nil
}

func covered(dir string, by []string) bool {
	return slices.ContainsFunc(by, func(path string) bool {
		return dir == path || strings.HasPrefix(dir, strings.TrimSuffix(path, "/")+"/")
	})
}

// DropIns returns the drop-ins that the service's unit needs to work with these
// settings; none if the unit fits them. It returns [ErrNoUnit] if there is no unit.
func (d *Doctor) DropIns(ctx context.Context) ([]DropIn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience())
	defer cancel()
	show := d.Systemctl
	if show == nil {
		show = systemctl
	}
	out, err := show(ctx)
	if err != nil {
		return nil, ErrNoUnit //nolint:nilerr // there is no systemd, or it does not respond
	}
	u, err := parseUnit(out)
	if err != nil {
		return nil, err
	}
	dir := d.UnitDir
	if dir == "" {
		dir = "/etc/systemd/system"
	}
	dir = filepath.Join(dir, unitName+".d")
	var all []DropIn
	if f := d.paths(u); f.Content != "" {
		f.Path = filepath.Join(dir, "paths.conf")
		all = append(all, f)
	}
	if why := d.needsRights(ctx, u); !why.IsZero() {
		all = append(all, DropIn{Path: filepath.Join(dir, "rights.conf"), Content: rightsConf, Why: why, Level: Bad})
	}
	return all, nil
}

// paths returns a drop-in that allows the service to write to REPLAY_DIR and
// DATA_DIR, and makes it wait for the mount of REPLAY_DIR.
func (d *Doctor) paths(u unit) DropIn {
	f := DropIn{Level: Warn}
	var service []string
	var reasons []i18n.Text
	for _, dir := range []string{d.Config.ReplayDir, d.Config.DataDir} {
		if dir == "" {
			continue
		}
		dir = filepath.Clean(dir)
		home := slices.ContainsFunc([]string{"/home", "/root", "/run/user"}, func(h string) bool { return covered(dir, []string{h}) })
		if home && u.homes && !slices.Contains(service, "ProtectHome=read-only") {
			service = append(service, "ProtectHome=read-only")
		}
		if u.strict && !covered(dir, u.writable) {
			service = append(service, "ReadWritePaths=-"+quoted(dir))
			reasons = append(reasons, i18n.T("doctor.unit_write", "dir", dir))
			f.Level = Bad
		}
	}
	var head string
	// systemd waits for the mount that contains a path.
	if dir := filepath.Clean(d.Config.ReplayDir); d.Config.ReplayDir != "" && !slices.Contains(u.mounts, dir) {
		head = "[Unit]\nRequiresMountsFor=" + quoted(dir) + "\n"
		reasons = append(reasons, i18n.T("doctor.unit_wait", "dir", dir))
	}
	if head == "" && len(service) == 0 {
		return f
	}
	f.Content = "# Written by `jumpserver-video doctor --fix`.\n" + head
	if len(service) > 0 {
		f.Content += "[Service]\n" + strings.Join(service, "\n") + "\n"
	}
	f.Why = joined(reasons)
	return f
}

// joined joins several texts.
func joined(texts []i18n.Text) i18n.Text {
	if len(texts) == 1 {
		return texts[0]
	}
	return i18n.T("doctor.both", "first", texts[0], "rest", joined(texts[1:]))
}

// quoted returns a path in the syntax of units: percent signs begin specifiers.
func quoted(path string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if strings.ContainsAny(path, " \t\"\\") {
		return strconv.Quote(path)
	}
	return path
}

// needsRights returns why the service needs rights to files of other users. It
// returns nothing if the service does not need them or has them, and on network file
// systems, where the server decides.
func (d *Doctor) needsRights(ctx context.Context, u unit) (why i18n.Text) {
	dir := d.Config.ReplayDir
	if dir == "" || d.Config.Originals == cleanup.PolicyKeep || u.canOverride || u.user == "" || u.user == "root" || u.user == "0" {
		return why
	}
	if m, ok := rights.MountOf(filepath.Clean(dir)); !ok || m.Remote() {
		return why
	}
	if report, err := d.report(ctx); err == nil {
		if c := report.Conditions.Of(health.Rights); !c.OK && strings.Contains(c.Reason, "permi") {
			return i18n.Raw(c.Reason)
		}
	}
	newest := newestDay(dir)
	st, err := os.Stat(newest)
	if err != nil {
		return why
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	account, err := user.Lookup(u.user)
	if !ok || err != nil || account.Uid == strconv.FormatUint(uint64(owner.Uid), 10) {
		return why
	}
	return i18n.T("doctor.unit_user", "dir", newest, "uid", strconv.Itoa(int(owner.Uid)), "user", u.user)
}

// newestDay returns the folder of the newest day; the replay folder itself if there
// is none.
func newestDay(dir string) string {
	entries, err := os.ReadDir(dir)
	newest := ""
	for _, e := range entries {
		if _, no := time.Parse(time.DateOnly, e.Name()); no == nil && e.IsDir() {
			newest = max(newest, e.Name())
		}
	}
	if err != nil || newest == "" {
		return dir
	}
	return filepath.Join(dir, newest)
}

// ForeignError means that a drop-in exists that doctor --fix has not written.
type ForeignError struct{ Path string }

// Text returns the message in any language.
func (e *ForeignError) Text() i18n.Text { return i18n.T("doctor.unit_foreign", "path", e.Path) }

func (e *ForeignError) Error() string { return e.Text().String() }

// Write writes a drop-in, but never replaces a file that doctor --fix has not written.
func (f DropIn) Write() error {
	if was, err := os.ReadFile(f.Path); err == nil && !strings.Contains(string(was), "doctor --fix") {
		return &ForeignError{f.Path}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil { //nolint:gosec // systemd's files are readable by everyone
		return err
	}
	return os.WriteFile(f.Path, []byte(f.Content), 0o644) //nolint:gosec // as above
}

// unit checks whether the service's unit fits the settings.
func (d *Doctor) unit(ctx context.Context) []Finding {
	missing, err := d.DropIns(ctx)
	if err != nil {
		return nil // in a container, or started by hand
	}
	var all []Finding
	for _, f := range missing {
		all = append(all, Finding{Check: Unit, Level: f.Level, Detail: f.Why, Fix: i18n.T("doctor.fix_unit")})
	}
	return all
}
