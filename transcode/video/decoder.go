package video

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// decoder is an ffmpeg that decodes a whole file, and the comparison of its output
// with samples.
type decoder struct {
	tool       *Tool
	ctx        context.Context //nolint:containedctx // of the child
	child      *child
	output     *io.PipeWriter // from the child to the comparison
	comparison chan *VerifyError
	waited     bool
}

// startDecoder starts to decode an input, given as options of ffmpeg, which may be
// stdin. The caller must call wait or abort.
func (t *Tool) startDecoder(ctx context.Context, input []string, stdin *os.File, sound bool, samples []FrameSample) (*decoder, error) {
	r, w := io.Pipe()
	d := &decoder{tool: t, ctx: ctx, output: w, comparison: make(chan *VerifyError, 1)}
	go func() {
		mismatch := compareFrames(r, samples)
		_ = r.CloseWithError(io.ErrClosedPipe) // for a file with more frames than expected
		d.comparison <- mismatch
	}()
	var err error
	if d.child, err = t.start(ctx, StepVerify, 0, stdin, w, t.decodeArgs(input, sound, samples)...); err != nil {
		w.CloseWithError(err)
		<-d.comparison //nolint:errcheck // it has ended; the cause is err
		return nil, err
	}
	return d, nil
}

// wait waits for the decoder and returns what is wrong with its input.
func (d *decoder) wait() error {
	d.waited = true
	stopPacing := d.tool.paceChild(d.child)
	err := d.child.waitWatched(&stallDetector{pid: d.child.cmd.Process.Pid}, cmp.Or(d.tool.stallTimeout, stallTimeout))
	stopPacing()
	d.output.CloseWithError(io.EOF)
	mismatch := <-d.comparison
	stderr := d.child.stderr.String()
	switch {
	case d.ctx.Err() != nil:
		return context.Cause(d.ctx)
	case errors.Is(err, ErrNoFFmpeg), errors.Is(err, errStalled):
		return err
	case mismatch != nil && (!mismatch.frameMissing || err == nil):
		return mismatch
	case err != nil:
		return verifyErrorf("it cannot be decoded: %v", err)
	case stderr != "":
		return verifyErrorf("ffmpeg reports errors while decoding: %s", stderr)
	}
	return nil
}

// abort kills the decoder. After wait it does nothing.
func (d *decoder) abort() {
	if !d.waited {
		d.child.cancel(context.Canceled)
		_ = d.wait()
	}
}

func (t *Tool) decodeArgs(input []string, sound bool, samples []FrameSample) []string {
	// A second thread would save wall time, for more CPU time and memory.
	args := []string{"-xerror", "-err_detect", "+crccheck+bitstream+buffer+explode", "-threads", "1"}
	args = append(args, input...)
	var selected []string
	for _, s := range samples {
		selected = append(selected, "eq(n\\,"+strconv.Itoa(s.Frame)+")")
	}
	if len(selected) == 0 {
		selected = []string{"0"}
	}
	// All frames are decoded in one pass. The selected ones are written: the
	// decoder's luma plane, without conversion.
	args = append(args, "-map", "0:v:0", "-vf", "select="+strings.Join(selected, "+")+",setpts=N/TB,extractplanes=y")
	args = append(args, t.passthrough...)
	args = append(args, "-enc_time_base:v", "1:1000", "-f", "rawvideo", "pipe:1")
	if sound {
		args = append(args, "-map", "0:a", "-f", "null", "-")
	}
	return args
}

// pipedDecoder is a decoder that is started before the pictures are complete, to be
// ready when they are.
type pipedDecoder struct {
	decoder *decoder
	input   *os.File
}

func (t *Tool) startPipedDecoder(ctx context.Context, samples []FrameSample) (*pipedDecoder, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has its own copy
	d, err := t.startDecoder(ctx, matroskaInput("pipe:0"), r, false, samples)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &pipedDecoder{d, w}, nil
}

// decodeFile decodes the file with the pictures and returns what is wrong with them.
func (p *pipedDecoder) decodeFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		p.abort()
		return fmt.Errorf("video: %w", err)
	}
	defer f.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(p.input, f)
		p.input.Close()
		copied <- err
	}()
	err = p.decoder.wait()
	if copyErr := <-copied; err == nil && copyErr != nil { // the decoder succeeded without reading everything
		return fmt.Errorf("video: %w", copyErr)
	}
	return err
}

// abort kills the decoder. After decodeFile it does nothing.
func (p *pipedDecoder) abort() {
	p.input.Close()
	p.decoder.abort()
}
