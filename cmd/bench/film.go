package main

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
)

const (
	filmRate    = 25
	filmQuality = 45 // of WebP
)

// film writes a recording of the worst case: a film of that many seconds that
// fills a 1080p screen, as guacd sends it, one WebP for each picture. It is of
// the video in the file from, again and again, or computed. That one is
// somewhat more detailed than a film watched in a session: two minutes are a
// recording of 160 MB, and 60 MB of video with x264's defaults.
func (b *bench) film(ctx context.Context, path, from string, seconds int) error {
	input := []string{"-f", "lavfi", "-i", "mandelbrot=s=240x135:end_scale=0.0001:end_pts=3000:maxiter=1000"}
	if from != "" {
		input = []string{"-stream_loop", "-1", "-i", from}
	}
	cmd := exec.CommandContext(ctx, b.tool.Path, append(append([]string{"-v", "error", "-nostdin"}, input...),
		"-t", strconv.Itoa(seconds), "-r", strconv.Itoa(filmRate), "-vf", "scale=1920:1080", "-c:v", "libwebp",
		"-quality", strconv.Itoa(filmQuality), "-compression_level", "1", "-f", "image2pipe", "pipe:1")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	f, err := os.Create(path)
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
	if err := pictures(w, bufio.NewReader(out)); err != nil {
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

// pictures makes image streams of the WebP files that follow one another in r.
func pictures(w *bufio.Writer, r io.Reader) error {
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
		instruction(w, "sync", strconv.Itoa(1000000+(n+1)*1000/filmRate))
	}
}

func instruction(w *bufio.Writer, elements ...string) {
	for i, e := range elements {
		if i > 0 {
			_ = w.WriteByte(',')
		}
		fmt.Fprintf(w, "%d.%s", len(e), e)
	}
	_ = w.WriteByte(';')
}
