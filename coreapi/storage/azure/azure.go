// Package azure is the replay storage of Azure Blob Storage.
//
// Core considers a key as present here if any blob's name begins with it. The name
// of a retired original must therefore not begin with its old name.
package azure

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Container is a container of a storage account.
type Container struct {
	config storage.Config
	http   *storage.Client
	api    *container.Client
}

var _ storage.Storage = (*Container)(nil)

// Open returns the storage of core's settings. It connects at the first call.
func Open(c storage.Config, o storage.Options) (*Container, error) {
	return OpenAt(c, o, fmt.Sprintf("https://%s.blob.%s/%s", c.Account, c.Suffix, c.Container))
}

// OpenAt is like Open, with another address of the container, such as an
// emulator's.
func OpenAt(c storage.Config, o storage.Options, address string) (*Container, error) {
	s := &Container{config: c, http: storage.NewClient(o)}
	bad := func(err error) error {
		return &storage.Error{Op: "open", Place: s.Place(), Kind: storage.ErrConfig, Err: err}
	}
	key, err := container.NewSharedKeyCredential(c.Account, c.AccountKey.Reveal())
	if err != nil {
		return nil, bad(errors.New("ACCOUNT_KEY is not base64")) // the error may quote the key
	}
	s.api, err = container.NewClientWithSharedKeyCredential(address, key, &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: s.http,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // storage.Retry retries for all kinds
		Telemetry: policy.TelemetryOptions{ApplicationID: shorten(o.UserAgent)},
	}})
	if err != nil {
		return nil, bad(err)
	}
	return s, nil
}

// shorten cuts a name to the length that the library allows.
func shorten(s string) string { return s[:min(len(s), 24)] }

// Place names the container.
func (s *Container) Place() string { return s.config.Place() }

// Usage returns what has been requested from the container.
func (s *Container) Usage() storage.Usage { return s.http.Usage() }

// MatchesPrefixes returns true: core lists by prefix, and accepts whatever it
// finds.
func (s *Container) MatchesPrefixes() bool { return true }

// do makes one request, with retries of temporary failures.
func (s *Container) do(ctx context.Context, op, key string, call func() error) error {
	return storage.Retry(ctx, func() error { return s.wrap(op, key, call()) })
}

// wrap returns an error of the library as a storage.Error with its kind.
func (s *Container) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &storage.Error{Op: op, Place: s.Place(), Key: key, Err: err}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		e.Kind = storage.KindOfTransport(err)
		return e
	}
	e.Kind = storage.KindOf(answer.ErrorCode, answer.StatusCode)
	// Some codes have several meanings, and the emulator has codes of its own; the
	// text distinguishes them.
	text := strings.ToLower(answer.Error())
	switch {
	case strings.Contains(text, "date header"):
		e.Kind = storage.ErrClock
	case strings.Contains(text, "failed to authenticate"):
		e.Kind = storage.ErrCredentials
	case strings.Contains(text, "md5") && answer.StatusCode == http.StatusBadRequest:
		e.Kind = storage.ErrDamaged
	}
	e.Err = fmt.Errorf("%s, HTTP %d", answer.ErrorCode, answer.StatusCode)
	return e
}

// Stat describes a blob.
func (s *Container) Stat(ctx context.Context, key string) (storage.Object, error) {
	var o storage.Object
	err := s.do(ctx, "stat", key, func() error {
		p, err := s.api.NewBlobClient(key).GetProperties(ctx, nil)
		if err != nil {
			return s.explain(ctx, key, err)
		}
		o = storage.Object{Key: key, Size: value(p.ContentLength), ModTime: value(p.LastModified), ETag: tag(p.ETag),
			Archived: value(p.AccessTier) == string(blob.AccessTierArchive)}
		for name, v := range p.Metadata {
			if strings.EqualFold(name, metaSHA256) {
				o.SHA256 = value(v)
			}
		}
		return nil
	})
	return o, err
}

// explain finds the reason of a refused HEAD, whose response has no body. A listing
// of one key is refused for the same reasons, and its response has a body.
func (s *Container) explain(ctx context.Context, key string, err error) error {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != http.StatusForbidden {
		return err
	}
	one := int32(1)
	_, listErr := s.api.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &key, MaxResults: &one}).NextPage(ctx)
	return cmp.Or(listErr, err)
}

// metaSHA256 is the metadata that holds a blob's SHA-256: x-ms-meta-sha256.
const metaSHA256 = "sha256"

// value returns what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

func tag(t *azcore.ETag) string { return strings.Trim(string(value(t)), `"`) }

// Put writes a blob.
func (s *Container) Put(ctx context.Context, key string, body storage.Body) error {
	api := s.api.NewBlockBlobClient(key)
	kind := storage.ContentType(key)
	headers := &blob.HTTPHeaders{BlobContentType: &kind}
	meta := map[string]*string{metaSHA256: &body.SHA256}
	if body.Size <= storage.OnePart {
		sums, err := body.Sum(ctx, body.Whole())
		if err != nil {
			return err
		}
		headers.BlobContentMD5 = sums.MD5
		return s.do(ctx, "put", key, func() error {
			_, err := api.Upload(ctx, streaming.NopCloser(body.Open(body.Whole())), &blockblob.UploadOptions{
				HTTPHeaders: headers, Metadata: meta, TransactionalValidation: blob.TransferValidationTypeMD5(sums.MD5),
			})
			return err
		})
	}
	// Azure deletes blocks that are not committed within a week.
	var ids []string
	prefix := time.Now().UnixNano()
	for _, p := range storage.Split(body.Size) {
		sums, err := body.Sum(ctx, p)
		if err != nil {
			return err
		}
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%020d-%05d", prefix, p.Number))
		err = s.do(ctx, "put", key, func() error {
			_, err := api.StageBlock(ctx, id, streaming.NopCloser(body.Open(p)), &blockblob.StageBlockOptions{
				TransactionalValidation: blob.TransferValidationTypeMD5(sums.MD5),
			})
			return err
		})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return storage.Completed(ctx, s, key, body, s.do(ctx, "put", key, func() error {
		_, err := api.CommitBlockList(ctx, ids, &blockblob.CommitBlockListOptions{HTTPHeaders: headers, Metadata: meta})
		return err
	}))
}

// Get reads a blob.
func (s *Container) Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := s.do(ctx, "get", key, func() error {
		r, err := s.api.NewBlobClient(key).DownloadStream(ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: offset}})
		if err == nil {
			body = r.Body
		}
		return err
	})
	if body == nil {
		body = io.NopCloser(bytes.NewReader(nil))
	}
	return body, err
}

// Delete removes a blob and its snapshots.
func (s *Container) Delete(ctx context.Context, key string) error {
	all := blob.DeleteSnapshotsOptionTypeInclude
	err := s.do(ctx, "delete", key, func() error {
		_, err := s.api.NewBlobClient(key).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: &all})
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// List returns one page.
func (s *Container) List(ctx context.Context, q storage.Query) (storage.Page, error) {
	var page storage.Page
	limit := int32(q.Limit()) //nolint:gosec // at most 1000
	var after *string
	if q.After != "" {
		after = &q.After
	}
	err := s.do(ctx, "list", q.Prefix, func() error {
		page = storage.Page{}
		if !q.Folders {
			r, err := s.api.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &q.Prefix, Marker: after, MaxResults: &limit}).NextPage(ctx)
			if err != nil {
				return err
			}
			page.Next = value(r.NextMarker)
			page.Objects = objects(r.Segment.BlobItems)
			return nil
		}
		r, err := s.api.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &q.Prefix, Marker: after, MaxResults: &limit}).NextPage(ctx)
		if err != nil {
			return err
		}
		page.Next = value(r.NextMarker)
		page.Objects = objects(r.Segment.BlobItems)
		for _, p := range r.Segment.BlobPrefixes {
			page.Folders = append(page.Folders, value(p.Name))
		}
		return nil
	})
	return page, err
}

func objects(items []*container.BlobItem) []storage.Object {
	var list []storage.Object
	for _, i := range items {
		o := storage.Object{Key: value(i.Name)}
		if p := i.Properties; p != nil {
			o.Size, o.ModTime, o.ETag = value(p.ContentLength), value(p.LastModified), tag(p.ETag)
			o.Archived = value(p.AccessTier) == blob.AccessTierArchive
		}
		list = append(list, o)
	}
	return list
}

// Move renames a blob. Copying within an account needs no additional rights.
func (s *Container) Move(ctx context.Context, from, to string) error {
	return storage.MoveByCopy(ctx, s, from, to, func(storage.Object) error {
		target := s.api.NewBlobClient(to)
		err := s.do(ctx, "move", from, func() error {
			_, err := target.StartCopyFromURL(ctx, s.api.NewBlobClient(from).URL(), nil)
			return err
		})
		if err != nil {
			return err
		}
		for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			var state blob.CopyStatusType
			err := s.do(ctx, "move", from, func() error {
				p, err := target.GetProperties(ctx, nil)
				state = value(p.CopyStatus)
				return err
			})
			switch {
			case err != nil:
				return err
			case state == blob.CopyStatusTypeSuccess || state == "":
				return nil
			case state != blob.CopyStatusTypePending:
				return &storage.Error{Op: "move", Place: s.Place(), Key: from, Kind: storage.ErrUnavailable, Err: fmt.Errorf("the copy ended as %s", state)}
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(pause):
			}
		}
	})
}
