package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// Content returns the hash that identifies a recording's content, as in
// [Plan.Source], whatever the content is. If compressed data is truncated, the hash
// is marked, so that it never equals that of a complete recording.
func Content(ctx context.Context, rec *recording.Recording) (string, error) {
	whole, cut := sha256.New(), ""
	for _, part := range rec.Parts {
		sum, isCut, err := contentOf(ctx, part, 1<<62)
		if err != nil {
			return "", fmt.Errorf("%s: %w", part.Name, err)
		}
		if isCut {
			cut = "cut:"
		}
		whole.Write(sum)
	}
	return cut + hexSum(whole), nil
}

// contentOf returns the SHA-256 of the first limit uncompressed bytes of a part,
// and whether its compressed data ends before them.
func contentOf(ctx context.Context, part recording.Part, limit int64) (sum []byte, cut bool, err error) {
	r, err := part.Open()
	if recording.Damaged(err) { // not even its header is complete
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer r.Close()
	h := sha256.New()
	reader := &cutReader{ctx: ctx, r: r}
	if _, err := io.Copy(h, io.LimitReader(reader, limit)); err != nil {
		return nil, false, err
	}
	return h.Sum(nil), reader.damage != nil && !errors.Is(reader.damage, recording.ErrTrailing), nil
}

// BeginsWith reports whether the plan's recording begins with the content from
// which a video with this mark was made.
func (p *Plan) BeginsWith(ctx context.Context, m Mark) (bool, error) {
	n := m.Parts
	if n < 1 || n > len(p.Parts) || m.Tail > p.Parts[n-1].Bytes {
		return false, nil
	}
	whole := sha256.New()
	for _, s := range p.Parts[:n-1] {
		whole.Write(s.SHA256[:])
	}
	tail, cut, err := contentOf(ctx, p.Recording.Parts[n-1], m.Tail)
	if err != nil || cut {
		return false, err
	}
	whole.Write(tail)
	return hexSum(whole) == m.Source, nil
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
