package render

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/jumpserver-video/jumpserver-video/watcher/recording"
)

// program returns the path of a player; PLAYERS_TESTS=all means that it must exist.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if allPlayers() {
		t.Fatalf("no %s in PATH", names[0])
	}
	t.Skipf("no %s in PATH: it is not shown our videos", names[0])
	return ""
}

// allPlayers reports whether to test other players than the browser, and all of
// them for longer: make test-players.
func allPlayers() bool { return os.Getenv("PLAYERS_TESTS") == "all" }

func needAllPlayers(t *testing.T) {
	t.Helper()
	if !allPlayers() {
		t.Skip("make test-players runs it")
	}
}

// film returns a video with all kinds of frames: keyframes, x264's frames, and runs
// of ours between them, longer than a decoder keeps pictures; and an idle stretch.
func film(t *testing.T) *Video {
	t.Helper()
	v, _ := made(t, parts(t, one(func(c *script) {
		c.size(328, 242)
		at := int64(0)
		for i := range 24 {
			c.grey(100+i%2*100, 0, 0, 328, 242)
			c.grey(i*10, 60, i*7, 150, 70)
			c.sync(at)
			for k := range []int{0, 1, 3, 40}[i%4] {
				at += 250
				c.grey(20+k%2*200, 8+k, 8, 12, 12)
				c.grey(k*5, 290, 200, 31, 41)
				c.sync(at)
			}
			at += 11_000
		}
		c.sync(at + 60_000)
		c.grey(7, 100, 100, 9, 9)
		c.sync(at + 61_000)
		c.sync(at + 62_000)
	})()...), Options{Codec: "h264"})
	return v
}

// bundled converts a recording of testdata.
func bundled(t *testing.T, name string, audio bool) *Video {
	t.Helper()
	found, err := filepath.Glob("../../testdata/recordings/" + name + "/v[34]/*/*")
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	rec, err := recording.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	v, _ := made(t, rec, Options{Codec: "h264", Audio: audio})
	return v
}

// still is a frame as ffmpeg decodes it in sequential order.
type still struct {
	at   time.Duration
	hash string // SHA-256 of the I420 picture
	key  bool
}

// stills returns all frames of a video.
func stills(t *testing.T, v *Video) []still {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time,flags", "-of", "json", v.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probed struct {
		Packets []struct {
			Time  float64 `json:"pts_time,string"`
			Flags string
		}
	}
	if err := json.Unmarshal(out, &probed); err != nil {
		t.Fatal(err)
	}
	pix, err := exec.Command("ffmpeg", "-v", "quiet", "-i", v.Path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1").Output()
	if err != nil {
		t.Fatal(err)
	}
	hashes := hashes(pix, v)
	if len(hashes) != len(probed.Packets) {
		t.Fatalf("%d pictures of %d packets", len(hashes), len(probed.Packets))
	}
	var all []still
	for i, p := range probed.Packets {
		all = append(all, still{time.Duration(p.Time * float64(time.Second)), hashes[i], strings.HasPrefix(p.Flags, "K")})
	}
	return all
}

// hashes returns the hashes of consecutive I420 pictures.
func hashes(pix []byte, v *Video) (all []string) {
	for frame := range slices.Chunk(pix, v.Width*v.Height*3/2) {
		sum := sha256.Sum256(frame)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return all
}

// TestAnotherDecoderShowsTheSame decodes our streams with OpenH264, which shares no
// code with ffmpeg's decoder. It decodes the whole stream, and from each keyframe
// on, as players do after a jump. Both decoders must produce identical pictures.
func TestAnotherDecoderShowsTheSame(t *testing.T) {
	needAllPlayers(t)
	gst := program(t, "gst-launch-1.0")
	for _, v := range []*Video{film(t), bundled(t, "resize", false), bundled(t, "tiny_main", false)} {
		want := stills(t, v)
		stream, err := exec.Command("ffmpeg", "-v", "quiet", "-i", v.Path, "-map", "0:v:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "pipe:1").Output()
		if err != nil {
			t.Fatal(err)
		}
		const sps = "\x00\x00\x00\x01\x67" // precedes each keyframe
		pieces := strings.Split(string(stream), sps)[1:]
		var keys []int
		for i, s := range want {
			if s.key {
				keys = append(keys, i)
			}
		}
		if len(keys) != len(pieces) {
			t.Fatalf("%d keyframes, %d pieces", len(keys), len(pieces))
		}
		for i, first := range keys {
			path := filepath.Join(t.TempDir(), "stream.h264")
			if err := os.WriteFile(path, []byte(sps+strings.Join(pieces[i:], sps)), 0o600); err != nil {
				t.Fatal(err)
			}
			var complaints bytes.Buffer
			cmd := exec.Command(gst, "-q", "filesrc", "location="+path, "!", "h264parse", "!", "openh264dec", "!", "video/x-raw,format=I420", "!", "filesink", "location="+path+".yuv")
			cmd.Stderr = &complaints
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, complaints.String())
			}
			pix, err := os.ReadFile(path + ".yuv")
			if err != nil {
				t.Fatal(err)
			}
			got := hashes(pix, v)
			if len(got) != len(want)-first {
				t.Fatalf("from picture %d on there are %d pictures, want %d", first, len(got), len(want)-first)
			}
			for k, hash := range got {
				if hash != want[first+k].hash {
					t.Fatalf("decoded from picture %d on, picture %d is another", first, first+k)
				}
			}
		}
		t.Logf("%d×%d: %d pictures, from %d keyframes on", v.Width, v.Height, len(want), len(keys))
	}
}

// jump is a time to jump to, and the frame that must be shown there.
type jump struct {
	at   time.Duration
	want still
}

// jumps returns jumps forwards and backwards in a video, to the middle of the time
// for which a frame is shown.
func jumps(all []still, n int) []jump {
	var list []jump
	for i := range n {
		k := i * 7919 % len(all)
		end := all[k].at + 50*time.Millisecond
		if k+1 < len(all) {
			end = all[k+1].at
		}
		list = append(list, jump{(all[k].at + end) / 2, all[k]})
	}
	return list
}

// TestMPVJumps: wherever mpv begins to play, it shows the same as when it plays
// from the beginning. Between two frames it shows the second. It also finds the
// poster and the chapters.
func TestMPVJumps(t *testing.T) {
	needAllPlayers(t)
	mpv := program(t, "mpv")
	v := film(t)
	for _, j := range jumps(stills(t, v), 25) {
		out := filepath.Join(t.TempDir(), "frame.yuv")
		if said, err := exec.Command(mpv, "--no-config", "--really-quiet", "--no-audio", fmt.Sprintf("--start=%f", j.want.at.Seconds()), "--frames=1",
			"--ovc=rawvideo", "--of=rawvideo", "--o="+out, v.Path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		pix, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := hashes(pix, v); len(got) != 1 || got[0] != j.want.hash {
			t.Errorf("at %s it does not show the frame of %s", j.at, j.want.at)
		}
	}
	said, err := exec.Command(mpv, "--no-config", "--frames=1", "--vo=null", "--ao=null", "--term-playing-msg=chapters ${chapter-list/count}, titled ${chapter-list/0/title}, cover ${track-list/1/albumart}", v.Path).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "chapters 2, titled Active 17:15:07 – 17:20:") || !strings.Contains(string(said), "cover yes") {
		t.Errorf("%v: %s", err, said)
	}
}

// player is the page on which Chromium plays.
const player = `<!doctype html><video muted preload=auto src=/video.mp4></video><script>
const video = document.querySelector('video');
const hex = data => Array.from(new Uint8Array(data), b => b.toString(16).padStart(2, '0')).join('');
const event = name => new Promise((done, fail) => {
  video.addEventListener(name, done, {once: true});
  video.addEventListener('error', () => fail(video.error.message), {once: true});
});
// jump answers what is seen after a jump, at last when the frame of a time has
// come to the screen, in microseconds.
async function jump(seconds, time) {
  const there = event('seeked');
  video.currentTime = seconds;
  await there;
  let frame = new VideoFrame(video);
  for (let i = 0; i < 200 && Math.abs(frame.timestamp - time) > 1000; i++) {
    frame.close();
    await new Promise(done => setTimeout(done, 25));
    frame = new VideoFrame(video);
  }
  const pix = new Uint8Array(frame.allocationSize());
  await frame.copyTo(pix);
  const format = frame.format;
  frame.close();
  return [format, hex(await crypto.subtle.digest('SHA-256', pix))];
}
async function play() {
  await jump(0, 0);
  video.playbackRate = 16;
  const over = event('ended');
  await video.play();
  await over;
  return [video.videoWidth, video.videoHeight, video.duration];
}
async function sound() {
  const context = new OfflineAudioContext(1, 8000, 8000);
  const heard = await context.decodeAudioData(await (await fetch('/video.mp4')).arrayBuffer());
  const loud = [];
  heard.getChannelData(0).forEach((v, i) => { if (Math.abs(v) > 0.05) loud.push(i / heard.sampleRate); });
  return [loud[0], loud.at(-1), heard.duration];
}
</script>`

// chromium opens a page with a video.
func chromium(t *testing.T, v *Video) context.Context {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/video.mp4" {
			http.ServeFile(w, r, v.Path)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(player))
	}))
	t.Cleanup(server.Close)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program(t, "chromium", "chromium-browser", "google-chrome")), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, expire := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(expire)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// evaluate runs one of the page's functions.
func evaluate[T any](t *testing.T, page context.Context, call string) T {
	t.Helper()
	answer, err := chromedp.Run(page, chromedp.Evaluate[T](call, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	return answer
}

// TestChromiumJumps: wherever a viewer jumps to in Chromium, the page shows exactly
// what it shows there when played from the beginning.
func TestChromiumJumps(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	v, n := bundled(t, "tiny_main", false), 12
	if allPlayers() {
		v, n = film(t), 60
	}
	page, all := chromium(t, v), stills(t, v)
	for _, j := range jumps(all, n) {
		got := evaluate[[2]string](t, page, fmt.Sprintf("jump(%f, %d)", j.at.Seconds(), j.want.at.Microseconds()))
		if got[0] != "I420" || got[1] != j.want.hash {
			seen := slices.IndexFunc(all, func(s still) bool { return s.hash == got[1] })
			t.Errorf("at %s it does not show picture %d, of %s, but %d (%s)", j.at, slices.Index(all, j.want), j.want.at, seen, got[0])
		}
	}
	played := evaluate[[3]float64](t, page, "play()")
	if played[0] != float64(v.Width) || played[1] != float64(v.Height) || played[2] < v.Duration.Seconds()-0.1 || played[2] > v.Duration.Seconds()+0.1 {
		t.Errorf("played %v, want %d×%d, %s", played, v.Width, v.Height, v.Duration)
	}
}

// TestChromiumHears: sound is at the right time in a browser, too.
func TestChromiumHears(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	v := bundled(t, "audio", true)
	heard := evaluate[[3]float64](t, chromium(t, v), "sound()")
	if got := []int{int(heard[0] * 1000), int(heard[1] * 1000)}; !near(got, []int{9460, int(v.Duration.Milliseconds())}) {
		t.Errorf("Chromium hears sound from %v to %v s of %v", heard[0], heard[1], heard[2])
	}
}
