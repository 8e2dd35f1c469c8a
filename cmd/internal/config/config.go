// Package config holds the agent's settings: Video-Worker's own variables,
// with its spellings and defaults, and ours beside them.
//
// # Where values come from
//
// [Load] reads the process environment. A config.txt in JumpServer's format
// (see [ParseFile]) may stand behind it: a variable that is set in the real
// environment wins, and keys that are not ours are ignored, because the file
// is usually the one that all of JumpServer's components share.
//
// # Errors
//
// A value that cannot be used is reported as a [*ValueError], which names the
// variable, the value (unless it is a secret) and the rule that it breaks.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
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

// Config is everything that an administrator can set. Field order is the
// order in which the settings are documented.
type Config struct {
	// Name registers the component under this very name; empty makes one
	// from the host name and a random tail, as koko does.
	Name string `envconfig:"NAME"`
	// CoreHost is core's address, scheme and all.
	CoreHost HTTPURL `envconfig:"CORE_HOST" default:"http://127.0.0.1:8080"`
	// BootstrapToken is the registration secret of JumpServer's config.
	BootstrapToken Secret `envconfig:"BOOTSTRAP_TOKEN"`
	// BindHost is the address to listen on.
	BindHost string `envconfig:"BIND_HOST" default:"0.0.0.0"`
	// Port is the TCP port to listen on.
	Port Port `envconfig:"HTTPD_PORT" default:"9000"`
	// LogLevel is DEBUG, INFO, WARN or ERROR.
	LogLevel Level `envconfig:"LOG_LEVEL" default:"INFO"`
	// Workers is how many recordings are worked on at once; 0 stands for
	// one more than the number of processors.
	Workers Count `envconfig:"VIDEO_WORKER_COUNT" default:"0"`
	// SecretKey seals the logins of Lion v3: 32 characters, the same on all
	// workers behind one address. Without it, a login holds at the worker that
	// answered it, until that worker restarts.
	SecretKey SealKey `envconfig:"VIDEO_WORKER_SECRET_KEY"`
	// CleanPeriod is how many days task logs are kept.
	CleanPeriod Days `envconfig:"VIDEO_WORKER_CLEAN_PERIOD" default:"30"`
	// TLSCert and TLSKey are PEM files; with both the agent speaks HTTPS only.
	TLSCert string `envconfig:"HTTPD_TLS_CERT"`
	TLSKey  string `envconfig:"HTTPD_TLS_KEY"`
	// IgnoreVerifyCerts accepts any TLS certificate of core.
	IgnoreVerifyCerts Bool `envconfig:"IGNORE_VERIFY_CERTS" default:"false"`

	// ReplayDir is core's replay folder (core/data/media/replay) as mounted
	// here; empty means no volume.
	ReplayDir string `envconfig:"REPLAY_DIR" default:"/opt/jumpserver/core/data/media/replay"`
	// DataDir holds keys/, tasks/, queue/, spool/ and work/.
	DataDir string `envconfig:"DATA_DIR" default:"/opt/video-worker/data"`
	// SpoolDir keeps uploads until core has their MP4s; empty is a folder of
	// DataDir. Agents that share a queue may share it.
	SpoolDir string `envconfig:"SPOOL_DIR"`
	// UploadSkew is how far the Date of a signed request to the upload API may
	// be off the clock here; 0 = it is not compared.
	UploadSkew Age `envconfig:"UPLOAD_MAX_SKEW" default:"24h"`
	// WatchMode is auto, poll or notify.
	WatchMode WatchMode `envconfig:"WATCH_MODE" default:"auto"`
	// ScanInterval is the time between two polls of the recent days.
	ScanInterval Interval `envconfig:"SCAN_INTERVAL" default:"30s"`
	// SettleTime is how long a file must stay unmodified to count as complete.
	SettleTime Interval `envconfig:"SETTLE_TIME" default:"60s"`
	// StorageScan is the time between two listings of the recent days of a
	// replay storage that is a bucket.
	StorageScan Interval `envconfig:"STORAGE_SCAN_INTERVAL" default:"10m"`
	// StorageSweep is the time between two looks at all of its days.
	StorageSweep Interval `envconfig:"STORAGE_SWEEP_INTERVAL" default:"24h"`
	// StorageRequests is the most listings an hour, each of which costs.
	StorageRequests Requests `envconfig:"STORAGE_MAX_REQUESTS" default:"600"`
	// StorageRegion is the region to sign requests for, when neither core's
	// settings nor the endpoint's name tell the right one.
	StorageRegion string `envconfig:"STORAGE_REGION"`
	// Originals says what becomes of a recording once its MP4 is in place.
	Originals cleanup.Policy `envconfig:"ORIGINALS" default:"trash"`
	// OriginalsKeep is how many days the trash keeps originals.
	OriginalsKeep Days `envconfig:"ORIGINALS_KEEP_DAYS" default:"7"`
	// CPUTarget is the percentage of the host's CPU that all processes
	// together may use while we work.
	CPUTarget Percent `envconfig:"CPU_TARGET" default:"80"`
	// WorkHours is the part of the day in which to work; none = always.
	WorkHours throttle.Hours `envconfig:"WORK_HOURS"`
	// WorkOtherwise is what is done outside of WorkHours.
	WorkOtherwise throttle.Mode `envconfig:"WORK_HOURS_OTHERWISE" default:"trickle"`
	// WorkExempt is the age from which on recordings are worked on at any
	// hour; 0 = never.
	WorkExempt Age `envconfig:"WORK_HOURS_EXEMPT_AFTER" default:"0"`
	// VideoFPS is the most frames a second that a video may have.
	VideoFPS FPS `envconfig:"VIDEO_FPS" default:"15"`
	// VideoCRF is the encoder's quality: smaller is better and larger.
	VideoCRF CRF `envconfig:"VIDEO_CRF" default:"29"`
	// VideoCodec names the encoder.
	VideoCodec Codec `envconfig:"VIDEO_CODEC" default:"h264"`
	// VideoAudio keeps the sound of recordings.
	VideoAudio Bool `envconfig:"VIDEO_AUDIO" default:"true"`
	// QueueURL is empty for the embedded queue, or nats://… for a shared one.
	QueueURL QueueURL `envconfig:"QUEUE_URL"`
	// StatusToken is the bearer token that status page, task API and metrics
	// want; empty opens them to processes on this host only.
	StatusToken Token `envconfig:"STATUS_TOKEN"`
}

// Load reads the settings from the environment and, where that is silent,
// from the config.txt at file ("" for none). A value that is empty counts as
// none, as it does for JumpServer's components; of REPLAY_DIR it means that
// there is no volume.
func Load(file string) (Config, error) {
	if file != "" {
		if err := useFile(file); err != nil {
			return Config{}, err
		}
	}
	if err := dropEmpty(); err != nil {
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

// useFile puts the file's values for our variables into the environment,
// where it does not set them: envconfig then sees one source.
func useFile(file string) error {
	values, err := ParseFile(file)
	if err != nil {
		return err
	}
	for _, name := range Names() {
		if v, ok := values[name]; ok && os.Getenv(name) == "" {
			if err := os.Setenv(name, v); err != nil {
				return fmt.Errorf("config: %s: %w", name, err)
			}
		}
	}
	return nil
}

// dropEmpty takes empty values of our variables out of the environment.
func dropEmpty() error {
	for _, name := range Names() {
		if name == "REPLAY_DIR" || strings.TrimSpace(os.Getenv(name)) != "" {
			continue
		}
		if err := os.Unsetenv(name); err != nil {
			return fmt.Errorf("config: %s: %w", name, err)
		}
	}
	return nil
}

// Names lists the variables that the agent reads, in documentation order.
func Names() []string {
	t := reflect.TypeFor[Config]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("envconfig")
	}
	return names
}

// check tests what no single value can tell.
func (c Config) check() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return &ValueError{Name: "HTTPD_TLS_CERT", Value: c.TLSCert, Rule: "goes with HTTPD_TLS_KEY: set both or none"}
	}
	for name, dir := range map[string]string{"HTTPD_TLS_CERT": c.TLSCert, "HTTPD_TLS_KEY": c.TLSKey, "DATA_DIR": c.DataDir, "REPLAY_DIR": c.ReplayDir} {
		if dir != "" && !filepath.IsAbs(dir) {
			return &ValueError{Name: name, Value: dir, Rule: "must be an absolute path"}
		}
	}
	return nil
}

// WorkerCount is Workers with 0 resolved: one more than the processors.
func (c Config) WorkerCount() int {
	if c.Workers > 0 {
		return int(c.Workers)
	}
	return runtime.NumCPU() + 1
}

// CoreURL is CORE_HOST as a string.
func (c Config) CoreURL() string { return (*url.URL)(&c.CoreHost).String() }

// Dir is a folder below DATA_DIR.
func (c Config) Dir(name string) string { return filepath.Join(c.DataDir, name) }

// Spool is the folder of uploads.
func (c Config) Spool() string { return cmp.Or(c.SpoolDir, c.Dir("spool")) }

// LogValue shows the settings that matter at start-up, and no secret.
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
