package devcore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/minio/minio-go/v7"
)

// Both are [Bucket]s: an [External] that replays can be moved to.
var _ = []Bucket{S3Bucket{}, AzureContainer{}}

// S3Bucket reads and writes a real bucket as core's storage library does: it checks
// the exact key with HEAD, and downloads under a temporary name.
type S3Bucket struct {
	Client *minio.Client
	Name   string
}

// Exists reports whether the key exists.
func (b S3Bucket) Exists(ctx context.Context, key string) (bool, error) {
	_, err := b.Client.StatObject(ctx, b.Name, key, minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// Download downloads the object.
func (b S3Bucket) Download(ctx context.Context, key, path string) error {
	temp := path + ".6eF3a19b"
	if err := b.Client.FGetObject(ctx, b.Name, key, temp, minio.GetObjectOptions{}); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o644); err != nil { // as boto does
		return err
	}
	return os.Rename(temp, path)
}

// Upload stores the file.
func (b S3Bucket) Upload(ctx context.Context, key, path string) error {
	_, err := b.Client.FPutObject(ctx, b.Name, key, path, minio.PutObjectOptions{})
	return err
}

// AzureContainer reads and writes a real container as core's storage library does:
// it lists by prefix and accepts whatever it finds, and downloads without a
// temporary name.
type AzureContainer struct{ Client *container.Client }

// Exists reports whether any name begins with the key.
func (b AzureContainer) Exists(ctx context.Context, key string) (bool, error) {
	one := int32(1)
	page, err := b.Client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &key, MaxResults: &one}).NextPage(ctx)
	return err == nil && len(page.Segment.BlobItems) > 0, err
}

// Download downloads the blob with exactly this key.
func (b AzureContainer) Download(ctx context.Context, key, path string) error {
	r, err := b.Client.NewBlobClient(key).DownloadStream(ctx, &blob.DownloadStreamOptions{})
	if err != nil {
		return err
	}
	defer r.Body.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r.Body)
	return errors.Join(err, f.Close())
}

// Upload stores the file.
func (b AzureContainer) Upload(ctx context.Context, key, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = b.Client.NewBlockBlobClient(key).UploadFile(ctx, f, nil)
	return err
}
