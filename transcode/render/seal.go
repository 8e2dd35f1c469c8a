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

// An MP4 is sealed as a whole: the seal is that of the SHA-256 of all its
// bytes, in which the seal itself reads as zeros. It stands at the end of the
// comment, in the index of the MP4. So nothing of it can be changed without
// breaking the seal: no picture, no time, no sound, and nothing that it says
// of its origin.
const (
	sealField   = "; seal="
	sealDigits  = 2 * seal.Size
	sealPurpose = "mark"
)

// unsealed is in place of a seal that is still to come.
var unsealed = string(bytes.Repeat([]byte("0"), sealDigits))

// ErrUnsealed is returned by [Sealed] for a video that this key has not sealed.
var ErrUnsealed = errors.New("the video carries no seal of this agent")

// putSeal seals the MP4 at path, which has room for it.
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

// Sealed reports whether the MP4 at path was sealed with this key, and has not
// been changed by a single byte since. It returns [ErrUnsealed] if not, and
// what kept it from reading.
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

// findSeal returns the seal of an MP4, and at which byte of it the digits
// begin. There must be one place for it only.
func findSeal(f *os.File) (have []byte, at int64, err error) {
	moov, start, err := video.Index(f)
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

// sealedSum returns the SHA-256 of a file in which the seal at a place reads as
// zeros.
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
