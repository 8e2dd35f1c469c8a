package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// MoveByCopy implements Move for protocols that have no such call: copyObject copies the
// object that it is given.
func MoveByCopy(ctx context.Context, s Storage, from, to string, copyObject func(Object) error) error {
	original, err := s.Stat(ctx, from)
	if errors.Is(err, ErrNotFound) {
		if _, err := s.Stat(ctx, to); err == nil {
			return nil // an earlier call moved it
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
		if err := copyObject(original); err != nil {
			return err
		}
		if done, err = same(); err != nil {
			return err
		}
		if !done {
			return &Error{Op: "move", Place: s.Place(), Key: from, Kind: ErrDamaged, Err: fmt.Errorf("%s is not a copy of it; the object was not deleted", to)}
		}
	}
	return s.Delete(ctx, from)
}

// Completed returns the result of the last request of a multipart upload that
// failed with err. If its response was lost, a retry no longer finds the upload;
// then the object itself shows whether it succeeded.
func Completed(ctx context.Context, s Storage, key string, body Body, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	if o, statErr := s.Stat(ctx, key); statErr == nil && o.Size == body.Size && o.SHA256 == body.SHA256 {
		return nil
	}
	return err
}

// ContentType returns the media type of a replay by its key.
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
