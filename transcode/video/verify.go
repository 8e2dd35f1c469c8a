package video

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// VerifyError says in what way a video is not what it must be.
type VerifyError struct {
	Problem string

	frameMissing bool // a frame did not come: why, the decoder knows better
}

func (e *VerifyError) Error() string { return "the video is not good: " + e.Problem }

func verifyErrorf(format string, args ...any) error {
	return &VerifyError{Problem: fmt.Sprintf(format, args...)}
}

// minPSNR is the least likeness, in dB, between a frame's brightness and what
// was given to the encoder. Frames at CRF 29 reach 35 to 50; a frame of
// another moment falls far below where the screen has changed, and a black
// one is under 15.
const minPSNR = 26

// Verify holds a file against the report: number of frames, duration, and
// pictures, all of which are decoded without tolerance for errors and some
// compared. Of a file that was encoded now the pictures have been decoded and
// compared while it was joined, and what is shown here is that it holds the
// same ones, byte for byte. It returns
// nil, a *VerifyError, or what kept ffmpeg from working. A report without
// samples is one about a file that was not encoded now.
func (t *Tool) Verify(ctx context.Context, path string, want Report) error {
	info, err := t.Probe(ctx, path)
	if err != nil {
		return err
	}
	slot := max(want.Slot, time.Second/15)
	switch {
	case want.Codec != "" && info.Codec != want.Codec:
		return verifyErrorf("codec %s instead of %s", info.Codec, want.Codec)
	case info.Codec == "h264" && info.Profile != "High":
		return verifyErrorf("profile %s instead of High", info.Profile)
	case info.Codec != "h264" && info.Codec != "hevc" && info.Codec != "av1":
		return verifyErrorf("codec %s", info.Codec)
	case want.Width > 0 && (info.Width != want.Width || info.Height != want.Height):
		return verifyErrorf("%d×%d pixels instead of %d×%d", info.Width, info.Height, want.Width, want.Height)
	case info.Frames != want.Frames:
		return verifyErrorf("%d frames instead of %d", info.Frames, want.Frames)
	case (info.Duration - want.Duration).Abs() > slot+time.Millisecond:
		return verifyErrorf("it lasts %s instead of %s", info.Duration, want.Duration)
	case want.Audio != info.Audio && len(want.Samples) > 0:
		return verifyErrorf("sound: %v instead of %v", info.Audio, want.Audio)
	case !info.FastStart:
		return verifyErrorf("its index is not in front")
	}
	if want.digest == nil {
		return t.decode(ctx, path, info, want.Samples)
	}
	have, err := digestOfFile(path)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(have, want.digest):
		return verifyErrorf("its pictures are not those that were decoded")
	}
	return want.decodeErr
}

// Decodes returns nil if all of a video can be decoded, whatever made it: a
// *VerifyError, or what kept ffmpeg from working, if not.
func (t *Tool) DecodeAll(ctx context.Context, path string, info Info) error {
	return t.decode(ctx, path, info, nil)
}

// decode decodes everything and compares the samples on the way.
func (t *Tool) decode(ctx context.Context, path string, info Info, samples []FrameSample) error {
	d, err := t.WithCPULimit(decodeCPULimit(info)).startDecoder(ctx, "file:"+path, nil, info.Audio, samples)
	if err != nil {
		return err
	}
	return d.wait()
}

// decodingTime is what decoding an MP4 takes of the processor at most, several
// times as much as on a slow machine. The file may be anybody's.
func decodeCPULimit(info Info) time.Duration {
	pixels := float64(info.Frames) * float64(info.Width) * float64(info.Height)
	return time.Minute + info.Duration/20 + time.Duration(min(pixels*50, float64(maxDuration)))
}

// compare reads the chosen frames' brightness and holds it against samples.
func compareFrames(r io.Reader, samples []FrameSample) *VerifyError {
	var got, rows []byte
	for _, s := range samples {
		got = slices.Grow(got[:0], s.Width*s.Height)[:s.Width*s.Height]
		if _, err := io.ReadFull(r, got); err != nil {
			return &VerifyError{Problem: fmt.Sprintf("frame %d (%s) is missing", s.Frame, s.At), frameMissing: true}
		}
		rows = everyFourthRow(rows[:0], got, s.Width)
		if db := psnr(rows, s.Rows); db < minPSNR {
			return &VerifyError{Problem: fmt.Sprintf("frame %d (%s) shows something else than was drawn (%.1f dB)", s.Frame, s.At, db)}
		}
	}
	if n, _ := io.Copy(io.Discard, r); n > 0 {
		return &VerifyError{Problem: fmt.Sprintf("%d bytes more than the sampled frames", n)}
	}
	return nil
}

// psnr is the likeness of two pictures in dB; +Inf when they are equal.
func psnr(a, b []byte) float64 {
	var sum uint64
	for i := range min(len(a), len(b)) {
		d := int64(a[i]) - int64(b[i])
		sum += uint64(d * d)
	}
	if sum == 0 {
		return math.Inf(1)
	}
	mse := float64(sum) / float64(len(a))
	return 10 * math.Log10(255*255/mse)
}
