package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tool is an ffmpeg that has been found and can do what is needed.
type Tool struct {
	Path    string
	Version string // as it calls itself, such as 5.1.9-0+deb12u1

	// Started, when not nil, is told of every process that is started.
	Started func(pid int)

	pace        Pace          // nil = unhindered
	most        time.Duration // of the processor, for each process; 0 = any amount
	passthrough []string      // how this version is told to keep timestamps
	patience    time.Duration // instead of the constant; for tests
}

// ErrNoFFmpeg means that there is no ffmpeg that can be used.
var ErrNoFFmpeg = errors.New("ffmpeg is missing or cannot be used")

var versionLine = regexp.MustCompile(`^ffmpeg version (\S+)`)

// Find looks for ffmpeg at path, or in PATH when path is empty, and checks
// that it runs and has the encoders that are needed. Errors are [ErrNoFFmpeg].
func Find(ctx context.Context, path string) (*Tool, error) {
	if path == "" {
		path = "ffmpeg"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not in PATH; install it: apt-get install ffmpeg, or dnf install ffmpeg", ErrNoFFmpeg, path)
	}
	var banner bytes.Buffer // one call tells both, and a call costs as much as many frames
	cmd := exec.CommandContext(ctx, found, "-encoders")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // ours has secrets
	cmd.Stderr = &banner
	encoders, err := cmd.Output()
	m := versionLine.FindSubmatch(banner.Bytes())
	if err != nil || m == nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %s does not answer as ffmpeg does", ErrNoFFmpeg, found)
	}
	t := &Tool{Path: found, Version: string(m[1]), passthrough: []string{"-fps_mode", "passthrough"}}
	if major, minor, ok := t.number(); ok && (major < 5 || major == 5 && minor < 1) {
		t.passthrough = []string{"-vsync", "passthrough"}
	}
	for _, need := range []string{"libx264", "aac"} {
		if !bytes.Contains(encoders, []byte(" "+need+" ")) {
			return nil, fmt.Errorf("%w: %s was built without %s; install the distribution's full ffmpeg", ErrNoFFmpeg, found, need)
		}
	}
	return t, nil
}

// number is the version as numbers; builds from a repository have none.
func (t *Tool) number() (major, minor int, ok bool) {
	parts := strings.FieldsFunc(t.Version, func(r rune) bool { return r == '.' || r == '-' })
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}
