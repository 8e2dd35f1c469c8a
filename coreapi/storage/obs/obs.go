// Package obs is the replay storage of Huawei Cloud's Object Storage Service. It
// uses the provider's library, as core's components do, so that requests are signed
// in the same way.
package obs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Bucket is a bucket of OBS.
type Bucket struct {
	config storage.Config
	http   *storage.Client
	agent  string
}

var _ storage.Storage = (*Bucket)(nil)

// Open returns the storage of core's settings. It connects at the first call.
func Open(c storage.Config, o storage.Options) (*Bucket, error) {
	b := &Bucket{config: c, http: storage.NewClient(o), agent: o.UserAgent}
	_, err := b.client(context.Background())
	return b, err
}

// client returns a client for one request, because the library accepts a context
// only here. It keeps no connections of its own.
func (b *Bucket) client(ctx context.Context) (*obs.ObsClient, error) {
	agent := b.agent
	if agent == "" {
		agent = obs.USER_AGENT
	}
	api, err := obs.New(b.config.AccessKey, b.config.SecretKey.Reveal(), b.config.Endpoint.String(),
		obs.WithHttpClient(&b.http.Client), obs.WithRequestContext(ctx), obs.WithUserAgent(agent),
		obs.WithMaxRetryCount(0), obs.WithMaxRedirectCount(0)) // storage.Retry retries for all kinds
	if err != nil {
		return nil, &storage.Error{Op: "open", Place: b.Place(), Kind: storage.ErrConfig, Err: err}
	}
	return api, nil
}

// Place names the bucket.
func (b *Bucket) Place() string { return b.config.Place() }

// Usage returns what has been requested from the bucket.
func (b *Bucket) Usage() storage.Usage { return b.http.Usage() }

// MatchesPrefixes returns false: core asks for exactly one key.
func (b *Bucket) MatchesPrefixes() bool { return false }

// do makes one request, with retries of temporary failures.
func (b *Bucket) do(ctx context.Context, op, key string, call func(*obs.ObsClient) error) error {
	return storage.Retry(ctx, func() error {
		api, err := b.client(ctx)
		if err == nil {
			err = call(api)
		}
		return b.wrap(op, key, err)
	})
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
	var answer obs.ObsError
	if errors.As(err, &answer) {
		e.Kind = storage.KindOf(answer.Code, answer.StatusCode)
		e.Err = fmt.Errorf("%s, HTTP %d", answer.Code, answer.StatusCode)
		return e
	}
	e.Kind = storage.KindOfTransport(err)
	return e
}

// errNoAnswer stands for an error that the library loses: it recovers from its own
// panics and then returns neither a response nor an error.
var errNoAnswer = fmt.Errorf("the library returned no response: %w", io.ErrUnexpectedEOF)

// Stat describes an object.
func (b *Bucket) Stat(ctx context.Context, key string) (storage.Object, error) {
	var o storage.Object
	err := b.do(ctx, "stat", key, func(api *obs.ObsClient) error {
		m, err := api.GetObjectMetadata(&obs.GetObjectMetadataInput{Bucket: b.config.Bucket, Key: key})
		switch {
		case err != nil:
			return b.explain(api, key, err)
		case m == nil || m.StatusCode == 0:
			return errNoAnswer
		}
		o = storage.Object{
			Key: key, Size: m.ContentLength, ModTime: m.LastModified, ETag: strings.Trim(m.ETag, `"`), SHA256: m.Metadata[metaSHA256],
			Archived: m.StorageClass == obs.StorageClassCold && !strings.Contains(m.Restore, `ongoing-request="false"`),
		}
		return nil
	})
	return o, err
}

// metaSHA256 is the metadata that holds an object's SHA-256.
const metaSHA256 = "sha256"

// explain finds the reason of a failed HEAD, whose response has no body. A listing
// of one key is refused for the same reasons, and its response has a body.
func (b *Bucket) explain(api *obs.ObsClient, key string, err error) error {
	var answer obs.ObsError
	if !errors.As(err, &answer) || answer.Code != "" || answer.StatusCode >= 500 {
		return err
	}
	in := &obs.ListObjectsInput{Bucket: b.config.Bucket}
	in.Prefix, in.MaxKeys = key, 1
	if _, listErr := api.ListObjects(in); listErr != nil {
		return listErr
	}
	return err
}

// Put writes an object.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body) error {
	if body.Size > storage.OnePart {
		return b.putParts(ctx, key, body)
	}
	sums, err := body.Sum(ctx, body.Whole())
	if err != nil {
		return err
	}
	return b.do(ctx, "put", key, func(api *obs.ObsClient) error {
		in := &obs.PutObjectInput{Body: body.Open(body.Whole())}
		in.Bucket, in.Key, in.Metadata = b.config.Bucket, key, map[string]string{metaSHA256: body.SHA256}
		in.ContentLength, in.ContentMD5, in.ContentType = body.Size, sums.Base64MD5(), storage.ContentType(key)
		out, err := api.PutObject(in)
		if err == nil && out == nil {
			return errNoAnswer
		}
		return err
	})
}

// putParts writes an object in parts. If it cannot complete the upload, it aborts
// it.
func (b *Bucket) putParts(ctx context.Context, key string, body storage.Body) (err error) {
	var upload string
	err = b.do(ctx, "put", key, func(api *obs.ObsClient) error {
		in := &obs.InitiateMultipartUploadInput{}
		in.Bucket, in.Key, in.Metadata = b.config.Bucket, key, map[string]string{metaSHA256: body.SHA256}
		in.ContentType = storage.ContentType(key)
		out, err := api.InitiateMultipartUpload(in)
		if err != nil {
			return err
		}
		if upload = out.UploadId; upload == "" {
			return errNoAnswer
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = b.do(ctx, "put", key, func(api *obs.ObsClient) error {
				_, err := api.AbortMultipartUpload(&obs.AbortMultipartUploadInput{Bucket: b.config.Bucket, Key: key, UploadId: upload})
				return err
			})
		}
	}()
	var done []obs.Part
	for _, p := range storage.Split(body.Size) {
		sums, err := body.Sum(ctx, p)
		if err != nil {
			return err
		}
		err = b.do(ctx, "put", key, func(api *obs.ObsClient) error {
			out, err := api.UploadPart(&obs.UploadPartInput{
				Bucket: b.config.Bucket, Key: key, PartNumber: p.Number, UploadId: upload, ContentMD5: sums.Base64MD5(), Body: body.Open(p), PartSize: p.Size,
			})
			if err != nil {
				return err
			}
			if out == nil || out.ETag == "" {
				return errNoAnswer
			}
			done = append(done, obs.Part{PartNumber: p.Number, ETag: out.ETag})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return storage.Completed(ctx, b, key, body, b.do(ctx, "put", key, func(api *obs.ObsClient) error {
		_, err := api.CompleteMultipartUpload(&obs.CompleteMultipartUploadInput{Bucket: b.config.Bucket, Key: key, UploadId: upload, Parts: done})
		return err
	}))
}

// Get reads an object.
func (b *Bucket) Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := b.do(ctx, "get", key, func(api *obs.ObsClient) error {
		in := &obs.GetObjectInput{}
		in.Bucket, in.Key = b.config.Bucket, key
		if offset > 0 {
			in.RangeStart, in.RangeEnd = offset, 1<<62
		}
		out, err := api.GetObject(in)
		if err != nil {
			return err
		}
		if out == nil || out.Body == nil {
			return errNoAnswer
		}
		body = out.Body
		return nil
	})
	return body, err
}

// Delete removes an object.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	err := b.do(ctx, "delete", key, func(api *obs.ObsClient) error {
		_, err := api.DeleteObject(&obs.DeleteObjectInput{Bucket: b.config.Bucket, Key: key})
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// List returns one page.
func (b *Bucket) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	in := &obs.ListObjectsInput{Bucket: b.config.Bucket, Marker: q.After}
	in.Prefix, in.MaxKeys = q.Prefix, q.Limit()
	if q.Folders {
		in.Delimiter = "/"
	}
	var page storage.Page
	err := b.do(ctx, "list", q.Prefix, func(api *obs.ObsClient) error {
		r, err := api.ListObjects(in)
		if err != nil {
			return err
		}
		if r == nil || r.StatusCode == 0 {
			return errNoAnswer
		}
		page = storage.Page{Folders: r.CommonPrefixes}
		last := ""
		for _, o := range r.Contents {
			last = o.Key
			if !strings.HasSuffix(o.Key, "/") { // markers of folders are not objects
				page.Objects = append(page.Objects, storage.Object{
					Key: o.Key, Size: o.Size, ModTime: o.LastModified, ETag: strings.Trim(o.ETag, `"`), Archived: o.StorageClass == obs.StorageClassCold,
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

// Move renames an object of up to 5 GB, the limit of one copy request of OBS.
func (b *Bucket) Move(ctx context.Context, from, to string) error {
	return storage.MoveByCopy(ctx, b, from, to, func(o storage.Object) error {
		return b.do(ctx, "move", from, func(api *obs.ObsClient) error {
			in := &obs.CopyObjectInput{CopySourceBucket: b.config.Bucket, CopySourceKey: from, CopySourceIfMatch: o.ETag}
			in.Bucket, in.Key = b.config.Bucket, to
			_, err := api.CopyObject(in)
			return err
		})
	})
}
