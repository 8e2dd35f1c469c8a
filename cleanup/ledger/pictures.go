package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/jumpserver-video/jumpserver-video/cleanup/bare"
)

// ErrPictures is wrapped by the errors of [Pictures] for a file without readable
// pictures.
var ErrPictures = errors.New("its pictures cannot be read")

var hashLine = regexp.MustCompile(`^SHA256=([0-9a-f]{64})\n$`)

// Pictures returns the SHA-256, in hex, of the encoded pictures of an MP4; ffmpeg
// is the path of the program. It does not change if an MP4 is only remuxed. It can
// be reproduced with:
//
//	ffmpeg -i S.replay.mp4 -map 0:v:0 -c copy -f hash -hash sha256 -
func Pictures(ctx context.Context, ffmpeg, file string) (string, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(file); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", "mov", "-i", "file:"+file,
		"-map", "0:v:0", "-c", "copy", "-f", "hash", "-hash", "sha256", "pipe:1")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // our own environment contains secrets
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var words limited
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err = bare.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("start ffmpeg: %w", err)
	}
	m := hashLine.FindSubmatch(out.Bytes())
	if err != nil || m == nil || words.Len() > 0 {
		return "", fmt.Errorf("%w: %s", ErrPictures, bytes.TrimSpace(words.Bytes()))
	}
	return string(m[1]), nil
}

// limited stores only the beginning of what is written.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := 1000 - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
