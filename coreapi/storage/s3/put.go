package s3

import (
	"context"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// Put writes an object.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body) error {
	o := minio.PutObjectOptions{
		UserMetadata: map[string]string{metaSHA256: body.SHA256}, ContentType: storage.ContentType(key),
		DisableContentSha256: true, // one signature over the sum below, not one per chunk
	}
	if body.Size > storage.OnePart {
		return b.putParts(ctx, key, body, o)
	}
	sums, err := body.Sum(ctx, body.Whole())
	if err != nil {
		return err
	}
	return b.do(ctx, "put", key, func(api minio.Core) error {
		_, err := api.PutObject(ctx, b.config.Bucket, key, body.Open(body.Whole()), body.Size, sums.Base64MD5(), sums.HexSHA256(), o)
		return err
	})
}

// putParts writes an object in parts. If it cannot complete the upload, it aborts
// it: providers charge for the parts of incomplete uploads.
func (b *Bucket) putParts(ctx context.Context, key string, body storage.Body, o minio.PutObjectOptions) (err error) {
	var upload string
	err = b.do(ctx, "put", key, func(api minio.Core) (err error) {
		upload, err = api.NewMultipartUpload(ctx, b.config.Bucket, key, o)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = b.do(ctx, "put", key, func(api minio.Core) error {
				return api.AbortMultipartUpload(ctx, b.config.Bucket, key, upload)
			})
		}
	}()
	var done []minio.CompletePart
	for _, p := range storage.Split(body.Size) {
		sums, err := body.Sum(ctx, p)
		if err != nil {
			return err
		}
		var part minio.ObjectPart
		err = b.do(ctx, "put", key, func(api minio.Core) (err error) {
			part, err = api.PutObjectPart(ctx, b.config.Bucket, key, upload, p.Number, body.Open(p), p.Size, minio.PutObjectPartOptions{
				Md5Base64: sums.Base64MD5(), Sha256Hex: sums.HexSHA256(), DisableContentSha256: true,
			})
			return err
		})
		if err != nil {
			return err
		}
		done = append(done, minio.CompletePart{PartNumber: p.Number, ETag: part.ETag})
	}
	return storage.Completed(ctx, b, key, body, b.do(ctx, "put", key, func(api minio.Core) error {
		_, err := api.CompleteMultipartUpload(ctx, b.config.Bucket, key, upload, done, minio.PutObjectOptions{})
		return err
	}))
}
