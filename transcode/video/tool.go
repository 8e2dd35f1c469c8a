package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Tool is a usable ffmpeg.
type Tool struct {
	Path    string
	Version string // as reported, such as 5.1.9-0+deb12u1

	// OnStart, if not nil, is called for every process that is started.
	OnStart func(pid int)
	// OnExit, if not nil, is called for every process that has exited, with its
	// purpose and its CPU time.
	OnExit func(step Step, cpu time.Duration)

	pace         Pace          // nil = no limit
	cpuLimit     time.Duration // CPU time of each process; 0 = no limit
	hasCodec     bool          // has an encoder for the requested codec
	passthrough  []string      // options of this version that keep timestamps
	stallTimeout time.Duration // replaces the constant in tests
}

// ErrNoFFmpeg means that there is no usable ffmpeg.
var ErrNoFFmpeg = errors.New("ffmpeg is missing or cannot be used")

var versionLine = regexp.MustCompile(`^ffmpeg version (\S+)`)

// bundledPath is the ffmpeg in packages; see packaging/ffmpeg.
const bundledPath = "/usr/lib/jumpserver-video/ffmpeg"

// candidates returns the paths to look for ffmpeg, best first: the bundled one,
// relative to this program or in its package's folder, then the one in PATH.
func candidates() []string {
	program, err := os.Executable()
	if err != nil {
		return []string{bundledPath, "ffmpeg"}
	}
	return candidatesFor(program)
}

// candidatesFor returns the candidates for the program at a path, which may be a
// symbolic link.
func candidatesFor(program string) []string {
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	dir := filepath.Dir(program)
	return []string{filepath.Join(dir, "../lib/jumpserver-video/ffmpeg"), filepath.Join(dir, "ffmpeg"), bundledPath, "ffmpeg"}
}

// Locate returns the path of the ffmpeg that [Find] tries first, without running it.
// Errors are [ErrNoFFmpeg].
func Locate(path string) (string, error) {
	paths := []string{path}
	if path == "" {
		paths = candidates()
	}
	for _, p := range paths {
		if found, err := exec.LookPath(p); err == nil {
			return found, nil
		}
	}
	return "", notFound(paths[len(paths)-1])
}

func notFound(path string) error {
	if strings.ContainsRune(path, filepath.Separator) {
		return fmt.Errorf("%w: %s does not exist or is not executable", ErrNoFFmpeg, path)
	}
	return fmt.Errorf("%w: %s is not in PATH", ErrNoFFmpeg, path)
}

// Find returns the ffmpeg at path. If path is empty, it returns the bundled one, or
// else the one in PATH. It checks that ffmpeg runs and has the required encoders.
// Errors are [ErrNoFFmpeg].
func Find(ctx context.Context, path string) (*Tool, error) { return FindFor(ctx, path, "") }

// FindFor is [Find] for a codec (see [CheckCodec]). If the bundled ffmpeg cannot
// encode it and the one in PATH can, it returns the latter. If neither can, it
// returns the first usable one, because such recordings are encoded as H.264.
func FindFor(ctx context.Context, path, codec string) (*Tool, error) {
	if path != "" {
		return inspect(ctx, path, codec)
	}
	return firstUsable(ctx, candidates(), codec)
}

// firstUsable returns the first ffmpeg of paths that encodes a codec, or else the
// first that is usable.
func firstUsable(ctx context.Context, paths []string, codec string) (*Tool, error) {
	var usable *Tool
	var problems []error
	for _, p := range paths {
		found, err := exec.LookPath(p)
		if err != nil {
			continue
		}
		t, err := inspect(ctx, found, codec)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil:
			problems = append(problems, err)
		case t.hasCodec:
			return t, nil
		case usable == nil:
			usable = t
		}
	}
	switch {
	case usable != nil:
		return usable, nil
	case len(problems) > 0:
		return nil, errors.Join(problems...)
	}
	return nil, notFound("ffmpeg")
}

// inspect checks the ffmpeg at path.
func inspect(ctx context.Context, path, codec string) (*Tool, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return nil, notFound(path)
	}
	var banner bytes.Buffer // one call for both version and encoders: it costs as much as many frames
	cmd := exec.CommandContext(ctx, found, "-encoders")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // our environment has secrets
	cmd.Stderr = &banner
	encoders, err := cmd.Output()
	m := versionLine.FindSubmatch(banner.Bytes())
	if err != nil || m == nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %s is not an ffmpeg", ErrNoFFmpeg, found)
	}
	has := func(encoder string) bool { return bytes.Contains(encoders, []byte(" "+encoder+" ")) }
	t := &Tool{Path: found, Version: string(m[1]), hasCodec: has(encoderFor(codec)), passthrough: []string{"-fps_mode", "passthrough"}}
	if t.before(4, 4) { // it has no setts
		return nil, fmt.Errorf("%w: %s has version %s, but 4.4 or later is needed", ErrNoFFmpeg, found, t.Version)
	}
	if t.before(5, 1) {
		t.passthrough = []string{"-vsync", "passthrough"}
	}
	for _, need := range []string{"libx264", "aac"} {
		if !has(need) {
			return nil, fmt.Errorf("%w: %s was built without %s; install the distribution's full ffmpeg", ErrNoFFmpeg, found, need)
		}
	}
	return t, nil
}

// before reports whether the version is older than major.minor. Builds from a
// repository have no version number; they are taken for new.
func (t *Tool) before(major, minor int) bool {
	parts := strings.FieldsFunc(t.Version, func(r rune) bool { return r == '.' || r == '-' })
	if len(parts) < 2 {
		return false
	}
	x, err1 := strconv.Atoi(parts[0])
	y, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (x < major || x == major && y < minor)
}
