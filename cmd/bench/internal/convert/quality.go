package convert

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/image/draw"
	"golang.org/x/sync/errgroup"

	"github.com/jumpserver-video/jumpserver-video/transcode/guac"
	"github.com/jumpserver-video/jumpserver-video/transcode/render"
	"github.com/jumpserver-video/jumpserver-video/transcode/video"
	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// quality is the result of comparing the frames of a video with those that were
// drawn.
type quality struct {
	mean, worst  float64 // SSIM of the luma: mean of all frames, and worst frame
	words, found int     // words that OCR reads in lossless frames, and those of them that it also finds in decoded ones
	ghost        int     // the largest difference that ghosts.look found, of 255
}

// OCR of screens is not reliable: invisible noise of three levels changes one word in
// fourteen. Therefore:
//   - OCR gets enlarged frames.
//   - A word is used if OCR reads it in the lossless frame with ocrConfidence, and
//     finds it again in ocrNoises copies of that frame, each with different noise.
//   - Such a word must also be found in the decoded frame, with any confidence.
//   - Lines of text are searched for only once, in the lossless frame. That search is
//     the least reliable step. In a still picture, a line that it misses would be
//     missing in many frames.
//   - A word consists of letters and digits. Otherwise, it would be chance whether a
//     long path is one word or is split at a hyphen.
//   - Case is ignored: in some fonts, l and L differ by one pixel.
const (
	ocrFrames     = 12 // about this many of each video
	ocrNoises     = 3
	ocrScale      = 3
	ocrConfidence = 80 // of 100
	ocrMargin     = 6  // around a line, in pixels of the enlarged frame
)

// quality draws the recording again and compares each frame with the decoded video.
func (m *measurement) quality(ctx context.Context, path string) (quality, error) {
	rec, err := recording.OpenNamed(path)
	if err != nil {
		return quality{}, err
	}
	plan, err := render.Scan(ctx, rec, render.ScanOptions{})
	if err != nil {
		return quality{}, err
	}
	times, err := timesOf(ctx, m.mp4(path))
	if err != nil {
		return quality{}, err
	}
	cmd := exec.CommandContext(ctx, m.tool.Path, "-v", "fatal", "-nostdin", "-threads", "1", "-i", m.mp4(path), "-map", "0:v:0", "-vf", "extractplanes=y",
		"-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return quality{}, err
	}
	if err := cmd.Start(); err != nil {
		return quality{}, err
	}
	c := comparison{measurement: m, ctx: ctx, decoded: out, times: times, every: max(len(times)/ocrFrames, 1), quality: quality{worst: 1}}
	err = plan.Play(ctx, 15, &c)
	_, _ = io.Copy(io.Discard, out)
	if werr := cmd.Wait(); err == nil {
		err = werr
	}
	if err == nil && len(c.times) > 0 {
		err = fmt.Errorf("%d frames follow the %d that were drawn", len(c.times), c.frames)
	}
	c.mean /= float64(max(c.frames, 1))
	return c.quality, err
}

// comparison is the sink of the second drawing. It compares each frame with the
// decoded one.
type comparison struct {
	*measurement
	ctx     context.Context //nolint:containedctx // of tesseract
	decoded io.Reader
	times   []time.Duration // of the decoded frames that have not been read yet
	every   int             // OCR reads one of this many frames
	frames  int
	ghosts  ghosts
	luma    []byte
	got     []byte
	quality
}

func (c *comparison) Audio(guac.AudioChunk) error { return nil }

func (c *comparison) Frame(f guac.Frame) error {
	size := f.Image.Rect.Size()
	if c.got == nil {
		c.got, c.luma = make([]byte, size.X*size.Y), make([]byte, size.X*size.Y)
	}
	for { // skips the pictures that the encoder adds to remove ghosts: they are not drawn
		if len(c.times) == 0 || c.times[0] > f.Time+time.Millisecond {
			return fmt.Errorf("the frame at %s is missing", f.Time)
		}
		if _, err := io.ReadFull(c.decoded, c.got); err != nil {
			return fmt.Errorf("frame %d: %w", c.frames, err)
		}
		at := c.times[0]
		if c.times = c.times[1:]; at > f.Time-time.Millisecond {
			break
		}
	}
	video.Luma(c.luma, f.Image)
	s := ssim(c.luma, c.got, size.X, size.Y)
	c.ghost = max(c.ghost, c.ghosts.look(f, c.luma, c.got))
	c.mean += s
	c.worst = min(c.worst, s)
	if c.ocr && c.frames%c.every == c.every/2 {
		if err := c.read(size); err != nil {
			return err
		}
	}
	c.frames++
	return nil
}

// read counts the words that OCR finds in the lossless frame, and those of them that
// it finds in the decoded one.
func (c *comparison) read(size image.Point) error {
	lines, err := c.lines(size)
	if err != nil {
		return err
	}
	var lossless, decoded map[string]int
	var noisy [ocrNoises]map[string]int
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	group.Go(func() (err error) {
		lossless, err = c.words("lossless", c.luma, size, lines, ocrConfidence)
		return err
	})
	group.Go(func() (err error) {
		decoded, err = c.words("decoded", c.got, size, lines, 0)
		return err
	})
	for i := range noisy {
		group.Go(func() (err error) {
			noise := rand.New(rand.NewPCG(uint64(i), uint64(c.frames)))
			rough := make([]byte, len(c.luma))
			for at, v := range c.luma {
				rough[at] = uint8(min(max(int(v)+noise.IntN(7)-3, 0), 255))
			}
			noisy[i], err = c.words(fmt.Sprint("noise", i), rough, size, lines, 0)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for word, n := range lossless {
		for _, again := range noisy {
			n = min(n, again[word])
		}
		c.quality.words += n
		c.found += min(n, decoded[word])
	}
	return nil
}

// hasTesseract reports whether tesseract is installed.
func hasTesseract() bool {
	_, err := exec.LookPath("tesseract")
	return err == nil
}

// lines returns the zones that tesseract should read, in the format of its .uzn
// files: one for each line of text that it finds in the lossless frame.
func (c *comparison) lines(size image.Point) ([]byte, error) {
	found, err := c.tesseract("lines", c.luma, size, "11")
	if err != nil {
		return nil, err
	}
	var zones []byte
	for _, row := range found {
		if row[0] != "4" {
			continue
		}
		var box [4]int // left, top, width, height
		for i := range box {
			if box[i], err = strconv.Atoi(row[6+i]); err != nil {
				return nil, fmt.Errorf("tesseract: %w", err)
			}
		}
		zone := image.Rect(box[0], box[1], box[0]+box[2], box[1]+box[3]).Inset(-ocrMargin).Intersect(image.Rectangle{Max: size.Mul(ocrScale)})
		zones = fmt.Appendf(zones, "%d %d %d %d Text\n", zone.Min.X, zone.Min.Y, zone.Dx(), zone.Dy())
	}
	return zones, nil
}

// words returns how often tesseract reads each word in the zones, in lower case. It
// ignores words of one or two letters, and those below a confidence.
func (c *comparison) words(name string, luma []byte, size image.Point, zones []byte, confidence float64) (map[string]int, error) {
	found := map[string]int{}
	if len(zones) == 0 {
		return found, nil
	}
	if err := os.WriteFile(filepath.Join(c.work, name+".uzn"), zones, 0o600); err != nil {
		return nil, err
	}
	table, err := c.tesseract(name, luma, size, "4") // the mode in which it uses the zones
	if err != nil {
		return nil, err
	}
	for _, row := range table {
		if row[0] != "5" {
			continue
		}
		sure, err := strconv.ParseFloat(row[10], 64)
		if err != nil || sure < confidence {
			continue
		}
		for _, word := range strings.FieldsFunc(row[11], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(word) > 2 {
				found[strings.ToLower(word)]++
			}
		}
	}
	return found, nil
}

// tesseract enlarges a picture, reads it with a page segmentation mode, and returns
// the rows of tesseract's table. The columns are level, page, block, paragraph, line,
// word, left, top, width, height, confidence and text. Level 4 is a line, 5 a word.
func (c *comparison) tesseract(name string, luma []byte, size image.Point, mode string) ([][]string, error) {
	path := filepath.Join(c.work, name+".png")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	from := &image.Gray{Pix: luma, Stride: size.X, Rect: image.Rectangle{Max: size}}
	large := image.NewGray(image.Rectangle{Max: size.Mul(ocrScale)})
	draw.CatmullRom.Scale(large, large.Rect, from, from.Rect, draw.Src, nil)
	if err := png.Encode(f, large); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(c.ctx, "tesseract", path, "-", "--psm", mode, "tsv")
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tesseract: %w", err)
	}
	var table [][]string
	for line := range strings.Lines(string(out)) {
		if row := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(row) == 12 {
			table = append(table, row)
		}
	}
	return table, nil
}

// ssim returns the mean structural similarity (SSIM) of windows of 8×8 pixels, one at
// every fourth pixel, with the constants of Wang et al. 2004.
func ssim(a, b []byte, width, height int) float64 {
	const c1, c2 = 6.5025 * 64 * 64, 58.5225 * 64 * 63
	// Sums of blocks of 4×4 pixels. Four blocks are a window.
	type sums struct{ a, b, squares, ab int64 }
	columns, rows := width/4, height/4
	block := make([]sums, columns*rows)
	for y := range rows {
		for x := range columns {
			s := &block[y*columns+x]
			for j := range 4 {
				at := (4*y+j)*width + 4*x
				for i := range 4 {
					p, q := int64(a[at+i]), int64(b[at+i])
					s.a += p
					s.b += q
					s.squares += p*p + q*q
					s.ab += p * q
				}
			}
		}
	}
	var total float64
	for y := range rows - 1 {
		for x := range columns - 1 {
			var w sums
			for _, s := range []sums{block[y*columns+x], block[y*columns+x+1], block[(y+1)*columns+x], block[(y+1)*columns+x+1]} {
				w.a, w.b, w.squares, w.ab = w.a+s.a, w.b+s.b, w.squares+s.squares, w.ab+s.ab
			}
			vars := float64(w.squares*64 - w.a*w.a - w.b*w.b)
			covar := float64(w.ab*64 - w.a*w.b)
			total += (2*float64(w.a*w.b) + c1) * (2*covar + c2) / ((float64(w.a*w.a+w.b*w.b) + c1) * (vars + c2))
		}
	}
	return total / float64((rows-1)*(columns-1))
}
