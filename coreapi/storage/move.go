package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// MoveByCopy is the Move of protocols that have none: copy makes the copy,
// of the object that it is given.
func MoveByCopy(ctx context.Context, s Storage, from, to string, copy func(Object) error) error {
	original, err := s.Stat(ctx, from)
	if errors.Is(err, ErrNotFound) {
		if _, err := s.Stat(ctx, to); err == nil {
			return nil // moved before
		}
		return err
	}
	if err != nil {
		return err
	}
	same := func() (bool, error) {
		o, err := s.Stat(ctx, to)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		return err == nil && o.Size == original.Size && o.SHA256 == original.SHA256, err
	}
	done, err := same()
	if err != nil {
		return err
	}
	if !done {
		if err := copy(original); err != nil {
			return err
		}
		if done, err = same(); err != nil {
			return err
		}
		if !done {
			return &Error{Op: "move", Place: s.Place(), Key: from, Kind: ErrDamaged, Err: fmt.Errorf("%s is no copy of it; the object stays", to)}
		}
	}
	return s.Delete(ctx, from)
}

// Completed judges the last request of a multipart upload, given its error.
// When its answer was lost, a second one finds no such upload any more: then
// the object itself tells.
func Completed(ctx context.Context, s Storage, key string, body Body, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if o, statErr := s.Stat(ctx, key); statErr == nil && o.Size == body.Size && o.SHA256 == body.SHA256 {
		return nil
	}
	return err
}

// ContentType is the media type of a replay's name.
func ContentType(key string) string {
	switch {
	case strings.HasSuffix(key, ".mp4"):
		return "video/mp4"
	case strings.HasSuffix(key, ".json"):
		return "application/json"
	default:
		return "application/octet-stream"
	}
}
