package storage

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3's tags are made of
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Publish puts an object and verifies that the storage has it, byte for byte. If an
// earlier attempt has put the object, it only verifies it.
func Publish(ctx context.Context, s Storage, key string, body Body) error {
	o, err := s.Stat(ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || o.Size != body.Size || o.SHA256 != body.SHA256 {
		if err := s.Put(ctx, key, body); err != nil {
			return err
		}
	}
	return Verify(ctx, s, key, body)
}

// Verify checks that the storage has the body under the key. It compares the
// server's tag if that is the digest that S3 documents; otherwise it reads the
// whole object back. If the object differs it returns ErrDamaged, and if it does
// not exist ErrNotFound.
func Verify(ctx context.Context, s Storage, key string, body Body) error {
	o, err := s.Stat(ctx, key)
	if err != nil {
		return err
	}
	damaged := func(format string, args ...any) error {
		return &Error{Op: "verify", Place: s.Place(), Key: key, Kind: ErrDamaged, Err: fmt.Errorf(format, args...)}
	}
	if o.Size != body.Size {
		return damaged("%d bytes instead of %d", o.Size, body.Size)
	}
	if proven, err := tagProves(ctx, o.ETag, body); err != nil || proven {
		return err
	}
	h := sha256.New()
	if _, err := read(ctx, s, key, h, 0); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != body.SHA256 {
		return damaged("read back, its SHA-256 is %s", sum)
	}
	return nil
}

var md5Tag = regexp.MustCompile(`^[0-9a-fA-F]{32}(-\d+)?$`)

// tagProves reports whether an ETag is the MD5 of the body, or of the MD5s of its
// parts. On servers that encrypt, or that make their tags in another way, it is
// neither, and proves nothing.
func tagProves(ctx context.Context, tag string, body Body) (bool, error) {
	if !md5Tag.MatchString(tag) {
		return false, nil
	}
	if len(tag) == 2*md5.Size {
		sums, err := body.Sum(ctx, body.Whole())
		return hex.EncodeToString(sums.MD5) == tag, err
	}
	h := md5.New() //nolint:gosec // see above
	parts := Split(body.Size)
	for _, p := range parts {
		sums, err := body.Sum(ctx, p)
		if err != nil {
			return false, err
		}
		h.Write(sums.MD5)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts)) == tag, nil
}

// read copies an object from offset on to w. If the connection is cut, it continues
// where it was. It returns the number of bytes written.
func read(ctx context.Context, s Storage, key string, w io.Writer, offset int64) (int64, error) {
	start := offset
	err := Retry(ctx, func() error {
		body, err := s.Get(ctx, key, offset)
		if err != nil {
			return err
		}
		defer body.Close()
		sink := &sink{w: w}
		n, err := io.Copy(sink, body)
		offset += n
		if err != nil && sink.err == nil { // an error of the storage, not of the disk
			return &Error{Op: "get", Place: s.Place(), Key: key, Kind: KindOfTransport(err), Err: err}
		}
		return err
	})
	return offset - start, err
}

// sink records the error of a writer.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}
