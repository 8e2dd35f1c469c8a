package video

import (
	"errors"
	"fmt"
	"os"
)

// Index reads the index of an MP4: the body of its moov box, and at which byte
// of the file it begins. It returns a *[VerifyError] for what is no MP4, or has
// an index of more than 64 MB.
func ReadMoov(f *os.File) (moov []byte, at int64, err error) {
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("read the index: %w", err)
	}
	errFound := errors.New("found")
	b := boxReader{file: f}
	err = b.each(span{0, st.Size()}, func(kind string, body span) error {
		if kind != "moov" {
			return nil
		}
		if body.size() > maxMoov {
			return fmt.Errorf("%w: an index of %d bytes", errNotMP4, body.size())
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
		return nil, 0, verifyErrorf("%v: there is no index", errNotMP4)
	}
	return nil, 0, asVerifyError(err)
}
