// Package oss is the replay storage of Alibaba Cloud's Object Storage Service. It
// uses the provider's library and signs as core's components do, so that it works
// with every endpoint that works for them.
package oss

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Bucket is a bucket of OSS.
type Bucket struct {
	config storage.Config
	http   *storage.Client
	api    *oss.Bucket
}

var _ storage.Storage = (*Bucket)(nil)

// Open returns the storage of core's settings. It connects at the first call.
func Open(c storage.Config, o storage.Options) (*Bucket, error) {
	b := &Bucket{config: c, http: storage.NewClient(o)}
	options := []oss.ClientOption{oss.HTTPClient(&b.http.Client), oss.RedirectEnabled(false)}
	if o.UserAgent != "" {
		options = append(options, oss.UserAgent(o.UserAgent))
	}
	client, err := oss.New(c.Endpoint.String(), c.AccessKey, c.SecretKey.Reveal(), options...)
	if err == nil {
		b.api, err = client.Bucket(c.Bucket)
	}
	if err != nil {
		return nil, &storage.Error{Op: "open", Place: b.Place(), Kind: storage.KindOfSettings(err), Err: err}
	}
	return b, nil
}

// Place names the bucket.
func (b *Bucket) Place() string { return b.config.Place() }

// Usage returns what has been requested from the bucket.
func (b *Bucket) Usage() storage.Usage { return b.http.Usage() }

// MatchesPrefixes returns false: core asks for exactly one key.
func (b *Bucket) MatchesPrefixes() bool { return false }

// do makes one request, with retries of temporary failures.
func (b *Bucket) do(ctx context.Context, op, key string, call func(ctx oss.Option) error) error {
	return storage.Retry(ctx, func() error { return b.wrap(op, key, call(oss.WithContext(ctx))) })
}

var statusText = regexp.MustCompile(`service returned (?:(\d{3}),|.*status = (\d{3}))`)

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
	var answer oss.ServiceError
	var crc oss.CRCCheckError
	var network *url.Error
	switch {
	case errors.As(err, &answer):
		e.Kind = storage.KindOf(answer.Code, answer.StatusCode)
		e.Err = fmt.Errorf("%s, HTTP %d", answer.Code, answer.StatusCode)
		if at := answer.Endpoint; at != "" && (answer.Code == "AccessDenied" || errors.Is(e.Kind, storage.ErrRegion)) { // of another region's bucket
			e.Kind, e.Err = storage.ErrEndpoint, fmt.Errorf("%s: use %s, HTTP %d", answer.Code, at, answer.StatusCode)
		}
	case errors.As(err, &crc):
		e.Kind = storage.ErrDamaged
	case errors.As(err, &network):
		e.Kind = storage.KindOfTransport(err)
		e.Err = network.Err // without the address
	default:
		e.Kind = storage.KindOfTransport(err)
		if m := statusText.FindStringSubmatch(err.Error()); m != nil { // a response without XML
			status, _ := strconv.Atoi(m[1] + m[2])
			e.Kind = storage.KindOf("", status)
		}
	}
	return e
}

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, key string) (storage.Object, error) {
	var h http.Header
	err := b.do(ctx, "stat", key, func(with oss.Option) (err error) {
		if h, err = b.api.GetObjectDetailedMeta(key, with); err != nil {
			return b.explain(key, with, err)
		}
		return nil
	})
	if err != nil {
		return storage.Object{}, err
	}
	o := storage.Object{Key: key, ETag: strings.Trim(h.Get("ETag"), `"`), SHA256: h.Get("X-Oss-Meta-" + metaSHA256)}
	o.Size, _ = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	o.ModTime, _ = time.Parse(http.TimeFormat, h.Get("Last-Modified"))
	o.Archived = strings.Contains(h.Get("X-Oss-Storage-Class"), "Archive") && !strings.Contains(h.Get("X-Oss-Restore"), `ongoing-request="false"`)
	return o, nil
}

// metaSHA256 is the metadata that holds an object's SHA-256: x-oss-meta-sha256.
const metaSHA256 = "Sha256"

// explain finds the reason of a failed HEAD, whose response has no body. A listing
// of one key is refused for the same reasons, and its response has a body.
func (b *Bucket) explain(key string, with oss.Option, err error) error {
	var answer oss.ServiceError
	if !errors.As(err, &answer) || answer.Code != "" || answer.StatusCode >= 500 {
		return err
	}
	if _, listErr := b.api.ListObjects(oss.Prefix(key), oss.MaxKeys(1), with); listErr != nil {
		return listErr
	}
	return err
}

// Put writes an object. The library compares the CRC-64 of what it sent with the
// one that OSS returns; OSS also compares the MD5.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body) error {
	headers := []oss.Option{oss.Meta(metaSHA256, body.SHA256), oss.ContentType(storage.ContentType(key))}
	if body.Size > storage.OnePart {
		return b.putParts(ctx, key, body, headers)
	}
	sums, err := body.Sum(ctx, body.Whole())
	if err != nil {
		return err
	}
	return b.do(ctx, "put", key, func(with oss.Option) error {
		return b.api.PutObject(key, body.Open(body.Whole()), append(headers, oss.ContentMD5(sums.Base64MD5()), with)...)
	})
}

// putParts writes an object in parts. If it cannot complete the upload, it aborts
// it.
func (b *Bucket) putParts(ctx context.Context, key string, body storage.Body, headers []oss.Option) (err error) {
	var upload oss.InitiateMultipartUploadResult
	err = b.do(ctx, "put", key, func(with oss.Option) (err error) {
		upload, err = b.api.InitiateMultipartUpload(key, append(headers, with)...)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = b.do(ctx, "put", key, func(with oss.Option) error { return b.api.AbortMultipartUpload(upload, with) })
		}
	}()
	var done []oss.UploadPart
	for _, p := range storage.Split(body.Size) {
		sums, err := body.Sum(ctx, p)
		if err != nil {
			return err
		}
		var part oss.UploadPart
		err = b.do(ctx, "put", key, func(with oss.Option) (err error) {
			part, err = b.api.UploadPart(upload, body.Open(p), p.Size, p.Number, oss.ContentMD5(sums.Base64MD5()), with)
			return err
		})
		if err != nil {
			return err
		}
		done = append(done, part)
	}
	return storage.Completed(ctx, b, key, body, b.do(ctx, "put", key, func(with oss.Option) error {
		_, err := b.api.CompleteMultipartUpload(upload, done, with)
		return err
	}))
}

// Get reads an object.
func (b *Bucket) Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := b.do(ctx, "get", key, func(with oss.Option) (err error) {
		options := []oss.Option{with}
		if offset > 0 {
			options = append(options, oss.NormalizedRange(strconv.FormatInt(offset, 10)+"-"), oss.RangeBehavior("standard"))
		}
		body, err = b.api.GetObject(key, options...)
		return err
	})
	return body, err
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, "delete", key, func(with oss.Option) error { return b.api.DeleteObject(key, with) })
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// List returns one page.
func (b *Bucket) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	options := []oss.Option{oss.Prefix(q.Prefix), oss.Marker(q.After), oss.MaxKeys(q.Limit())}
	if q.Folders {
		options = append(options, oss.Delimiter("/"))
	}
	var page storage.Page
	err := b.do(ctx, "list", q.Prefix, func(with oss.Option) error {
		r, err := b.api.ListObjects(append(options, with)...)
		if err != nil {
			return err
		}
		page = storage.Page{Folders: r.CommonPrefixes}
		last := ""
		for _, o := range r.Objects {
			last = o.Key
			if !strings.HasSuffix(o.Key, "/") { // markers of folders are not objects
				page.Objects = append(page.Objects, storage.Object{
					Key: o.Key, Size: o.Size, ModTime: o.LastModified, ETag: strings.Trim(o.ETag, `"`),
					Archived: strings.Contains(o.StorageClass, "Archive") && !strings.Contains(o.RestoreInfo, `ongoing-request="false"`),
				})
			}
		}
		if r.IsTruncated {
			page.Next = r.NextMarker
			if page.Next == "" {
				page.Next = last
			}
		}
		return nil
	})
	return page, err
}

// Limits of copying, in bytes.
const (
	copyLimit = 1 << 30
	copyPart  = 256 << 20
)

// Move renames an object.
func (b *Bucket) Move(ctx context.Context, from, to string) error {
	return storage.MoveByCopy(ctx, b, from, to, func(o storage.Object) error {
		return b.do(ctx, "move", from, func(with oss.Option) error {
			if o.Size < copyLimit {
				_, err := b.api.CopyObject(from, to, oss.CopySourceIfMatch(`"`+o.ETag+`"`), with)
				return err
			}
			options := []oss.Option{with}
			if o.SHA256 != "" {
				options = append(options, oss.Meta(metaSHA256, o.SHA256))
			}
			return b.api.CopyFile(b.config.Bucket, from, to, copyPart, options...)
		})
	})
}
