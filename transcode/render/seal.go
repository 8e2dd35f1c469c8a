package render

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/jumpserver-video/jumpserver-video/transcode/seal"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording/regular"
)

// An MP4 is sealed as a whole: the seal covers the SHA-256 of all its bytes, with
// zeros in place of the seal itself. The seal is at the end of the comment, in the
// index of the MP4. So nothing in the MP4 can be changed without breaking the seal:
// no picture, no time, no sound, and nothing about its origin.
const (
	sealField   = "; seal="
	sealDigits  = 2 * seal.Size
	sealPurpose = "mark"
)

// unsealed is the placeholder for the seal.
var unsealed = string(bytes.Repeat([]byte("0"), sealDigits))

// ErrUnsealed is returned by [Sealed] for a video without a valid seal of this key.
var ErrUnsealed = errors.New("the video carries no seal of this agent")

// putSeal seals the MP4 at path, which has a placeholder for the seal.
func putSeal(ctx context.Context, path string, key seal.Key) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, at, err := findSeal(f)
	if err != nil {
		return fmt.Errorf("seal %s: %w", path, err)
	}
	sum, err := sealedSum(ctx, f, at)
	if err != nil {
		return fmt.Errorf("seal %s: %w", path, err)
	}
	if _, err := f.WriteAt([]byte(hex.EncodeToString(key.Seal(sealPurpose, sum))), at); err != nil {
		return fmt.Errorf("seal %s: %w", path, err)
	}
	return f.Sync()
}

// Sealed returns nil if the MP4 at path was sealed with this key and has not been
// changed by a single byte since. Otherwise it returns [ErrUnsealed], or an error
// of reading.
func Sealed(ctx context.Context, path string, key seal.Key) error {
	f, err := regular.Open(path)
	if errors.Is(err, regular.ErrNotRegular) {
		return fmt.Errorf("%w: %w", ErrUnsealed, err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	have, at, err := findSeal(f)
	if err != nil {
		return err
	}
	sum, err := sealedSum(ctx, f, at)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if !key.Holds(have, sealPurpose, sum) {
		return ErrUnsealed
	}
	return nil
}

// findSeal returns the seal of an MP4, and the offset of its digits. The MP4 must
// have exactly one place for a seal.
func findSeal(f *os.File) (have []byte, at int64, err error) {
	moov, start, err := video.ReadMoov(f)
	var bad *video.VerifyError
	if errors.As(err, &bad) {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnsealed, err)
	}
	if err != nil {
		return nil, 0, err
	}
	i := bytes.Index(moov, []byte(sealField))
	digits := i + len(sealField)
	if i < 0 || len(moov) < digits+sealDigits || bytes.LastIndex(moov, []byte(sealField)) != i {
		return nil, 0, ErrUnsealed
	}
	have, err = hex.DecodeString(string(moov[digits : digits+sealDigits]))
	if err != nil {
		return nil, 0, ErrUnsealed
	}
	return have, start + int64(digits), nil
}

// sealedSum returns the SHA-256 of a file with zeros in place of the seal at an
// offset.
func sealedSum(ctx context.Context, f *os.File, at int64) ([]byte, error) {
	h := sha256.New()
	for _, part := range []io.Reader{
		io.NewSectionReader(f, 0, at), bytes.NewReader([]byte(unsealed)), io.NewSectionReader(f, at+sealDigits, 1<<62),
	} {
		if err := copyTo(ctx, h, part); err != nil {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

// copyTo hashes all of r, unless ctx ends first.
func copyTo(ctx context.Context, h hash.Hash, r io.Reader) error {
	_, err := io.Copy(h, &cutReader{ctx: ctx, r: r})
	return err
}
