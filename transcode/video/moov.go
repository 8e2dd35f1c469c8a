package video

import (
	"errors"
	"fmt"
	"os"
)

// ReadMoov reads the moov box of an MP4. It returns the body and its offset in the
// file. The error is a *[VerifyError] for a file that is not an MP4, or whose moov
// box exceeds 64 MB.
func ReadMoov(f *os.File) (moov []byte, at int64, err error) {
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read the moov box: %w", err)
	}
	errFound := errors.New("found")
	b := boxReader{file: f}
	err = b.each(span{0, st.Size()}, func(kind string, body span) error {
		if kind != "moov" {
			return nil
		}
		if body.size() > maxMoov {
			return fmt.Errorf("%w: the moov box is too large: %d bytes", errNotMP4, body.size())
		}
		at, moov = body.at, make([]byte, body.size())
		if _, err := f.ReadAt(moov, at); err != nil {
			return unexpectedEOF(err)
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return moov, at, nil
	case err == nil:
		return nil, 0, verifyErrorf("%v: there is no moov box", errNotMP4)
	}
	return nil, 0, asVerifyError(err)
}
