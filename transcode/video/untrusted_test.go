package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// makeBox returns a box with the given parts as its body.
func makeBox(kind string, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(all))), kind...), all...)
}

// uint32s returns numbers in big-endian order.
func uint32s(numbers ...uint32) (b []byte) {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// testTrack holds the boxes of a video track.
type testTrack struct {
	handler          string
	entry            []byte
	stts, stsz, stsc []byte
	stco             []byte
	extra            []byte // in stbl
}

func validTrack() testTrack {
	entry := make([]byte, 78)
	binary.BigEndian.PutUint16(entry[24:], 320)
	binary.BigEndian.PutUint16(entry[26:], 240)
	return testTrack{
		handler: "vide",
		entry:   makeBox("stsd", uint32s(0, 1), makeBox("avc1", entry, makeBox("avcC", []byte{1, 100, 0, 30}))),
		stts:    makeBox("stts", uint32s(0, 1, 3, 100)),
		stsz:    makeBox("stsz", uint32s(0, 0, 3, 10, 20, 30)),
		stsc:    makeBox("stsc", uint32s(0, 1, 1, 3, 1)),
		stco:    makeBox("stco", uint32s(0, 1, 40)),
	}
}

func (v testTrack) trak() []byte {
	return makeBox("trak", makeBox("mdia",
		makeBox("mdhd", uint32s(0, 0, 0, 1000, 300, 0)),
		makeBox("hdlr", uint32s(0, 0), []byte(v.handler), make([]byte, 12)),
		makeBox("minf", makeBox("stbl", v.entry, v.stts, v.stsz, v.stsc, v.stco, v.extra))))
}

// makeMP4 returns an MP4 whose samples are the 100 bytes from offset 32 on.
func makeMP4(tracks ...[]byte) []byte {
	return bytes.Join([][]byte{makeBox("ftyp", make([]byte, 16)), makeBox("mdat", make([]byte, 100)), makeBox("moov", tracks...)}, nil)
}

func writeTemp(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.mp4")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMinimalMP4IsAccepted checks the MP4 that the following tests are based on.
func TestMinimalMP4IsAccepted(t *testing.T) {
	path := writeTemp(t, makeMP4(validTrack().trak()))
	info, err := (&Tool{}).Probe(t.Context(), path)
	if err != nil || info.Frames != 3 || info.Width != 320 || info.Duration != 300*time.Millisecond || info.Profile != "High" {
		t.Errorf("%+v, %v", info, err)
	}
	if digest, err := digestOfFile(path); err != nil || len(digest) != 32 {
		t.Errorf("%x, %v", digest, err)
	}
}

// rejectedBy says which function refuses an MP4. Not every box is read by both.
type rejectedBy int

const (
	byBoth rejectedBy = iota
	byProbe
	byDigest
)

// TestInvalidMP4sAreRefused checks that Probe, or only the stricter digest, returns a
// *VerifyError.
func TestInvalidMP4sAreRefused(t *testing.T) {
	with := func(change func(*testTrack)) []byte {
		v := validTrack()
		change(&v)
		return makeMP4(v.trak())
	}
	long := func(size uint64) []byte {
		return append(append(uint32s(1), "mdat"...), binary.BigEndian.AppendUint64(nil, size)...)
	}
	for name, tc := range map[string]struct {
		data []byte
		by   rejectedBy
	}{
		"empty file":                            {nil, byBoth},
		"a box of 2⁶³ bytes":                    {append(makeMP4(validTrack().trak()), long(1<<63)...), byBoth},
		"a box of 2⁶⁴−1 bytes":                  {append(makeMP4(validTrack().trak()), long(1<<64-1)...), byBoth},
		"a box of 2⁶³−1 bytes":                  {append(makeMP4(validTrack().trak()), long(1<<63-1)...), byBoth},
		"a 64-bit size smaller than the header": {append(makeMP4(validTrack().trak()), long(15)...), byBoth},
		"a box beyond the end of the file":      {append(makeMP4(validTrack().trak()), append(uint32s(1000), "mdat"...)...), byBoth},
		"a moov box beyond the end of the file": {append(makeMP4(), append(uint32s(60<<20), "moov"...)...), byBoth},
		"a moov box of more than 64 MB":         {append(makeMP4(), append(uint32s(65<<20), "moov"...)...), byBoth},
		"too many frames":                       {with(func(v *testTrack) { v.stts = makeBox("stts", uint32s(0, 1, 1<<32-1, 1)) }), byProbe},
		"a duration of centuries":               {with(func(v *testTrack) { v.stts = makeBox("stts", uint32s(0, 1, 1_000_000, 1<<32-1)) }), byProbe},
		"a truncated stts":                      {with(func(v *testTrack) { v.stts = makeBox("stts", uint32s(0, 1<<31, 3, 100)) }), byProbe},
		"a sample entry beyond its box":         {with(func(v *testTrack) { binary.BigEndian.PutUint32(v.entry[16:], 1<<30) }), byBoth},
		"a sample entry of a megabyte":          {with(func(v *testTrack) { v.entry = makeBox("stsd", v.entry[8:], make([]byte, 1<<20)) }), byBoth},
		"pictures of 65535 pixels":              {with(func(v *testTrack) { binary.BigEndian.PutUint16(v.entry[16+8+24:], 65535) }), byProbe},
		"no timescale":                          {makeMP4(bytes.Replace(validTrack().trak(), uint32s(1000, 300), uint32s(0, 300), 1)), byProbe},
		"a truncated stsz":                      {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 0, 1<<30, 10)) }), byDigest},
		"more sizes than entries":               {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 0, 4, 10, 20, 30)) }), byDigest},
		"a constant size and a table of sizes":  {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 7, 3, 10, 20, 30)) }), byDigest},
		"4 billion samples of equal size":       {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 1, 1<<32-1)) }), byDigest},
		"50 million samples of equal size":      {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 1, 50_000_000)) }), byDigest},
		"a sample beyond the end of the file":   {with(func(v *testTrack) { v.stsz = makeBox("stsz", uint32s(0, 0, 3, 10, 20, 1<<30)) }), byDigest},
		"overlapping samples": {with(func(v *testTrack) {
			v.stsz, v.stsc = makeBox("stsz", uint32s(0, 80, 9)), makeBox("stsc", uint32s(0, 1, 1, 1, 1))
			v.stco = makeBox("stco", uint32s(0, 9, 40, 40, 40, 40, 40, 40, 40, 40, 40))
		}), byDigest},
		"a chunk offset of 2⁶⁴−1": {with(func(v *testTrack) {
			v.stco = makeBox("co64", uint32s(0, 1, 1<<32-1, 1<<32-1))
		}), byDigest},
		"fewer samples in chunks than sizes":  {with(func(v *testTrack) { v.stsc = makeBox("stsc", uint32s(0, 1, 1, 2, 1)) }), byDigest},
		"more samples in chunks than sizes":   {with(func(v *testTrack) { v.stsc = makeBox("stsc", uint32s(0, 1, 1, 1<<32-1, 1)) }), byDigest},
		"an stsc entry that is never reached": {with(func(v *testTrack) { v.stsc = makeBox("stsc", uint32s(0, 2, 1, 3, 1, 9, 9, 1)) }), byDigest},
		"no chunk offsets":                    {with(func(v *testTrack) { v.stco = nil }), byDigest},
		"both stco and co64":                  {with(func(v *testTrack) { v.extra = makeBox("co64", uint32s(0, 1, 0, 40)) }), byDigest},
		"two stsz boxes":                      {with(func(v *testTrack) { v.extra = v.stsz }), byDigest},
		"two video tracks":                    {makeMP4(validTrack().trak(), validTrack().trak()), byDigest},
		"two moov boxes":                      {append(makeMP4(validTrack().trak()), makeBox("moov", validTrack().trak())...), byDigest},
		"a fragment":                          {append(makeMP4(validTrack().trak()), makeBox("moof")...), byDigest},
		"an mvex box":                         {makeMP4(validTrack().trak(), makeBox("mvex")), byDigest},
		"two sample entries":                  {with(func(v *testTrack) { v.entry[15] = 2 }), byDigest},
		"no avcC":                             {with(func(v *testTrack) { copy(v.entry[len(v.entry)-8:], "hvcC") }), byDigest},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, tc.data)
			var verify *VerifyError
			_, err := (&Tool{}).Probe(t.Context(), path)
			if errors.As(err, &verify) != (tc.by != byDigest) || err != nil && tc.by == byDigest {
				t.Errorf("probe: %v", err)
			}
			verify = nil
			if _, err := digestOfFile(path); errors.As(err, &verify) != (tc.by != byProbe) || err != nil && tc.by == byProbe {
				t.Errorf("digest: %v", err)
			}
		})
	}
}

// nestedBoxes returns an MP4 with as many nested boxes as fit into size.
func nestedBoxes(size int, kind string, around func([]byte) []byte) []byte {
	body := make([]byte, size)
	for at := 0; at+8 <= size; at += 8 {
		binary.BigEndian.PutUint32(body[at:], uint32(size-at))
		copy(body[at+4:], kind)
	}
	return around(body)
}

// TestNestedBoxesDoNotOverflowTheStack checks that deep nesting does not lead to deep
// recursion. (A Go program cannot recover from a stack overflow: it would end all
// tasks.)
func TestNestedBoxesDoNotOverflowTheStack(t *testing.T) {
	size := 40 << 20
	if testing.Short() {
		size = 4 << 20
	}
	for kind, around := range map[string]func([]byte) []byte{
		"mdia": func(b []byte) []byte { return makeMP4(validTrack().trak(), makeBox("trak", b)) },
		"minf": func(b []byte) []byte { return makeMP4(validTrack().trak(), makeBox("trak", makeBox("mdia", b))) },
		"stbl": func(b []byte) []byte {
			return makeMP4(validTrack().trak(), makeBox("trak", makeBox("mdia", makeBox("minf", b))))
		},
		"trak": func(b []byte) []byte { return makeMP4(validTrack().trak(), b) },
		"moov": func(b []byte) []byte { return append(makeMP4(validTrack().trak()), b...) },
		"meta": func(b []byte) []byte { return makeMP4(validTrack().trak(), makeBox("udta", b)) },
		"ilst": func(b []byte) []byte {
			return makeMP4(validTrack().trak(), makeBox("udta", makeBox("meta", uint32s(0), b)))
		},
		"udta": func(b []byte) []byte { return makeMP4(validTrack().trak(), b) },
	} {
		t.Run(kind, func(t *testing.T) {
			path := writeTemp(t, nestedBoxes(size/8*8, kind, around))
			start := time.Now()
			var verify *VerifyError
			if _, err := (&Tool{}).Probe(t.Context(), path); err != nil && !errors.As(err, &verify) {
				t.Errorf("probe: %v", err)
			}
			if _, err := digestOfFile(path); err != nil && !errors.As(err, &verify) {
				t.Errorf("digest: %v", err)
			}
			t.Log(time.Since(start))
		})
	}
}

// TestClaimedSizesAllocateNothing uses sparse files, which can have any size without
// using disk space.
func TestClaimedSizesAllocateNothing(t *testing.T) {
	claims := func(name string, data []byte, size int64) {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, data)
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err1 := (&Tool{}).Probe(t.Context(), path)
			_, err2 := digestOfFile(path)
			runtime.ReadMemStats(&after)
			var verify *VerifyError
			if !errors.As(err1, &verify) || !errors.As(err2, &verify) {
				t.Errorf("%v, %v", err1, err2)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
				t.Errorf("%d bytes allocated", took)
			}
		})
	}
	head := append(makeBox("ftyp", make([]byte, 16)), makeBox("mdat", make([]byte, 100))...)
	index := func(size uint32, inside ...byte) []byte {
		return append(append(append(bytes.Clone(head), uint32s(size)...), "moov"...), inside...)
	}
	claims("a moov box of 60 MB", index(60<<20), int64(len(head))+60<<20)
	claims("a moov box of 60 MB in a short file", index(60<<20), int64(len(head))+100)
	table := append(append(uint32s(59<<20), "trak"...), append(append(uint32s(58<<20), "mdia"...), append(append(uint32s(57<<20), "hdlr"...), make([]byte, 8)...)...)...)
	claims("a track of 59 MB", index(60<<20, table...), int64(len(head))+60<<20)
	claims("a box of a terabyte", append(append(uint32s(1), "free"...), binary.BigEndian.AppendUint64(nil, 1<<40)...), 1<<40)
}

// TestLongMetadataIsIgnored checks a title that is longer than ours.
func TestLongMetadataIsIgnored(t *testing.T) {
	tag := func(kind string, n int) []byte {
		return makeBox(kind, makeBox("data", uint32s(1, 0), bytes.Repeat([]byte{'x'}, n)))
	}
	tags := makeBox("udta", makeBox("meta", uint32s(0), makeBox("ilst", tag("\xa9nam", 1<<20), tag("\xa9cmt", 500))))
	info, err := (&Tool{}).Probe(t.Context(), writeTemp(t, makeMP4(validTrack().trak(), tags)))
	if err != nil || info.Metadata["title"] != "" || len(info.Metadata["comment"]) != 500 {
		t.Errorf("%d and %d bytes, %v", len(info.Metadata["title"]), len(info.Metadata["comment"]), err)
	}
}

// TestOnlyRegularFilesAreMP4s checks that a FIFO, a folder, a link or a device is an
// error, without waiting.
func TestOnlyRegularFilesAreMP4s(t *testing.T) {
	good := writeTemp(t, makeMP4(validTrack().trak()))
	for what, make := range map[string]func(path string) error{
		"a link":   func(path string) error { return os.Symlink(good, path) },
		"a FIFO":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a device": func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) },
	} {
		path := filepath.Join(t.TempDir(), "x.replay.mp4")
		if err := make(path); errors.Is(err, syscall.EPERM) {
			t.Log(what, err)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var verify *VerifyError
		if _, err := (&Tool{}).Probe(t.Context(), path); !errors.As(err, &verify) || !strings.Contains(err.Error(), "not an MP4") {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := digestOfFile(path); !errors.As(err, &verify) {
			t.Errorf("%s: %v", what, err)
		}
		if err := (&Tool{}).Verify(t.Context(), path, Report{}); !errors.As(err, &verify) {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: after %s", what, took)
		}
	}
	if _, err := (&Tool{}).Probe(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestOnlyAMissingProgramIsErrNoFFmpeg checks that failures that cannot be fixed are
// not retried.
func TestOnlyAMissingProgramIsErrNoFFmpeg(t *testing.T) {
	file := func(data string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "ffmpeg")
		if err := os.WriteFile(path, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fit := file("#!/bin/sh\nexit 0\n", 0o755)
	for name, tc := range map[string]struct {
		path     string
		argument string
		missing  bool
	}{
		"it does not exist":     {filepath.Join(t.TempDir(), "ffmpeg"), "x", true},
		"it is not executable":  {file("#!/bin/sh\n", 0o600), "x", true},
		"it is not a program":   {file("\x01\x02\x03\x04", 0o755), "x", true},
		"its shell is missing":  {file("#!/no/such/shell\n", 0o755), "x", true},
		"an argument with NUL":  {fit, "title=\x00", false},
		"an argument of 200 kB": {fit, strings.Repeat("x", 200_000), false},
	} {
		c, err := (&Tool{Path: tc.path}).start(t.Context(), StepEncode, 0, nil, io.Discard, tc.argument)
		if err == nil {
			_ = c.wait()
			t.Errorf("%s: it started", name)
			continue
		}
		if errors.Is(err, ErrNoFFmpeg) != tc.missing {
			t.Errorf("%s: %v", name, err)
		}
		var errno syscall.Errno
		if !tc.missing && errors.As(err, &errno) { // it would be taken for an error of the volume
			t.Errorf("%s: the error wraps %v", name, errno)
		}
	}
}

// TestControlCharactersDoNotReachFFmpeg also checks that long titles are truncated.
func TestControlCharactersDoNotReachFFmpeg(t *testing.T) {
	opt := options(t)
	opt.Duration = 200 * time.Millisecond
	opt.Metadata = map[string]string{
		"title": "a\nb\x00c\x1b]0;x\x07d\u0085e" + strings.Repeat("y", 200_000), "comment": "session=\r\nx",
	}
	encode(t, opt, ms(0, 100)...)
	info, err := findTool(t).Probe(t.Context(), opt.Output)
	if err != nil || !strings.HasPrefix(info.Metadata["title"], "abc]0;xdey") || len(info.Metadata["title"]) > 5000 || info.Metadata["comment"] != "session=x" {
		t.Errorf("%.60q, %q, %v", info.Metadata["title"], info.Metadata["comment"], err)
	}
}

// TestCPULimitEndsFFmpeg checks an ffmpeg that is written to and one that reads a
// file.
func TestCPULimitEndsFFmpeg(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nwhile :; do :; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	busy := (&Tool{Path: path, Version: "7.1"}).WithCPULimit(time.Second)
	c, err := busy.start(t.Context(), StepEncode, 0, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.wait(); !errors.Is(err, ErrCPULimit) {
		t.Errorf("got %v", err)
	}
	opt := options(t)
	opt.Width, opt.Height = 1920, 1080
	e, err := busy.Start(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Abort()
	for i := 0; err == nil && i < 5; i++ {
		err = e.AddFrame(time.Duration(i)*time.Second, scene(1920, 1080, i), nil)
	}
	if err == nil {
		_, err = e.Close()
	}
	if !errors.Is(err, ErrCPULimit) {
		t.Errorf("got %v", err)
	}
}

// FuzzMP4 reads arbitrary bytes as an MP4, with Probe and for the digest.
func FuzzMP4(f *testing.F) {
	f.Add(makeMP4(validTrack().trak()))
	f.Add(makeMP4(validTrack().trak(), makeBox("udta", makeBox("meta", uint32s(0), makeBox("ilst", makeBox("\xa9cmt", makeBox("data", uint32s(1, 0), []byte("session=x"))))))))
	v := validTrack()
	v.stsz, v.stco = makeBox("stsz", uint32s(0, 9, 3)), makeBox("co64", uint32s(0, 1, 0, 40))
	f.Add(makeMP4(v.trak()))
	f.Add(append(makeMP4(v.trak()), append(append(uint32s(1), "free"...), binary.BigEndian.AppendUint64(nil, 17)...)...))
	for _, kind := range []string{"mdia", "stbl", "meta"} {
		f.Add(nestedBoxes(800, kind, func(b []byte) []byte { return makeMP4(makeBox("trak", makeBox("mdia", b)), makeBox("udta", b)) }))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, size := bytes.NewReader(data), int64(len(data))
		info, err := probe(file, size)
		if err == nil && (info.Frames < 0 || info.Frames > maxFrames || info.Duration < 0 || info.Duration > maxDuration || info.Width > maxDimension || info.Height > maxDimension) {
			t.Errorf("%+v", info)
		}
		sum, err := digestOf(file, size)
		if err == nil && len(sum) != 32 || err != nil && sum != nil {
			t.Errorf("%x, %v", sum, err)
		}
		if err := asVerifyError(err); err != nil {
			var verify *VerifyError
			if !errors.As(err, &verify) {
				t.Errorf("%v", err)
			}
		}
	})
}
