package video

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// Cue is a subtitle from one time of the video to another.
type Cue struct {
	From, To time.Duration
	Text     string // one line
}

// markupReplacer replaces characters that ffmpeg interprets as markup.
var markupReplacer = strings.NewReplacer("<", "‹", ">", "›", "{", "(", "}", ")", "\\", "/")

// writeCues writes the subtitles as SubRip if there are any.
func (e *Encoder) writeCues() error {
	if len(e.cues) == 0 {
		return nil
	}
	f, err := os.OpenFile(e.cuesFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	at := func(d time.Duration) string {
		return fmt.Sprintf("%02d:%02d:%02d,%03d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60, d.Milliseconds()%1000)
	}
	for i, c := range e.cues {
		fmt.Fprintf(w, "%d\n%s --> %s\n%s\n\n", i+1, at(c.From), at(c.To), markupReplacer.Replace(sanitize(c.Text)))
	}
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// disableSubtitles clears the enabled flag of subtitle tracks, which ffmpeg always
// sets. Players then show them only on request.
func disableSubtitles(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	moov, at, err := ReadMoov(f)
	if err != nil {
		return err
	}
	b := &boxReader{file: bytes.NewReader(moov)}
	return b.each(span{0, int64(len(moov))}, func(kind string, body span) error {
		if kind != "trak" {
			return nil
		}
		t, err := b.readTrack(body)
		if err != nil {
			return err
		}
		if handler, err := b.handlerType(t); err != nil || handler != "sbtl" {
			return err
		}
		return b.each(body, func(kind string, body span) error {
			if kind != "tkhd" || body.size() < 4 {
				return nil
			}
			const enabled = 1 // in flags, after one byte of version
			_, err := f.WriteAt([]byte{moov[body.at+3] &^ enabled}, at+body.at+3)
			return err
		})
	})
}
