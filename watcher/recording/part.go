package recording

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording/gunzip"
)

// MaxPlain is the maximum uncompressed size of one part, in bytes: more than any
// session makes, but small enough to stop a decompression bomb.
const MaxPlain = 64 << 30

// ErrTooLarge is returned while reading a part that exceeds [MaxPlain].
var ErrTooLarge = errors.New("the recording is larger than any session makes: a decompression bomb?")

// Part is one stand-alone dump of a recording.
type Part struct {
	Name    string // base name, for people
	Size    int64  // bytes as stored
	ModTime time.Time

	raw func() (io.ReadCloser, error)
}

// Open returns a reader of the part's uncompressed dump. If compressed data is
// truncated or damaged, it delivers what precedes, and then an error that [Damaged]
// recognizes. After [MaxPlain] bytes it returns [ErrTooLarge].
func (p Part) Open() (io.ReadCloser, error) {
	raw, err := p.raw()
	if err != nil {
		return nil, err
	}
	plain, err := decompress(raw)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{plain, raw}, nil
}

// Plain returns the uncompressed size of all parts in bytes. It stops reading at
// limit bytes and then returns limit. Of damaged or truncated parts it counts what
// can be read. It returns only errors of the file system.
func (r *Recording) Plain(limit int64) (n int64, err error) {
	for _, p := range r.Parts {
		in, err := p.Open()
		if Damaged(err) { // not even its header is complete
			continue
		}
		if err != nil {
			return n, err
		}
		more, err := io.Copy(io.Discard, io.LimitReader(in, limit-n))
		in.Close()
		if n += more; n >= limit {
			return limit, nil
		}
		if err != nil && !Damaged(err) {
			return n, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return n, nil
}

// ErrCut means that the end of compressed data is missing. [Damaged] recognizes it.
var ErrCut = gunzip.ErrCut

// ErrTrailing means that other bytes follow complete compressed data. [Damaged]
// recognizes it.
var ErrTrailing = gunzip.ErrTrailing

// Damaged reports whether an error says that a part's compressed data is truncated,
// damaged, or followed by something else; errors of reading are different.
func Damaged(err error) bool { return gunzip.Damaged(err) }

// Compressed reports whether the part is gzip, whose end shows whether it is
// complete.
func (p Part) Compressed() (bool, error) {
	raw, err := p.raw()
	if err != nil {
		return false, err
	}
	defer raw.Close()
	magic := make([]byte, 2)
	if _, err := io.ReadFull(raw, magic); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return magic[0] == 0x1f && magic[1] == 0x8b, nil
}

// Kind returns what the part's content is.
func (p Part) Kind() (Kind, error) {
	kind, _, err := p.look()
	return kind, err
}

func (p Part) look() (Kind, []byte, error) {
	raw, err := p.raw()
	if err != nil {
		return KindUnknown, nil, err
	}
	defer raw.Close()
	return Look(raw)
}

// bounded reads at limit [MaxPlain] bytes.
type bounded struct {
	plain io.Reader
	left  int64
}

func (r *bounded) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, ErrTooLarge
	}
	if int64(len(b)) > r.left {
		b = b[:r.left]
	}
	n, err := r.plain.Read(b)
	r.left -= int64(n)
	return n, err
}
