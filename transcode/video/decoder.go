package video

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// decoder is an ffmpeg that decodes everything, and the comparison of what
// comes out with samples.
type decoder struct {
	tool     *Tool
	ctx      context.Context //nolint:containedctx // of the child
	child    *child
	pictures *io.PipeWriter // from the child to the comparison
	compared chan *VerifyError
	ended    bool
}

// decoder starts to decode an input of ffmpeg's, which stdin may be. Whoever
// calls it must call wait or abort.
func (t *Tool) decoder(ctx context.Context, input string, stdin *os.File, sound bool, samples []Sample) (*decoder, error) {
	r, w := io.Pipe()
	d := &decoder{tool: t, ctx: ctx, pictures: w, compared: make(chan *VerifyError, 1)}
	go func() {
		found := compare(r, samples)
		_ = r.CloseWithError(io.ErrClosedPipe) // a file that gives more than asked for
		d.compared <- found
	}()
	var err error
	if d.child, err = t.start(ctx, StepVerify, 0, stdin, w, t.decodeArguments(input, sound, samples)...); err != nil {
		w.CloseWithError(err)
		<-d.compared //nolint:errcheck // it has ended, too; why is known
		return nil, err
	}
	return d, nil
}

// wait ends with the decoder and answers what is wrong with its input.
func (d *decoder) wait() error {
	d.ended = true
	unpace := d.tool.halt(d.child)
	err := d.child.finish(&pulse{pid: d.child.cmd.Process.Pid}, cmp.Or(d.tool.patience, patience))
	unpace()
	d.pictures.CloseWithError(io.EOF)
	likeness := <-d.compared
	words := d.child.words.String()
	switch {
	case d.ctx.Err() != nil:
		return context.Cause(d.ctx)
	case errors.Is(err, ErrNoFFmpeg), errors.Is(err, errStalled):
		return err
	case likeness != nil && (!likeness.missing || err == nil):
		return likeness
	case err != nil:
		return bad("it does not decode: %v", err)
	case words != "":
		return bad("it decodes with complaints: %s", words)
	}
	return nil
}

// abort kills the decoder. After wait it does nothing.
func (d *decoder) abort() {
	if !d.ended {
		d.child.stop(context.Canceled)
		_ = d.wait()
	}
}

func (t *Tool) decodeArguments(input string, sound bool, samples []Sample) []string {
	threads := min(2, runtime.GOMAXPROCS(0))
	if len(samples) > 0 && samples[0].Width*samples[0].Height > largePixels {
		threads = 1 // each has a picture of its own
	}
	args := []string{"-xerror", "-err_detect", "+crccheck+bitstream+buffer+explode", "-threads", strconv.Itoa(threads), "-i", input}
	var chosen []string
	for _, s := range samples {
		chosen = append(chosen, "eq(n\\,"+strconv.Itoa(s.Frame)+")")
	}
	if len(chosen) == 0 {
		chosen = []string{"0"}
	}
	// One pass: every frame is decoded, the chosen ones come out, as the
	// decoder's own brightness without conversion.
	args = append(args, "-map", "0:v:0", "-vf", "select="+strings.Join(chosen, "+")+",setpts=N/TB,extractplanes=y")
	args = append(args, t.passthrough...)
	args = append(args, "-enc_time_base:v", "1:1000", "-f", "rawvideo", "pipe:1")
	if sound {
		args = append(args, "-map", "0:a", "-f", "null", "-")
	}
	return args
}

// witness is a decoder that is started before the pictures are complete, so
// that it is ready when they are.
type witness struct {
	decoder *decoder
	input   *os.File
}

func (t *Tool) witness(ctx context.Context, samples []Sample) (*witness, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("video: %w", err)
	}
	defer r.Close() // ffmpeg has it
	d, err := t.decoder(ctx, "pipe:0", r, false, samples)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &witness{d, w}, nil
}

// see gives it the file with the pictures and answers what is wrong with them.
func (w *witness) see(path string) error {
	f, err := os.Open(path)
	if err != nil {
		w.abort()
		return fmt.Errorf("video: %w", err)
	}
	defer f.Close()
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(w.input, f)
		w.input.Close()
		read <- err
	}()
	err = w.decoder.wait()
	if cut := <-read; err == nil && cut != nil { // it ended well without having seen all
		return fmt.Errorf("video: %w", cut)
	}
	return err
}

// abort ends it; after see it does nothing.
func (w *witness) abort() {
	w.input.Close()
	w.decoder.abort()
}
