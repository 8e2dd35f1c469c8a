package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFailuresLeaveNoFiles(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		opt := options(t)
		ctx, cancel := context.WithCancel(t.Context())
		e, err := findTool(t).Start(ctx, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Abort()
		if err := e.AddFrame(0, scene(320, 240, 0), nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := e.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		checkRemoved(t, opt.Output)
	})
	t.Run("aborted", func(t *testing.T) {
		opt := options(t)
		e, err := findTool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		pid := e.track.(*deltaTrack).x264.group.ffmpeg.child.cmd.Process.Pid
		e.Abort()
		checkRemoved(t, opt.Output)
		if err := syscall.Kill(pid, 0); err == nil {
			t.Error("ffmpeg is still running")
		}
	})
	t.Run("ffmpeg killed", func(t *testing.T) {
		opt := options(t)
		e, err := findTool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Abort()
		_ = syscall.Kill(e.track.(*deltaTrack).x264.group.ffmpeg.child.cmd.Process.Pid, syscall.SIGKILL)
		for i := range 100 {
			if err = e.AddFrame(time.Duration(i)*time.Second, scene(320, 240, i%6), []image.Rectangle{image.Rect(0, 0, 320, 240)}); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("got %v", err)
		}
		checkRemoved(t, opt.Output)
	})
	t.Run("no such folder", func(t *testing.T) {
		opt := options(t)
		opt.Output = filepath.Join(t.TempDir(), "missing", "out.mp4")
		e, err := findTool(t).Start(t.Context(), opt)
		if err == nil {
			defer e.Abort()
			for i := 0; err == nil && i < 100; i++ {
				err = e.AddFrame(time.Duration(i)*time.Second, scene(320, 240, 0), nil)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("the reason is missing: %v", err)
		}
	})
}

// hangingFFmpeg returns an ffmpeg that prints a message and then does nothing.
func hangingFFmpeg(t *testing.T) *Tool {
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho the disk is slow >&2\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Tool{Path: path, Version: "7.1", stallTimeout: 300 * time.Millisecond}
}

func TestHangIsDetected(t *testing.T) {
	check := func(t *testing.T, start time.Time, opt Options, err error) {
		t.Helper()
		if !errors.Is(err, errStalled) || !strings.Contains(err.Error(), "the disk is slow") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after %s", took)
		}
		left, err := filepath.Glob(opt.Output + "*")
		if err != nil || len(left) > 0 {
			t.Errorf("files left: %v %v", left, err)
		}
	}
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("while writing, plain ", plain), func(t *testing.T) {
			opt := options(t)
			opt.Width, opt.Height, opt.Plain = 1920, 1080, plain
			e, err := hangingFFmpeg(t).Start(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Abort()
			start := time.Now()
			frame := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
			for i := 0; err == nil && i <= maxQueuedFrames+4; i++ { // the first ones are queued
				draw.Draw(frame, frame.Rect, image.NewUniform(color.Gray{uint8(100 * i)}), image.Point{}, draw.Src)
				err = e.AddFrame(time.Duration(i)*time.Second, frame, []image.Rectangle{frame.Rect})
			}
			check(t, start, opt, err)
		})
		t.Run(fmt.Sprint("at the end, plain ", plain), func(t *testing.T) {
			opt := options(t)
			opt.Plain = plain
			e, err := hangingFFmpeg(t).Start(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Abort()
			if err := e.AddFrame(0, scene(320, 240, 0), nil); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = e.Close()
			check(t, start, opt, err)
		})
	}
	t.Run("while verifying", func(t *testing.T) {
		opt := options(t)
		opt.Duration = 166 * time.Millisecond
		report := encode(t, opt, ms(0, 100)...)
		report.digest = nil
		start := time.Now()
		if err := hangingFFmpeg(t).Verify(t.Context(), opt.Output, report); !errors.Is(err, errStalled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

// TestFullDiskIsReported encodes to a file system that is too small.
func TestFullDiskIsReported(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skip("needs permission to mount a file system: ", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	for _, plain := range []bool{false, true} {
		opt := options(t)
		opt.Plain, opt.Output = plain, filepath.Join(dir, "out.mp4")
		e, err := findTool(t).Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 1))
		img := image.NewRGBA(image.Rect(0, 0, 320, 240))
		for i := 0; err == nil && i < 200; i++ {
			for k := range img.Pix {
				img.Pix[k] = uint8(r.IntN(256))
			}
			err = e.AddFrame(time.Duration(i)*time.Second, img, []image.Rectangle{img.Rect})
		}
		if err == nil {
			_, err = e.Close()
		}
		e.Abort()
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("plain %v: got %v", plain, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("files left: %v %v", left, err)
		}
	}
}

func checkRemoved(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s still exists: %v", path, err)
	}
}

func TestFindRefusesOtherPrograms(t *testing.T) {
	fake := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fake, filepath.Join(t.TempDir(), "none")} {
		if _, err := Find(t.Context(), path); !errors.Is(err, ErrNoFFmpeg) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
