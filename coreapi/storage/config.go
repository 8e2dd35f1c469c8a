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

// Kind is a type of replay storage as core hands it out, in lower case.
type Kind string

// The kinds that core knows. Ceph is handed out as s3.
const (
	KindServer Kind = "server"
	KindNull   Kind = "null"
	KindS3     Kind = "s3"
	KindSwift  Kind = "swift" // S3's protocol too
	KindCOS    Kind = "cos"   // S3's protocol too
	KindOSS    Kind = "oss"
	KindOBS    Kind = "obs"
	KindAzure  Kind = "azure"
	KindSFTP   Kind = "sftp"
)

// Target says where a video goes.
type Target int

const (
	// TargetServer: core's own replay folder, through core's upload API. Core
	// and its components treat sftp and kinds that they do not know alike.
	TargetServer Target = iota
	// TargetNowhere: the administrator keeps no recordings (null).
	TargetNowhere
	// TargetBucket: a [Storage].
	TargetBucket
)

// Config is a replay storage as core hands it out. Which fields count depends
// on the kind.
type Config struct {
	Kind     Kind
	Bucket   string
	Endpoint *url.URL // nil = the provider's own
	Region   string   // as said; see SigningRegion

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

// Parse reads TERMINAL_REPLAY_STORAGE of a terminal config. Any field may be
// null, "" or absent. The settings of a kind that cannot work are ErrConfig:
// core itself fails with them.
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

// parseEndpoint reads an endpoint, which may lack its scheme. Clients of the
// protocols take https for granted then, save Alibaba's: it uses http, and a
// server within a company may know nothing else.
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
		// Not err itself: it quotes the text, which may hold a password.
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

// need complains of the first field in alphabetical order that is missing.
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

// Target says where a video goes with these settings.
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

// HasKeys tells whether both keys are given. Without them, S3 uses the role
// of the machine or of the environment, as core's clients do.
func (c Config) HasKeys() bool { return c.AccessKey != "" && c.SecretKey != "" }

// SigningRegion is the region that requests are signed for unless it is
// refused: the one said, or guessed from the endpoint as core's Go clients
// guess. For servers of one's own that gives odd names, such as minio for
// minio.example.com or 1 for 10.1.2.3, which is what existing servers see.
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

// Place names kind, server and bucket, for messages.
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

// String is Place: no secret in it.
func (c Config) String() string { return c.Place() }

// LogValue is Place: no secret in it.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.Place()) }
