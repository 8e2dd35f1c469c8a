// Package s3 is the replay storage of S3 servers, Ceph, Swift's S3 interface and
// Tencent's COS: of all kinds for which core uses its S3 client.
//
// # Region and addressing
//
// Requests name the bucket in the path, as those of core's components do. They are
// signed for the same region as those, which often is a guess (see
// [storage.Config.SigningRegion]). If a server refuses the region, the request is
// repeated with the region that the server names, then with us-east-1. If a server
// refuses the bucket in the path (COS does for newer buckets), the bucket becomes
// part of the host name.
//
// # Integrity
//
// Every request carries the MD5 of its body and is signed over its SHA-256; servers
// check both. Larger objects are sent in parts, one at a time, and only a failed
// part is sent again.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// defaultRegion is the region that S3 itself assumes.
const defaultRegion = "us-east-1"

// roleTimeout is how long to wait for the keys of the machine's role. On a machine
// without a role, nothing responds.
const roleTimeout = 5 * time.Second

// errNoKeys says why a request was not signed.
var errNoKeys = errors.New("JumpServer's replay storage names no keys, and there are none in the environment, in ~/.aws/credentials or of the machine's role")

// Bucket is a bucket of an S3 server.
type Bucket struct {
	config storage.Config
	http   *storage.Client
	keys   *credentials.Credentials
	agent  string
	fixed  bool        // the administrator has named the region
	seen   atomic.Bool // the bucket has responded

	mu      sync.Mutex // guards what follows
	api     minio.Core
	region  string
	byHost  bool
	refused []string // regions that the server refused
}

var _ storage.Storage = (*Bucket)(nil)

// Open returns the storage of core's settings. It connects at the first call.
func Open(c storage.Config, o storage.Options) (*Bucket, error) {
	b := &Bucket{config: c, http: storage.NewClient(o), agent: o.UserAgent, fixed: o.Region != "", region: o.Region}
	if b.region == "" {
		b.region = c.SigningRegion()
	}
	if b.region == "" {
		b.region = defaultRegion
	}
	if c.HasKeys() {
		b.keys = credentials.NewStaticV4(c.AccessKey, c.SecretKey.Reveal(), "")
	} else { // as the AWS libraries of core and its components do
		b.keys = credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
			&credentials.IAM{Client: &http.Client{Transport: b.http.Transport, Timeout: roleTimeout}},
		})
	}
	return b, b.connect()
}

// connect creates the client for the current region and addressing.
func (b *Bucket) connect() error {
	host, secure := "s3.amazonaws.com", true
	if e := b.config.Endpoint; e != nil {
		host, secure = e.Host, e.Scheme == "https"
	}
	lookup := minio.BucketLookupPath
	if b.byHost {
		lookup = minio.BucketLookupDNS
	}
	api, err := minio.NewCore(host, &minio.Options{
		Creds: b.keys, Secure: secure, Transport: b.http.Transport, Region: b.region, BucketLookup: lookup,
		MaxRetries: 1, // storage.Retry retries for all kinds
	})
	if err != nil {
		return &storage.Error{Op: "open", Place: b.Place(), Kind: storage.KindOfSettings(err), Err: err}
	}
	if b.agent != "" {
		name, version, _ := strings.Cut(b.agent, "/")
		api.SetAppInfo(name, version)
	}
	b.api = *api
	return nil
}

// Place names the bucket.
func (b *Bucket) Place() string { return b.config.Place() }

// Usage returns what has been requested from the bucket.
func (b *Bucket) Usage() storage.Usage { return b.http.Usage() }

// MatchesPrefixes returns false: core asks for exactly one key.
func (b *Bucket) MatchesPrefixes() bool { return false }

// do makes one request, with retries of temporary failures.
func (b *Bucket) do(ctx context.Context, op, key string, call func(minio.Core) error) error {
	for {
		b.mu.Lock()
		api := b.api
		b.mu.Unlock()
		var raw error
		err := storage.Retry(ctx, func() error {
			raw = call(api)
			return b.wrap(op, key, raw)
		})
		if err == nil {
			b.seen.Store(true)
		}
		if err == nil || !b.adapt(err, raw) {
			return err
		}
	}
}

// adapt changes region or addressing if the server asks for it; it returns false if
// there is nothing left to change.
func (b *Bucket) adapt(err, raw error) bool {
	answer := minio.ToErrorResponse(raw)
	b.mu.Lock()
	defer b.mu.Unlock()
	if code := answer.Code; !b.byHost && (code == "PathStyleDomainForbidden" || code == "SecondLevelDomainForbidden") {
		b.byHost = true
		return b.connect() == nil
	}
	if !errors.Is(err, storage.ErrRegion) || b.fixed {
		return false
	}
	b.refused = append(b.refused, b.region)
	for _, region := range []string{answer.Region, defaultRegion} {
		if region != "" && !slices.Contains(b.refused, region) {
			b.region = region
			return b.connect() == nil
		}
	}
	return false
}

// wrap returns an error of the library as a storage.Error with its kind.
func (b *Bucket) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	var own *storage.Error
	if errors.As(err, &own) {
		return err
	}
	e := &storage.Error{Op: op, Place: b.Place(), Key: key, Err: err}
	var answer minio.ErrorResponse
	switch {
	case !errors.As(err, &answer):
		e.Kind = storage.KindOfTransport(err)
	case answer.StatusCode == 0: // refused by the library itself, such as a bad bucket name
		e.Kind = storage.ErrConfig
		if answer.Code == "InvalidBucketName" {
			e.Kind = storage.ErrBucketName
		}
	default:
		e.Kind = storage.KindOf(answer.Code, answer.StatusCode)
		if strings.Contains(answer.Message, "region") && strings.HasPrefix(answer.Code, "Authorization") {
			e.Kind = storage.ErrRegion
		}
		e.Err = fmt.Errorf("%s: %s", answer.Code, answer.Message)
		if answer.StatusCode == http.StatusForbidden && !b.config.HasKeys() && b.unsigned() {
			e.Kind, e.Err = storage.ErrCredentials, errNoKeys
		}
	}
	return e
}

// unsigned reports whether there are no keys anywhere.
func (b *Bucket) unsigned() bool {
	keys, err := b.keys.GetWithContext(nil)
	return err != nil || keys.SignerType.IsAnonymous()
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, key string) (storage.Object, error) {
	var info minio.ObjectInfo
	err := b.do(ctx, "stat", key, func(api minio.Core) (err error) {
		info, err = api.StatObject(ctx, b.config.Bucket, key, minio.StatObjectOptions{})
		return b.explain(ctx, api, key, err)
	})
	if err != nil {
		return storage.Object{}, err
	}
	info.StorageClass = info.Metadata.Get("X-Amz-Storage-Class") // the library parses it only in listings
	o := object(info)
	o.SHA256 = info.UserMetadata[http.CanonicalHeaderKey(metaSHA256)]
	return o, nil
}

// metaSHA256 is the metadata that holds an object's SHA-256: x-amz-meta-sha256.
const metaSHA256 = "sha256"

// explain finds the reason of a failed HEAD, whose response has no body. A listing
// of one key is refused for the same reasons, and its response has a body.
func (b *Bucket) explain(ctx context.Context, api minio.Core, key string, err error) error {
	answer := minio.ToErrorResponse(err)
	switch {
	case err == nil, answer.StatusCode == 0, answer.StatusCode >= 500, answer.StatusCode == http.StatusNotFound && b.seen.Load():
		return err
	}
	for o := range api.ListObjectsIter(ctx, b.config.Bucket, minio.ListObjectsOptions{Prefix: key, UseV1: true, Recursive: true, MaxKeys: 1}) {
		if o.Err != nil {
			return o.Err
		}
		break
	}
	return err
}

func object(info minio.ObjectInfo) storage.Object {
	return storage.Object{
		Key: info.Key, Size: info.Size, ModTime: info.LastModified, ETag: info.ETag,
		Archived: slices.Contains(archives, info.StorageClass) && info.Restore == nil,
	}
}

// archives are the storage classes of objects that must be restored before they can
// be read; ARCHIVE is COS's.
var archives = []string{"GLACIER", "DEEP_ARCHIVE", "ARCHIVE"}

// Get reads an object.
func (b *Bucket) Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := b.do(ctx, "get", key, func(api minio.Core) error {
		o := minio.GetObjectOptions{}
		if offset > 0 {
			if err := o.SetRange(offset, 0); err != nil {
				return err
			}
		}
		var err error
		body, _, _, err = api.GetObject(ctx, b.config.Bucket, key, o)
		return err
	})
	return body, err
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, "delete", key, func(api minio.Core) error {
		return api.RemoveObject(ctx, b.config.Bucket, key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// List returns one page. It uses version 1 of the call, which every server supports
// and whose marker is a key.
func (b *Bucket) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	var page storage.Page
	err := b.do(ctx, "list", q.Prefix, func(api minio.Core) error {
		page = storage.Page{}
		n, last := 0, ""
		options := minio.ListObjectsOptions{Prefix: q.Prefix, StartAfter: q.After, Recursive: !q.Folders, UseV1: true, MaxKeys: q.Limit()}
		for o := range api.ListObjectsIter(ctx, b.config.Bucket, options) {
			if o.Err != nil {
				return o.Err
			}
			switch {
			case q.Folders && strings.HasSuffix(o.Key, "/"):
				if o.Key != q.After { // some servers also return the marker itself
					page.Folders = append(page.Folders, o.Key)
				}
			case !strings.HasSuffix(o.Key, "/"): // markers of folders are not objects
				page.Objects = append(page.Objects, object(o))
			}
			last = max(last, o.Key)
			if n++; n == q.Limit() { // before the library requests the next page
				page.Next = last
				break
			}
		}
		return ctx.Err()
	})
	return page, err
}

// Move renames an object.
func (b *Bucket) Move(ctx context.Context, from, to string) error {
	return storage.MoveByCopy(ctx, b, from, to, func(o storage.Object) error {
		return b.do(ctx, "move", from, func(api minio.Core) error {
			src := minio.CopySrcOptions{Bucket: b.config.Bucket, Object: from, MatchETag: o.ETag}
			dst := minio.CopyDestOptions{Bucket: b.config.Bucket, Object: to}
			var err error
			if o.Size < copyLimit {
				_, err = api.Client.CopyObject(ctx, dst, src)
			} else {
				_, err = api.ComposeObject(ctx, dst, src)
			}
			return err
		})
	})
}

// copyLimit is the largest object that one request copies, in bytes.
const copyLimit = 5 << 30
