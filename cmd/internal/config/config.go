// Package config has the agent's settings: Video-Worker's own variables, with their
// spellings and defaults, and additional ones.
//
// # Where values come from
//
// [Load] reads the process environment, and optionally a config.txt in JumpServer's
// format (see [ParseFile]). A variable of the environment takes precedence over the
// file. Unknown keys in the file are ignored, because JumpServer's components usually
// share one file.
//
// # Errors
//
// An invalid value is reported as a [*ValueError], with the name of the variable, the
// value (unless it is secret), and the rule that it breaks.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/jumpserver-video/jumpserver-video/cleanup"
	"github.com/jumpserver-video/jumpserver-video/transcode/throttle"
)

// Config is everything that an administrator can set. Settings are documented in the
// order of its fields.
type Config struct {
	// Name is the name of the component in core. If it is empty, the name is made
	// from the host name and a random suffix, like koko's.
	Name string `envconfig:"NAME"`
	// CoreHost is core's address, with the scheme.
	CoreHost HTTPURL `envconfig:"CORE_HOST" default:"http://127.0.0.1:8080"`
	// BootstrapToken is the registration secret of JumpServer's config.
	BootstrapToken Secret `envconfig:"BOOTSTRAP_TOKEN"`
	// BindHost is the address to listen on.
	BindHost string `envconfig:"BIND_HOST" default:"0.0.0.0"`
	// Port is the TCP port to listen on.
	Port Port `envconfig:"HTTPD_PORT" default:"9000"`
	// LogLevel is DEBUG, INFO, WARN or ERROR.
	LogLevel Level `envconfig:"LOG_LEVEL" default:"INFO"`
	// Workers is the number of recordings that are processed at once; 0 means one
	// more than the number of processors.
	Workers Count `envconfig:"VIDEO_WORKER_COUNT" default:"0"`
	// SecretKey encrypts the logins of Lion v3: 32 characters, the same on all
	// workers behind one address. Without it, a login is valid only at the worker
	// that handled it, until that worker restarts.
	SecretKey SealKey `envconfig:"VIDEO_WORKER_SECRET_KEY"`
	// CleanPeriod is how many days task logs are kept; 0 = forever.
	CleanPeriod DaysOrEver `envconfig:"VIDEO_WORKER_CLEAN_PERIOD" default:"7"`
	// TLSCert and TLSKey are PEM files. If they are set, the agent serves only HTTPS.
	TLSCert string `envconfig:"HTTPD_TLS_CERT"`
	TLSKey  string `envconfig:"HTTPD_TLS_KEY"`
	// IgnoreVerifyCerts accepts any TLS certificate of core.
	IgnoreVerifyCerts Bool `envconfig:"IGNORE_VERIFY_CERTS" default:"false"`

	// ReplayDir is the mount of core's replay folder (core/data/media/replay);
	// empty means that there is no volume.
	ReplayDir string `envconfig:"REPLAY_DIR" default:"/opt/jumpserver/core/data/media/replay"`
	// DataDir holds keys/, tasks/, queue/, spool/ and work/.
	DataDir string `envconfig:"DATA_DIR" default:"/opt/video-worker/data"`
	// SpoolDir keeps uploads until core has their MP4s; empty means spool in
	// DataDir. Agents that share a queue may share it.
	SpoolDir string `envconfig:"SPOOL_DIR"`
	// UploadSkew is how much the Date of a signed request to the upload API may
	// differ from this host's clock; 0 = it is not checked.
	UploadSkew Age `envconfig:"UPLOAD_MAX_SKEW" default:"24h"`
	// WatchMode is auto, poll or notify.
	WatchMode WatchMode `envconfig:"WATCH_MODE" default:"auto"`
	// ScanInterval is the interval between polls of the recent days.
	ScanInterval Interval `envconfig:"SCAN_INTERVAL" default:"30s"`
	// SettleTime is how long a file must be unmodified before it is complete.
	SettleTime Interval `envconfig:"SETTLE_TIME" default:"60s"`
	// StorageScan is the interval between listings of the recent days of a replay
	// storage that is a bucket.
	StorageScan Interval `envconfig:"STORAGE_SCAN_INTERVAL" default:"10m"`
	// StorageSweep is the interval between sweeps of all days of the bucket.
	StorageSweep Interval `envconfig:"STORAGE_SWEEP_INTERVAL" default:"24h"`
	// StorageRequests is the maximum number of listings per hour. Each costs money.
	StorageRequests Requests `envconfig:"STORAGE_MAX_REQUESTS" default:"600"`
	// StorageRegion is the region for which requests are signed. It is needed if
	// neither core's settings nor the endpoint's name contain the right one.
	StorageRegion string `envconfig:"STORAGE_REGION"`
	// Originals says what happens to a recording once its MP4 is stored.
	Originals cleanup.Policy `envconfig:"ORIGINALS" default:"trash"`
	// OriginalsKeep is how many days the trash keeps originals.
	OriginalsKeep Days `envconfig:"ORIGINALS_KEEP_DAYS" default:"7"`
	// CPUTarget is the percentage of the host's CPU that all processes together may
	// use while the agent works.
	CPUTarget Percent `envconfig:"CPU_TARGET" default:"80"`
	// WorkHours is the part of the day in which the agent works; empty = always.
	WorkHours throttle.Hours `envconfig:"WORK_HOURS"`
	// WorkOtherwise says what the agent does outside of WorkHours.
	WorkOtherwise throttle.Mode `envconfig:"WORK_HOURS_OTHERWISE" default:"trickle"`
	// WorkExempt is the age from which recordings are converted at any time of the
	// day; 0 = none.
	WorkExempt Age `envconfig:"WORK_HOURS_EXEMPT_AFTER" default:"0"`
	// VideoFPS is the maximum frame rate of videos, per second.
	VideoFPS FPS `envconfig:"VIDEO_FPS" default:"15"`
	// VideoCRF is the encoder's quality: a smaller value means better quality and a
	// larger file.
	VideoCRF CRF `envconfig:"VIDEO_CRF" default:"29"`
	// VideoCodec names the encoder.
	VideoCodec Codec `envconfig:"VIDEO_CODEC" default:"h264"`
	// VideoMaxSize is the maximum size of a video, in either orientation.
	VideoMaxSize Size `envconfig:"VIDEO_MAX_SIZE" default:"4096x2304"`
	// VideoAudio keeps the sound of recordings.
	VideoAudio Bool `envconfig:"VIDEO_AUDIO" default:"true"`
	// FFmpeg is the path of ffmpeg; empty = the one in the package, or else the one
	// in PATH.
	FFmpeg string `envconfig:"FFMPEG"`
	// QueueURL is empty for the embedded queue, or nats://… for a shared one.
	QueueURL QueueURL `envconfig:"QUEUE_URL"`
	// StatusToken is the bearer token for status page, task API and metrics. If it
	// is empty, only processes on this host have access.
	StatusToken Token `envconfig:"STATUS_TOKEN"`
	// ShowNames stores and shows user, asset and account of sessions.
	ShowNames Bool `envconfig:"STATUS_SHOW_NAMES" default:"true"`
	// JumpServerURL is JumpServer's address for browsers, for links on the page;
	// empty = CORE_HOST, if browsers can reach that.
	JumpServerURL PublicURL `envconfig:"JUMPSERVER_URL"`
	// NotifyURL lists the services that are notified of problems, each with its
	// token.
	NotifyURL NotifyURL `envconfig:"NOTIFY_URL"`
	// NotifyLang is the language of notifications; empty = that of the environment.
	NotifyLang Language `envconfig:"NOTIFY_LANG"`
	// StatusURL is the status page's address for browsers, for links in
	// notifications; empty = no links.
	StatusURL PublicURL `envconfig:"STATUS_URL"`
}

// Load reads the settings from the environment. Variables that are not set there are
// read from the config.txt at file; "" means no file.
//
// Values of the environment are parsed like lines of a config.txt, because old releases
// of docker-compose pass on the quotes and comments of an env_file. As in JumpServer's
// components, an empty value is the same as none; an empty REPLAY_DIR means that there
// is no volume. Load does not change the environment.
func Load(file string) (_ Config, err error) {
	values, err := gather(file)
	if err != nil {
		return Config{}, err
	}
	restore, err := overlay(values)
	defer func() { err = errors.Join(err, restore()) }()
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := envconfig.Process("", &c); err != nil {
		var pe *envconfig.ParseError
		if errors.As(err, &pe) {
			return Config{}, valueError(pe)
		}
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return c, c.check()
}

// gather returns the values of our variables from the environment or the file.
func gather(file string) (map[string]string, error) {
	var inFile map[string]string
	if file != "" {
		var err error
		if inFile, err = ParseFile(file); err != nil {
			return nil, err
		}
	}
	values := map[string]string{}
	for _, name := range Names() {
		text, set := os.LookupEnv(name)
		_, value, _ := parseLine(name + "=" + text)
		if value == "" && inFile[name] != "" {
			value = inFile[name]
		}
		if _, also := inFile[name]; value != "" || name == "REPLAY_DIR" && (set || also) {
			values[name] = value
		}
	}
	return values, nil
}

// overlay sets our variables in the environment, from which envconfig reads, to these
// values, and unsets the others. restore undoes it.
func overlay(values map[string]string) (restore func() error, err error) {
	var undo []func() error
	for _, name := range Names() {
		if was, set := os.LookupEnv(name); set {
			undo = append(undo, func() error { return os.Setenv(name, was) })
		} else {
			undo = append(undo, func() error { return os.Unsetenv(name) })
		}
		if value, set := values[name]; set {
			err = errors.Join(err, os.Setenv(name, value))
		} else {
			err = errors.Join(err, os.Unsetenv(name))
		}
	}
	return func() (err error) {
		for _, f := range undo {
			err = errors.Join(err, f())
		}
		return err
	}, err
}

// Names returns the variables that the agent reads, in the order of the documentation.
func Names() []string {
	t := reflect.TypeFor[Config]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("envconfig")
	}
	return names
}

// check checks rules that depend on several values.
func (c Config) check() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return &ValueError{Name: "HTTPD_TLS_CERT", Value: c.TLSCert, Rule: "needs HTTPD_TLS_KEY: set both or none"}
	}
	for name, dir := range map[string]string{"HTTPD_TLS_CERT": c.TLSCert, "HTTPD_TLS_KEY": c.TLSKey, "DATA_DIR": c.DataDir, "REPLAY_DIR": c.ReplayDir} {
		if dir != "" && !filepath.IsAbs(dir) {
			return &ValueError{Name: name, Value: dir, Rule: "must be an absolute path"}
		}
	}
	return nil
}

// WorkerCount returns Workers, or the default if that is 0: one more than the processors.
func (c Config) WorkerCount() int {
	if c.Workers > 0 {
		return int(c.Workers)
	}
	return runtime.NumCPU() + 1
}

// CoreURL returns CORE_HOST as a string.
func (c Config) CoreURL() string { return (*url.URL)(&c.CoreHost).String() }

// PublicJumpServer returns JumpServer's address for browsers. This is JUMPSERVER_URL, or
// else CORE_HOST. It returns "" if CORE_HOST is this host, or a name without a domain,
// such as a service of a compose file.
func (c Config) PublicJumpServer() string {
	if c.JumpServerURL != "" {
		return string(c.JumpServerURL)
	}
	host := (*url.URL)(&c.CoreHost).Hostname()
	if ip := net.ParseIP(host); ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) || ip == nil && !strings.Contains(host, ".") {
		return ""
	}
	return c.CoreURL()
}

// PageURL returns the status page's address for browsers; "" if unknown.
func (c Config) PageURL() string {
	if c.StatusURL == "" {
		return ""
	}
	return string(c.StatusURL) + "/"
}

// Dir returns the path of a folder in DATA_DIR.
func (c Config) Dir(name string) string { return filepath.Join(c.DataDir, name) }

// Spool returns the folder of uploads.
func (c Config) Spool() string { return cmp.Or(c.SpoolDir, c.Dir("spool")) }

// Kept returns the folders whose content must be kept over restarts.
func (c Config) Kept() []string {
	if c.SpoolDir == "" {
		return []string{c.DataDir}
	}
	return []string{c.DataDir, c.SpoolDir}
}

// LogValue returns the main settings for the log, without secrets.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("core", c.CoreURL()),
		slog.String("replay_dir", c.ReplayDir),
		slog.String("data_dir", c.DataDir),
		slog.Int("workers", c.WorkerCount()),
		slog.String("originals", string(c.Originals)),
		slog.Duration("settle", time.Duration(c.SettleTime)),
		slog.Duration("scan", time.Duration(c.ScanInterval)),
	)
}
