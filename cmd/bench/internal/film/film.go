// Package film writes recordings of films. No other recordings are as expensive to
// convert.
package film

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/jumpserver-video/jumpserver-video/transcode/video"
)

// film describes the recording of a film that fills a 1080p screen. Each picture is
// a WebP, as guacd sends it.
type film struct {
	path    string  // the .replay.gz to write
	from    string  // the video to show, repeated as often as necessary; "" = a computed film
	seconds int     // length of the film
	rate    float64 // pictures per second
	quality int     // of the WebPs, 0 to 100
	grain   int     // strength of the noise that is added, 0 to 100
}

// Command returns the command `bench film`.
func Command() *cobra.Command {
	var m film
	cmd := &cobra.Command{
		Use:   "film FILE",
		Short: "Write a recording of a film for bench convert",
		Long: `Write a recording (FILE, a .replay.gz) of a film that fills a 1080p screen. Each
picture is a WebP that changes the whole screen. This command measures nothing;
bench convert measures the recording.`,
		Example: `  go run ./cmd/bench film film.replay.gz
  go run ./cmd/bench film --from trailer.mp4 --rate 7.5 --quality 89 --grain 3 film.replay.gz`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m.path = args[0]
			tool, err := video.Find(c.Context(), "")
			if err != nil {
				return err
			}
			return m.write(c.Context(), tool.Path)
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.from, "from", "", "the video to show, repeated if it is too short (default: a computed film)")
	f.IntVar(&m.seconds, "seconds", 121, "length of the film in seconds")
	f.Float64Var(&m.rate, "rate", 25, "pictures per second")
	f.IntVar(&m.quality, "quality", 45, "quality of the WebP pictures, 0 to 100")
	f.IntVar(&m.grain, "grain", 0, "strength of the noise that is added to the film, 0 to 100")
	return cmd
}

// write writes the recording. The default, a computed film with 25 pictures per
// second, is the worst case. Two minutes of it take 160 MB, and 60 MB as a video
// with x264's defaults.
func (m film) write(ctx context.Context, ffmpeg string) error {
	input := []string{"-f", "lavfi", "-i", "mandelbrot=s=240x135:end_scale=0.0001:end_pts=3000:maxiter=1000"}
	if m.from != "" {
		input = []string{"-stream_loop", "-1", "-i", m.from}
	}
	rate := strconv.FormatFloat(m.rate, 'f', -1, 64)
	cmd := exec.CommandContext(ctx, ffmpeg, append(append([]string{"-v", "error", "-nostdin"}, input...),
		"-t", strconv.Itoa(m.seconds), "-r", rate, "-vf", fmt.Sprintf("scale=1920:1080,noise=alls=%d:allf=t", m.grain), "-c:v", "libwebp",
		"-quality", strconv.Itoa(m.quality), "-compression_level", "1", "-f", "image2pipe", "pipe:1")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	f, err := os.Create(m.path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(z)
	instruction(w, "size", "0", "1920", "1080")
	instruction(w, "sync", "1000000")
	if err := m.pictures(w, bufio.NewReader(out)); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// pictures writes an image stream and a sync for each WebP file in r. The files
// follow one another without gaps.
func (m film) pictures(w *bufio.Writer, r io.Reader) error {
	for n := 0; ; n++ {
		head := make([]byte, 8)
		if _, err := io.ReadFull(r, head); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		size += size & 1
		data := make([]byte, 8+size)
		copy(data, head)
		if _, err := io.ReadFull(r, data[8:]); err != nil {
			return err
		}
		instruction(w, "img", "1", "14", "0", "image/webp", "0", "0")
		for len(data) > 0 {
			blob := data[:min(len(data), 6048)]
			instruction(w, "blob", "1", base64.StdEncoding.EncodeToString(blob))
			data = data[len(blob):]
		}
		instruction(w, "end", "1")
		instruction(w, "sync", strconv.Itoa(1_000_000+int(float64(n+1)*1000/m.rate)))
	}
}

// instruction writes an instruction of the Guacamole protocol. The elements must be
// ASCII: their lengths are counted in bytes.
func instruction(w *bufio.Writer, elements ...string) {
	for i, e := range elements {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		fmt.Fprintf(w, "%d.%s", len(e), e)
	}
	_ = w.WriteByte(';')
}
