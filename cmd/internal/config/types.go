package config

import (
	"errors"
	"fmt"
	"image"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/notify"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// ValueError means that a variable has an invalid value, and contains the rule that the
// value breaks.
type ValueError struct {
	Name  string // the variable
	Value string // as given; empty for secrets
	Rule  string // what a valid value is
}

func (e *ValueError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("config: %s: %s", e.Name, e.Rule)
	}
	return fmt.Sprintf("config: %s=%q: %s", e.Name, e.Value, e.Rule)
}

// ruleError is the error of the types below: the broken rule.
type ruleError string

func (e ruleError) Error() string { return string(e) }

// secretRuleError is a ruleError whose value must not be shown.
type secretRuleError string

func (e secretRuleError) Error() string { return string(e) }

func valueError(pe *envconfig.ParseError) error {
	var secret secretRuleError
	if errors.As(pe.Err, &secret) {
		return &ValueError{Name: pe.KeyName, Rule: secret.Error()}
	}
	return &ValueError{Name: pe.KeyName, Value: pe.Value, Rule: pe.Err.Error()}
}

// Secret is a value that logs never show.
type Secret string

func (Secret) String() string { return "(secret)" }

// LogValue hides the value in logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Token is a Secret that clients send to prove that they know it. It may be empty.
type Token string

// minToken is the minimum length of a Token, in characters.
const minToken = 16

func (Token) String() string { return "(secret)" }

// LogValue hides the value in logs.
func (Token) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Decode accepts 16 characters or more that HTTP headers can contain, or an empty value.
func (t *Token) Decode(v string) error {
	v = strings.TrimSpace(v)
	odd := strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' })
	if v != "" && (len(v) < minToken || odd) {
		return secretRuleError(fmt.Sprintf("must have %d characters or more: ASCII letters, digits and signs, no spaces; make one with: openssl rand -hex 16", minToken))
	}
	*t = Token(v)
	return nil
}

// SealKey is a Secret of exactly 32 characters, or empty.
type SealKey string

func (SealKey) String() string { return "(secret)" }

// LogValue hides the value in logs.
func (SealKey) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Decode accepts 32 bytes, or an empty value.
func (k *SealKey) Decode(v string) error {
	if v != "" && len(v) != 32 {
		return secretRuleError(fmt.Sprintf("must be 32 characters long, not %d", len(v)))
	}
	*k = SealKey(v)
	return nil
}

// HTTPURL is an http or https address without a query.
type HTTPURL url.URL

// Decode accepts http://host[:port][/path], and the same with https.
func (u *HTTPURL) Decode(v string) error {
	p, err := url.Parse(strings.TrimRight(v, "/"))
	if err != nil || p.Host == "" || (p.Scheme != "http" && p.Scheme != "https") || p.RawQuery != "" || p.User != nil {
		return ruleError("must be an address such as http://192.168.1.10:8080")
	}
	*u = HTTPURL(*p)
	return nil
}

// PublicURL is empty, or an address like those of [HTTPURL].
type PublicURL string

// Decode accepts the same as HTTPURL, or an empty value.
func (u *PublicURL) Decode(v string) error {
	var address HTTPURL
	if v != "" {
		if err := address.Decode(v); err != nil {
			return ruleError("must be empty or an address such as https://jumpserver.example.org")
		}
	}
	*u = PublicURL(strings.TrimRight(v, "/"))
	return nil
}

// NotifyURL is empty, or addresses of services that receive notifications, separated by
// white space. They contain tokens.
type NotifyURL string

func (NotifyURL) String() string { return "(secret)" }

// LogValue hides the value in logs.
func (NotifyURL) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Decode accepts the addresses that package notify supports.
func (n *NotifyURL) Decode(v string) error {
	if _, err := notify.Parse(v); err != nil {
		return secretRuleError("must be addresses such as https://oapi.dingtalk.com/robot/send?access_token=… or telegram://…, separated by spaces: " + err.Error())
	}
	*n = NotifyURL(v)
	return nil
}

// Language is a language of the catalogue, or empty.
type Language string

// Decode accepts en, zh-CN and ru, or an empty value.
func (l *Language) Decode(v string) error {
	if v != "" {
		lang, err := i18n.Parse(v)
		if err != nil {
			return ruleError("must be empty, en, zh-CN or ru")
		}
		v = string(lang)
	}
	*l = Language(v)
	return nil
}

// QueueURL is empty, or one or more nats:// or tls:// addresses, separated by commas. They
// may contain a password, so it is as secret as a [Secret].
type QueueURL string

func (QueueURL) String() string { return "(secret)" }

// LogValue hides the value in logs.
func (QueueURL) LogValue() slog.Value { return slog.StringValue("(secret)") }

// Decode accepts the addresses that the NATS client accepts.
func (q *QueueURL) Decode(v string) error {
	for part := range strings.SplitSeq(v, ",") {
		if v == "" {
			break
		}
		p, err := url.Parse(strings.TrimSpace(part))
		if err != nil || p.Host == "" || (p.Scheme != "nats" && p.Scheme != "tls") {
			// The address may contain a password.
			return secretRuleError("must be empty or an address such as nats://queue.example:4222")
		}
	}
	*q = QueueURL(v)
	return nil
}

// Bool is Video-Worker's boolean: True, true, 1, yes, on, and their opposites.
type Bool bool

// Decode accepts the usual spellings in any case.
func (b *Bool) Decode(v string) error {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true", "1", "yes", "on", "t", "y":
		*b = true
	case "false", "0", "no", "off", "f", "n", "":
		*b = false
	default:
		return ruleError("must be true or false")
	}
	return nil
}

// Level is a log level by name.
type Level slog.Level

// Decode accepts DEBUG, INFO, WARN, WARNING, ERROR, CRITICAL in any case.
func (l *Level) Decode(v string) error {
	switch strings.ToUpper(strings.TrimSpace(v)) {
	case "DEBUG":
		*l = Level(slog.LevelDebug)
	case "INFO", "":
		*l = Level(slog.LevelInfo)
	case "WARN", "WARNING":
		*l = Level(slog.LevelWarn)
	case "ERROR", "CRITICAL", "FATAL":
		*l = Level(slog.LevelError)
	default:
		return ruleError("must be DEBUG, INFO, WARN or ERROR")
	}
	return nil
}

// Level implements [slog.Leveler].
func (l Level) Level() slog.Level { return slog.Level(l) }

// WatchMode selects how the volume is watched.
type WatchMode string

// Decode accepts auto, poll and notify.
func (m *WatchMode) Decode(v string) error { return choice(m, v, "auto", "poll", "notify") }

// Codec is the name of a video codec.
type Codec string

// Decode accepts h264, hevc, av1 and the names of ffmpeg's hardware encoders.
func (c *Codec) Decode(v string) error {
	v = strings.ToLower(strings.TrimSpace(v))
	if err := video.CheckCodec(v); v == "" || err != nil {
		return ruleError("must be h264, hevc, av1, or a hardware encoder of ffmpeg's such as h264_nvenc or h264_vaapi")
	}
	*c = Codec(v)
	return nil
}

func choice[T ~string](to *T, v string, allowed ...string) error {
	v = strings.ToLower(strings.TrimSpace(v))
	if !slices.Contains(allowed, v) {
		return ruleError("must be " + strings.Join(allowed, ", "))
	}
	*to = T(v)
	return nil
}

// Port is a TCP port.
type Port int

// Decode accepts 1 to 65535.
func (n *Port) Decode(v string) error { return bounded(n, v, 1, 65535) }

// Count is a number of workers.
type Count int

// Decode accepts 0 to 1024.
func (n *Count) Decode(v string) error { return bounded(n, v, 0, 1024) }

// Percent is a percentage.
type Percent int

// Decode accepts 1 to 100.
func (n *Percent) Decode(v string) error { return bounded(n, v, 1, 100) }

// FPS is a number of frames per second.
type FPS int

// Decode accepts 1 to 60.
func (n *FPS) Decode(v string) error { return bounded(n, v, 1, 60) }

// Size is a width and a height in pixels.
type Size image.Point

// Decode accepts 4096x2304 and the like, with 320 to 8192 pixels in each direction.
func (s *Size) Decode(v string) error {
	rule := ruleError("must be a width and a height such as 4096x2304, of 320 to 8192 pixels each")
	w, h, ok := strings.Cut(strings.NewReplacer("×", "x", "X", "x", " ", "").Replace(v), "x")
	width, err1 := strconv.Atoi(w)
	height, err2 := strconv.Atoi(h)
	if !ok || err1 != nil || err2 != nil || min(width, height) < 320 || max(width, height) > 8192 {
		return rule
	}
	*s = Size{X: width, Y: height}
	return nil
}

// Set is Decode for flags.
func (s *Size) Set(v string) error { return s.Decode(v) }

// Type is the name of the type in help texts.
func (s *Size) Type() string { return "WxH" }

// String returns the format that Decode accepts; "" for no size.
func (s *Size) String() string {
	if *s == (Size{}) {
		return ""
	}
	return fmt.Sprintf("%dx%d", s.X, s.Y)
}

// CRF is x264's constant rate factor.
type CRF int

// Decode accepts 0 to 51.
func (n *CRF) Decode(v string) error { return bounded(n, v, 0, 51) }

// Days is a number of days.
type Days int

// Decode accepts 1 to 36500.
func (n *Days) Decode(v string) error { return bounded(n, v, 1, 36500) }

// DaysOrEver is a number of days; 0 means forever.
type DaysOrEver int

// Decode accepts 0 to 36500.
func (n *DaysOrEver) Decode(v string) error { return bounded(n, v, 0, 36500) }

// Duration returns d days as a duration; 0 means forever.
func (d DaysOrEver) Duration() time.Duration { return Days(d).Duration() }

// Requests is a number of requests per hour.
type Requests int

// Decode accepts 10 to 1000000.
func (n *Requests) Decode(v string) error { return bounded(n, v, 10, 1_000_000) }

// Duration returns d days as a duration.
func (d Days) Duration() time.Duration { return time.Duration(d) * 24 * time.Hour }

func bounded[T ~int](to *T, v string, low, high int) error {
	n, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil || n < low || n > high {
		return ruleError(fmt.Sprintf("must be a whole number from %d to %d", low, high))
	}
	*to = T(n)
	return nil
}

const maxInterval = 365 * 24 * time.Hour

// Interval is a positive duration: 30s, 5m, 1h30m, 2d, or a number of seconds.
type Interval time.Duration

// Age is an Interval, or 0 for none.
type Age time.Duration

// Decode accepts the same as Interval, and 0.
func (a *Age) Decode(v string) error {
	if strings.TrimSpace(v) == "0" {
		*a = 0
		return nil
	}
	var i Interval
	if err := i.Decode(v); err != nil {
		return ruleError("must be 0 or a time span such as 12h or 3d")
	}
	*a = Age(i)
	return nil
}

// Decode accepts Go durations, days, and numbers of seconds.
func (i *Interval) Decode(v string) error {
	v = strings.TrimSpace(v)
	d, err := time.ParseDuration(v)
	if err != nil {
		d, err = plainSpan(v)
	}
	if err != nil || d < 100*time.Millisecond || d > maxInterval {
		return ruleError("must be a time span such as 30s, 5m or 2d")
	}
	*i = Interval(d)
	return nil
}

// plainSpan parses days, which may be a fraction, and numbers of seconds.
func plainSpan(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n <= maxInterval.Hours()/24) { // NaN is neither
			return 0, strconv.ErrRange
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n > int(maxInterval/time.Second) { // would overflow
		return 0, strconv.ErrRange
	}
	return time.Duration(n) * time.Second, nil
}
