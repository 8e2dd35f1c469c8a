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

// VerifyError says what is wrong with a video.
type VerifyError struct {
	Problem string

	frameMissing bool // a frame is missing; the decoder's error says why
}

func (e *VerifyError) Error() string { return "the video is invalid: " + e.Problem }

func verifyErrorf(format string, args ...any) error {
	return &VerifyError{Problem: fmt.Sprintf(format, args...)}
}

// minPSNR is the minimum PSNR, in dB, between the luma of a decoded frame and its
// sample. Frames at CRF 29 have 35 to 50. A frame of another time has far less if the
// screen has changed. A black frame has less than 15.
const minPSNR = 26

// Verify compares a file with the report: number of frames, duration and pictures.
// All pictures must decode without errors, and some are compared with samples. For a
// file that was just encoded, that was done while it was muxed. Verify then checks
// that the file contains the same pictures, byte for byte.
//
// The error is a *VerifyError, or says why ffmpeg failed. A report without samples is
// for a file that was encoded earlier.
func (t *Tool) Verify(ctx context.Context, path string, want Report) error {
	info, err := t.Probe(ctx, path)
	if err != nil {
		return err
	}
	slot := max(want.Slot, time.Second/15)
	switch {
	case want.Codec != "" && info.Codec != want.Codec:
		return verifyErrorf("codec %s, want %s", info.Codec, want.Codec)
	case info.Codec == "h264" && info.Profile != "High":
		return verifyErrorf("profile %s, want High", info.Profile)
	case info.Codec != "h264" && info.Codec != "hevc" && info.Codec != "av1":
		return verifyErrorf("unsupported codec %s", info.Codec)
	case want.Width > 0 && (info.Width != want.Width || info.Height != want.Height):
		return verifyErrorf("%d×%d pixels, want %d×%d", info.Width, info.Height, want.Width, want.Height)
	case info.Frames != want.Frames:
		return verifyErrorf("%d frames, want %d", info.Frames, want.Frames)
	case (info.Duration - want.Duration).Abs() > slot+time.Millisecond:
		return verifyErrorf("duration %s, want %s", info.Duration, want.Duration)
	case want.Audio != info.Audio && len(want.Samples) > 0:
		return verifyErrorf("sound track: %v, want %v", info.Audio, want.Audio)
	case !info.FastStart:
		return verifyErrorf("the moov box is not at the start")
	}
	if want.digest == nil {
		return t.decode(ctx, path, info, want.Samples)
	}
	have, err := digestOfFile(path)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(have, want.digest):
		return verifyErrorf("its pictures differ from those that were decoded")
	}
	return want.decodeErr
}

// DecodeAll decodes the whole video, whatever program made it. The error is a
// *VerifyError if that fails, or says why ffmpeg failed.
func (t *Tool) DecodeAll(ctx context.Context, path string, info Info) error {
	return t.decode(ctx, path, info, nil)
}

// decode decodes the whole video and compares the samples.
func (t *Tool) decode(ctx context.Context, path string, info Info, samples []FrameSample) error {
	d, err := t.WithCPULimit(decodeCPULimit(info)).startDecoder(ctx, []string{"-i", "file:" + path}, nil, info.Audio, samples)
	if err != nil {
		return err
	}
	return d.wait()
}

// decodeCPULimit returns the CPU limit for decoding an MP4: several times what a slow
// machine needs. The file is untrusted.
func decodeCPULimit(info Info) time.Duration {
	pixels := float64(info.Frames) * float64(info.Width) * float64(info.Height)
	return time.Minute + info.Duration/20 + time.Duration(min(pixels*50, float64(maxDuration)))
}

// compareFrames reads the luma of the sampled frames and compares it with the
// samples.
func compareFrames(r io.Reader, samples []FrameSample) *VerifyError {
	var got, rows []byte
	for _, s := range samples {
		got = slices.Grow(got[:0], s.Width*s.Height)[:s.Width*s.Height]
		if _, err := io.ReadFull(r, got); err != nil {
			return &VerifyError{Problem: fmt.Sprintf("frame %d (%s) is missing", s.Frame, s.At), frameMissing: true}
		}
		rows = everyFourthRow(rows[:0], got, s.Width)
		if db := psnr(rows, s.Rows); db < minPSNR {
			return &VerifyError{Problem: fmt.Sprintf("frame %d (%s) differs from the rendered one (PSNR %.1f dB)", s.Frame, s.At, db)}
		}
	}
	if n, _ := io.Copy(io.Discard, r); n > 0 {
		return &VerifyError{Problem: fmt.Sprintf("%d bytes after the sampled frames", n)}
	}
	return nil
}

// psnr returns the PSNR of two pictures in dB; +Inf if they are equal.
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
