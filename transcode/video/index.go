package video

import (
	"errors"
	"fmt"
	"io"
)

// Index reads the index of an MP4: the body of its moov box, and at which byte
// of the file it begins. It returns a *[VerifyError] for what is no MP4.
func Index(f io.ReadSeeker) (moov []byte, at int64, err error) {
	moov, err = index(f)
	if errors.Is(err, errNotMP4) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, bad("%v", err)
	}
	if err != nil {
		return nil, 0, err
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0, fmt.Errorf("read the index: %w", err)
	}
	return moov, end - int64(len(moov)), nil
}
