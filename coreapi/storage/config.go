package storage

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Kind is a type of replay storage as core names it, in lower case.
type Kind string

// The kinds that core knows. Core hands out Ceph as s3.
const (
	KindServer Kind = "server"
	KindNull   Kind = "null"
	KindS3     Kind = "s3"
	KindSwift  Kind = "swift" // uses S3's protocol
	KindCOS    Kind = "cos"   // uses S3's protocol
	KindOSS    Kind = "oss"
	KindOBS    Kind = "obs"
	KindAzure  Kind = "azure"
	KindSFTP   Kind = "sftp"
)

// Target says where a video is stored.
type Target int

const (
	// TargetServer is core's own replay folder, through core's upload API. Core and
	// its components also use it for sftp and unknown kinds.
	TargetServer Target = iota
	// TargetNowhere means that the administrator stores no recordings (null).
	TargetNowhere
	// TargetBucket is a [Storage].
	TargetBucket
)

// Config is a replay storage as core describes it. Which fields are used depends on
// the kind.
type Config struct {
	Kind     Kind
	Bucket   string
	Endpoint *url.URL // nil = the provider's own
	Region   string   // as configured; see SigningRegion

	AccessKey string
	SecretKey Secret

	// Azure.
	Container  string
	Account    string
	AccountKey Secret
	Suffix     string // of the account's address
}

// Defaults of core's own clients.
const (
	defaultBucket = "jumpserver"
	defaultSuffix = "core.chinacloudapi.cn"
)

// Parse parses the TERMINAL_REPLAY_STORAGE of a terminal config. Any field may be
// null, "" or absent. It returns ErrConfig for settings that cannot work; core
// itself fails with them.
func Parse(fields map[string]any) (Config, error) {
	get := func(name string) string {
		switch v := fields[name].(type) {
		case string:
			return strings.TrimSpace(v)
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		case json.Number:
			return v.String()
		default:
			return ""
		}
	}
	c := Config{Kind: Kind(strings.ToLower(get("TYPE")))}
	if c.Kind == "" { // {"default":{"TYPE":"server"}}: the storage was deleted
		c.Kind = KindServer
	}
	if c.Target() != TargetBucket {
		return c, nil
	}
	if c.Kind == "ceph" {
		c.Kind = KindS3
	}
	if c.Kind == KindAzure {
		c.Container, c.Account, c.AccountKey = get("CONTAINER_NAME"), get("ACCOUNT_NAME"), Secret(get("ACCOUNT_KEY"))
		c.Suffix = strings.Trim(get("ENDPOINT_SUFFIX"), "./")
		if c.Suffix == "" {
			c.Suffix = defaultSuffix
		}
		return c, c.need(map[string]string{"CONTAINER_NAME": c.Container, "ACCOUNT_NAME": c.Account, "ACCOUNT_KEY": c.AccountKey.Reveal()})
	}
	c.Bucket, c.Region = get("BUCKET"), get("REGION")
	c.AccessKey, c.SecretKey = get("ACCESS_KEY"), Secret(get("SECRET_KEY"))
	var err error
	if c.Endpoint, err = parseEndpoint(get("ENDPOINT"), c.Kind); err != nil {
		return c, c.bad("ENDPOINT: %v", err)
	}
	if c.Kind == KindOSS || c.Kind == KindOBS {
		return c, c.need(map[string]string{
			"ENDPOINT": get("ENDPOINT"), "BUCKET": c.Bucket, "ACCESS_KEY": c.AccessKey, "SECRET_KEY": c.SecretKey.Reveal(),
		})
	}
	if c.Bucket == "" {
		c.Bucket = defaultBucket
	}
	return c, nil
}

// parseEndpoint parses an endpoint, which may lack its scheme. Clients of the
// protocols then assume https, except Alibaba's: it uses http, and a server within
// a company may not support anything else.
func parseEndpoint(text string, kind Kind) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	if !strings.Contains(text, "://") {
		scheme := "https://"
		if kind == KindOSS && !strings.HasSuffix(strings.ToLower(text), ".aliyuncs.com") {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// Do not return err itself: it quotes the text, which may hold a password.
		return nil, fmt.Errorf("is no address")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %q: want http or https", u.Scheme)
	case u.Hostname() == "":
		return nil, fmt.Errorf("has no host")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// need returns an error for the first missing field in alphabetical order.
func (c Config) need(fields map[string]string) error {
	missing := ""
	for name, v := range fields {
		if v == "" && (missing == "" || name < missing) {
			missing = name
		}
	}
	if missing != "" {
		return c.bad("%s is not set", missing)
	}
	return nil
}

func (c Config) bad(format string, args ...any) error {
	return &Error{Op: "open", Place: c.Place(), Kind: ErrConfig, Err: fmt.Errorf(format, args...)}
}

// Target returns where a video is stored with these settings.
func (c Config) Target() Target {
	switch c.Kind {
	case KindNull:
		return TargetNowhere
	case KindS3, KindSwift, KindCOS, KindOSS, KindOBS, KindAzure, "ceph":
		return TargetBucket
	default:
		return TargetServer
	}
}

// HasKeys reports whether both keys are given. Without them, S3 uses the role of
// the machine or of the environment, as core's clients do.
func (c Config) HasKeys() bool { return c.AccessKey != "" && c.SecretKey != "" }

// SigningRegion returns the region for which requests are signed until the server
// refuses it. This is the configured region, or a guess from the endpoint that is
// the same as that of core's Go clients. For private servers the guess is odd, such
// as minio for minio.example.com or 1 for 10.1.2.3. Existing servers accept it,
// because core's components already use it.
func (c Config) SigningRegion() string {
	if c.Region != "" || c.Endpoint == nil {
		return c.Region
	}
	host := c.Endpoint.Hostname()
	if prefix, ok := strings.CutSuffix(host, ".amazonaws.com.cn"); ok {
		return lastLabel(prefix)
	}
	if prefix, ok := strings.CutSuffix(host, ".amazonaws.com"); ok {
		return lastLabel(prefix)
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ""
	}
	labels := strings.Split(host, ".")
	if len(labels) >= 3 {
		return labels[len(labels)-3]
	}
	return labels[0]
}

func lastLabel(host string) string { return host[strings.LastIndexByte(host, '.')+1:] }

// Place returns kind, server and bucket, for messages.
func (c Config) Place() string {
	switch {
	case c.Target() != TargetBucket:
		return string(c.Kind)
	case c.Kind == KindAzure:
		return fmt.Sprintf("azure %s.blob.%s/%s", c.Account, c.Suffix, c.Container)
	case c.Endpoint == nil:
		return fmt.Sprintf("%s %s", c.Kind, c.Bucket)
	default:
		return fmt.Sprintf("%s %s/%s", c.Kind, c.Endpoint.Host, c.Bucket)
	}
}

// String returns Place: it contains no secret.
func (c Config) String() string { return c.Place() }

// LogValue returns Place: it contains no secret.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.Place()) }
