package coretest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// SlowWrite writes as core writes small uploads, and as downloads from some
// storages arrive: the final name comes first, empty, and fills up chunk by
// chunk with a pause after each. It fails if the file exists. When the context
// ends, what is written stays, as after a crash.
func SlowWrite(ctx context.Context, path string, r io.Reader, chunk int, pause time.Duration) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		n, err := io.CopyN(f, r, int64(max(1, chunk)))
		switch {
		case errors.Is(err, io.EOF):
			return f.Close()
		case err != nil:
			return err
		}
		if n > 0 && !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// SlowDownload writes under a temporary name, see [PartTemp] and [BotoTemp],
// and renames it to the final one when complete.
func SlowDownload(ctx context.Context, path, temp string, r io.Reader, chunk int, pause time.Duration) error {
	if err := SlowWrite(ctx, temp, r, chunk, pause); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// PartTemp is what core calls a part while it downloads it (from v4.3 on).
func PartTemp(path string, now time.Time) string {
	return path + ".tmp" + strconv.FormatInt(now.Unix(), 10)
}

// BotoTemp is what the S3 library calls a file while it downloads it.
func BotoTemp(path string) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return path + "." + hex.EncodeToString(b[:])
}
