package storage

import (
	"context"
	"crypto/md5" //nolint:gosec // what the protocols check transfers with
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"

	"github.com/jumpserver-video/jumpserver-video/coreapi/ctxio"
)

// Sizes of multipart uploads, in bytes. Core's own clients send parts of 64 MiB;
// with smaller parts, less is sent again after a cut connection.
const (
	OnePart  = 64 << 20 // objects up to this size are sent in one request
	partSize = 16 << 20
	maxParts = 9_000 // the protocols allow 10,000
)

// Part is a piece of a body.
type Part struct {
	Number       int // from 1
	Offset, Size int64
}

// Split returns the parts of a body for a multipart upload.
func Split(size int64) []Part {
	each := int64(partSize)
	for size > each*maxParts {
		each *= 2
	}
	var parts []Part
	for at := int64(0); at < size; at += each {
		parts = append(parts, Part{Number: len(parts) + 1, Offset: at, Size: min(each, size-at)})
	}
	return parts
}

// Whole returns the whole body as one part.
func (b Body) Whole() Part { return Part{Number: 1, Size: b.Size} }

// Open returns a reader of a part.
func (b Body) Open(p Part) *io.SectionReader { return io.NewSectionReader(b, p.Offset, p.Size) }

// Sums are the digests of a part.
type Sums struct {
	MD5    []byte
	SHA256 []byte
}

// Base64MD5 returns the MD5 in the form of Content-MD5.
func (s Sums) Base64MD5() string { return base64.StdEncoding.EncodeToString(s.MD5) }

// HexSHA256 returns the SHA-256 in the form of x-amz-content-sha256.
func (s Sums) HexSHA256() string { return hex.EncodeToString(s.SHA256) }

// Sum reads a part and returns its digests.
func (b Body) Sum(ctx context.Context, p Part) (Sums, error) {
	m, s := md5.New(), sha256.New() //nolint:gosec // see above
	if _, err := io.Copy(io.MultiWriter(m, s), ctxio.NewReader(ctx, b.Open(p))); err != nil {
		return Sums{}, err
	}
	return Sums{MD5: m.Sum(nil), SHA256: s.Sum(nil)}, nil
}
