package h264

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// NAL unit types (table 7-1).
const (
	nalSlice = 1
	nalIDR   = 5
	nalSEI   = 6
	nalSPS   = 7
	nalPPS   = 8
	nalAUD   = 9
)

// maxNAL is the maximum size of a NAL unit, in bytes.
const maxNAL = 64 << 20

// Split calls do with each NAL unit of a byte stream (Annex B), without its start
// code. The bytes are valid only during the call.
func Split(r io.Reader, do func(nal []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var nal []byte
	zeros, started := 0, false
	emit := func() error {
		if !started || len(nal) == 0 {
			return nil
		}
		return do(nal)
	}
	for {
		c, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return emit()
		case err != nil:
			return err
		case c == 0:
			zeros++
			continue
		case c == 1 && zeros >= 2: // zeros before a start code belong to no NAL unit
			if err := emit(); err != nil {
				return err
			}
			nal, started, zeros = nal[:0], true, 0
			continue
		}
		for ; zeros > 0; zeros-- {
			nal = append(nal, 0)
		}
		if nal = append(nal, c); len(nal) > maxNAL {
			return fmt.Errorf("h264: NAL unit larger than %d bytes", maxNAL)
		}
	}
}

// unescape returns the payload of a NAL unit without emulation prevention bytes.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if out = append(out, c); c == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

// escape appends the payload b to out and inserts emulation prevention bytes.
func escape(out, b []byte) []byte {
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c <= 3 {
			out, zeros = append(out, 3), 0
		}
		if out = append(out, c); c == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}
