package video

import (
	"context"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/video/h264"
)

// codec holds the ffmpeg options of a codec.
type codec struct {
	inputOptions  []string // options before the input
	encodeOptions []string
	name          string // name in [Info]
	tag           string // sample entry of the MP4, if ffmpeg's default plays in fewer players
}

var encoderName = regexp.MustCompile(`^(h264|hevc|av1)_(nvenc|qsv|vaapi|amf|v4l2m2m|rkmpp|mf|videotoolbox)$`)

// CheckCodec returns an error unless name is a codec that this package supports:
// h264, hevc, av1, or a hardware encoder such as h264_nvenc.
func CheckCodec(name string) error {
	_, err := codecFor(Options{Codec: name, Width: 1920, Height: 1080})
	return err
}

// ErrUnexpected is wrapped by errors about a stream of ffmpeg that delta pictures
// cannot be merged into. [Options.Plain] avoids that.
var ErrUnexpected = h264.ErrUnexpected

// codecFor returns the options for opt's codec. CRF is that of x264; other codecs get
// a value of about the same quality.
func codecFor(opt Options) (codec, error) {
	switch opt.Codec {
	case "", "h264":
		return codec{encodeOptions: x264Args(opt), name: "h264"}, nil
	case "hevc":
		return codec{name: "hevc", tag: "hvc1", encodeOptions: []string{"-c:v", encoderFor(opt.Codec), "-pix_fmt", "yuv420p", "-preset", "superfast",
			"-crf", strconv.FormatFloat(opt.crf()+1, 'f', 1, 64), "-x265-params", "log-level=error:pools=1:frame-threads=1:bframes=0:keyint=600", "-threads", "1"}}, nil
	case "av1":
		return codec{name: "av1", encodeOptions: []string{"-c:v", encoderFor(opt.Codec), "-pix_fmt", "yuv420p", "-preset", "10",
			"-crf", strconv.Itoa(min(int(opt.crf())+8, 63)), "-svtav1-params", "scm=1:lp=1:keyint=600"}}, nil
	}
	m := encoderName.FindStringSubmatch(opt.Codec)
	if m == nil {
		return codec{}, fmt.Errorf("codec %q: choose h264, hevc, av1, or a hardware encoder of ffmpeg such as h264_nvenc or h264_vaapi", opt.Codec)
	}
	c := codec{name: m[1], encodeOptions: []string{"-c:v", encoderFor(opt.Codec), "-g", "600", "-bf", "0"}}
	if m[1] == "hevc" {
		c.tag = "hvc1"
	}
	quality := strconv.Itoa(int(opt.crf()))
	switch m[2] {
	case "vaapi":
		c.inputOptions = []string{"-vaapi_device", "/dev/dri/renderD128"}
		c.encodeOptions = append(c.encodeOptions, "-vf", "format=nv12,hwupload", "-rc_mode", "CQP", "-qp", quality)
	case "nvenc":
		c.encodeOptions = append(c.encodeOptions, "-pix_fmt", "yuv420p", "-rc", "vbr", "-cq", quality, "-b:v", "0")
	case "qsv":
		c.encodeOptions = append(c.encodeOptions, "-pix_fmt", "nv12", "-global_quality", quality)
	case "amf":
		c.encodeOptions = append(c.encodeOptions, "-pix_fmt", "nv12", "-rc", "cqp", "-qp_i", quality, "-qp_p", quality)
	default: // these support bit rates only
		c.encodeOptions = append(c.encodeOptions, "-pix_fmt", "nv12", "-b:v", "1M")
	}
	if strings.HasPrefix(opt.Codec, "h264") && m[2] != "v4l2m2m" && m[2] != "mf" {
		c.encodeOptions = append(c.encodeOptions, "-profile:v", "high")
	}
	return c, nil
}

// encoderFor returns the name of ffmpeg's encoder for a codec.
func encoderFor(name string) string {
	switch name {
	case "", "h264":
		return "libx264"
	case "hevc":
		return "libx265"
	case "av1":
		return "libsvtav1"
	default:
		return name
	}
}

// TryCodec encodes and decodes a few frames of opt's size with opt's codec. It
// returns an error if the codec cannot be used on this host.
func (t *Tool) TryCodec(ctx context.Context, opt Options) error {
	dir, err := os.MkdirTemp(filepath.Dir(opt.Output), ".codec-")
	if err != nil {
		return fmt.Errorf("video: %w", err)
	}
	defer os.RemoveAll(dir)
	opt.Output, opt.Audio, opt.Metadata = filepath.Join(dir, "try.mp4"), nil, nil
	opt.Duration = 3 * opt.slot()
	e, err := t.Start(ctx, opt)
	if err != nil {
		return err
	}
	defer e.Abort()
	img := image.NewRGBA(image.Rect(0, 0, opt.Width, opt.Height))
	for i := range 3 {
		for k := range img.Pix {
			img.Pix[k] = uint8(k/4%opt.Width + 60*i)
		}
		if err := e.AddFrame(time.Duration(i)*opt.slot(), img, []image.Rectangle{img.Rect}); err != nil {
			return err
		}
	}
	report, err := e.Close()
	if err != nil {
		return err
	}
	return t.Verify(ctx, opt.Output, report)
}

// x264Params are x264's settings for screen content if it chooses the quantizers
// itself ([plainTrack]); see also [x264GuidedArgs].
//   - Three reference pictures, and one beyond 4K: menus, windows and carets reappear.
//   - Strong adaptive quantization (mode 2) gives flat areas enough bits.
//   - The lookahead finds what stays on the screen and deserves more bits. A frame in
//     it takes three bytes per pixel.
//   - All durations of pictures are equal (force-cfr). With true durations, x264 would
//     spend most bits on pictures that stay for minutes.
//   - Keyframes come with large changes or every 600 frames.
const x264Params = "subme=0:bframes=0:weightp=0:partitions=p8x8,i4x4:" +
	"mbtree=1:qcomp=0.5:aq-mode=2:aq-strength=1.25:ipratio=1.1:" +
	"deadzone-inter=15:deadzone-intra=6:chroma-qp-offset=3:keyint=600"

func x264Args(opt Options) []string {
	pixels := opt.Width * opt.Height
	references, lookahead := 3, min(max(lookaheadPixels/pixels, 5), 20)
	if pixels > largePixels {
		references, lookahead = 1, 0
	}
	return []string{"-c:v", encoderFor("h264"), "-profile:v", "high", "-pix_fmt", "yuv420p", "-preset", "superfast",
		"-crf", strconv.FormatFloat(opt.crf(), 'f', 1, 64), "-x264-params", fmt.Sprintf("%s:8x8dct=1:force-cfr=1:ref=%d:rc-lookahead=%d", x264Params, references, lookahead), "-threads", "1"}
}

// largePixels is the picture size, in pixels, above which memory use is reduced at
// the cost of bytes and time. It is about 4K.
const largePixels = 4096 * 2304

// crf returns the CRF for the size. [Options.CRF] is for 1080p. Smaller screens are
// enlarged by viewers, so defects are easier to see. The CRF is therefore 3.5 lower
// for each halving of the pixels.
func (o Options) crf() float64 {
	smaller := math.Log2(1920 * 1080 / float64(o.Width*o.Height))
	return min(max(float64(o.CRF)-3.5*min(max(smaller, 0), 2), 0), 51)
}
