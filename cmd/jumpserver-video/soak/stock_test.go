package soak

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
)

// source is a real recording from which pieces are cut.
type source struct {
	data []byte
	ends []int   // end of each sync
	at   []int64 // its time, in ms
}

// sources returns the bundled recordings that begin with little data.
func sources(t *testing.T) (all []source) {
	t.Helper()
	for _, name := range []string{"tiny/v3", "tiny_jpeg/v3", "resize/v3", "vnc_resize/v4", "static_main/v4", "tiny_main/v4", "guacd_rec/v3", "audio/v3"} {
		found, err := filepath.Glob("../../../testdata/recordings/" + name + "/*/*.gz")
		more, err2 := filepath.Glob("../../../testdata/recordings/" + name + "/*/*/*.gz")
		if found = append(found, more...); err != nil || err2 != nil || len(found) != 1 {
			t.Fatal(name, found, err, err2)
		}
		s, err := readSource(found[0])
		if err != nil {
			t.Fatal(name, err)
		}
		all = append(all, s)
	}
	return all
}

func readSource(path string) (s source, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return s, err
	}
	if s.data, err = io.ReadAll(z); err != nil {
		return s, err
	}
	for p := guac.NewParser(bytes.NewReader(s.data)); ; {
		in, err := p.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if string(in.Opcode) == "sync" {
			at, err := strconv.ParseInt(string(in.Args[0]), 10, 64)
			if err != nil {
				return s, err
			}
			s.ends, s.at = append(s.ends, int(p.Offset())), append(s.at, at)
		}
	}
}

// piece returns the dump up to a sync, extended by some milliseconds.
func (s source) piece(syncs int, hold int64) []byte {
	n := min(syncs, len(s.ends)) - 1
	return append(s.data[:s.ends[n]:s.ends[n]], syncAt(s.at[n]+hold)...)
}

// length returns the duration of a piece.
func (s source) length(syncs int) int64 { return s.at[min(syncs, len(s.at))-1] - s.at[0] }

func syncAt(at int64) []byte {
	text := strconv.FormatInt(at, 10)
	return fmt.Appendf(nil, "4.sync,%d.%s;", len(text), text)
}

var syncs = regexp.MustCompile(`4\.sync,\d+\.(\d+)`)

// shift changes all times of a dump.
func shift(dump []byte, by int64) []byte {
	return syncs.ReplaceAllFunc(dump, func(m []byte) []byte {
		at, _ := strconv.ParseInt(string(m[bytes.LastIndexByte(m, '.')+1:]), 10, 64)
		return bytes.TrimSuffix(syncAt(at+by), []byte(";"))
	})
}

func gz(data []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = z.Write(data) // to memory
	_ = z.Close()
	return b.Bytes()
}

// mark returns the mark of a recording in its MP4: the digest of the digests of its parts'
// content.
func mark(dumps ...[]byte) string {
	h := sha256.New()
	for _, d := range dumps {
		sum := sha256.Sum256(d)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
