package gunzip

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
)

// needFast skips the test if ISA-L is not available.
func needFast(t testing.TB) {
	t.Helper()
	if !Fast() {
		t.Skip("this build or machine is without ISA-L (libisal2)")
	}
}

// byGo decompresses with klauspost's reader, byISAL with ISA-L.
func byGo(data []byte) ([]byte, error) {
	in := bufio.NewReader(bytes.NewReader(data))
	r, err := newStreams(in, &slow{in: in})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func byISAL(in *bufio.Reader) io.Reader {
	r, err := newStreams(in, newFast(in))
	if err != nil {
		return iotest.ErrReader(err)
	}
	return r
}

func pack(t testing.TB, plain []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// letters returns data like a recording: base64 that hardly repeats, and some that
// does.
func letters(n int) []byte {
	const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		if r.IntN(100) == 0 {
			b = append(b, "4.sync,13.1700000000000;"...)
		}
		b = append(b, base64[r.IntN(64)])
	}
	return b[:n]
}

func TestSameAsTheOther(t *testing.T) {
	needFast(t)
	plain := letters(300_000)
	streams := map[string][]byte{
		"nothing":      pack(t, nil, 6),
		"one letter":   pack(t, []byte("x"), 6),
		"fast":         pack(t, plain, 1),
		"best":         pack(t, plain, 9),
		"stored":       pack(t, plain, 0),
		"Huffman only": pack(t, plain, gzip.HuffmanOnly),
		"zeros":        pack(t, make([]byte, 3<<20), 6),
		"several":      append(append(pack(t, plain, 6), pack(t, nil, 6)...), pack(t, plain[:777], 1)...),
		"garbage":      append(pack(t, plain, 6), "garbage"...),
		"padding":      append(pack(t, plain, 6), make([]byte, 512)...),
		"half a magic": append(pack(t, plain, 6), 0x1f),
		"no gzip":      []byte("4.size,1.0;"),
		"empty":        nil,
	}
	if err := filepath.WalkDir("../../../testdata/recordings", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".gz" {
			streams[path], err = os.ReadFile(path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for name, data := range streams {
		want, wantErr := byGo(data)
		for how, r := range map[string]io.Reader{
			"at once":      bytes.NewReader(data),
			"in halves":    iotest.HalfReader(bytes.NewReader(data)),
			"with the end": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			got, err := io.ReadAll(byISAL(bufio.NewReaderSize(r, 4096)))
			if !bytes.Equal(got, want) || (err == nil) != (wantErr == nil) || err != nil && !Damaged(err) {
				t.Errorf("%s, %s: %d bytes, %v; want %d bytes, %v", name, how, len(got), err, len(want), wantErr)
			}
		}
	}
}

func TestSmallReads(t *testing.T) {
	needFast(t)
	plain := letters(20_000)
	data := append(pack(t, plain[:9000], 6), pack(t, plain[9000:], 6)...)
	if err := iotest.TestReader(byISAL(bufio.NewReader(bytes.NewReader(data))), plain); err != nil {
		t.Error(err)
	}
	got, err := io.ReadAll(byISAL(bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(data)), 16)))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("byte by byte: %d bytes, %v", len(got), err)
	}
}

// TestCut truncates and damages a stream everywhere. What is delivered must be a
// prefix of the original, as long as what the other reader delivers, except for the
// symbols that ISA-L decodes together.
func TestCut(t *testing.T) {
	needFast(t)
	plain := letters(5000)
	data := pack(t, plain, 6)
	for n := range data {
		got, err := io.ReadAll(byISAL(bufio.NewReader(bytes.NewReader(data[:n]))))
		want, _ := byGo(data[:n])
		if !errors.Is(err, ErrCut) && n > 0 || n == 0 && err == nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if !bytes.HasPrefix(plain, got) || len(got) < len(want)-3 {
			t.Fatalf("cut at %d: %d bytes, the other has %d", n, len(got), len(want))
		}
		damaged := bytes.Clone(data)
		damaged[n] ^= 0x10
		got, err = io.ReadAll(byISAL(bufio.NewReader(bytes.NewReader(damaged))))
		other, otherErr := byGo(damaged)
		if (err == nil) != (otherErr == nil) || err != nil && !Damaged(err) || err == nil && !bytes.Equal(got, other) {
			t.Fatalf("damaged at %d: %d bytes, %v; the other has %d, %v", n, len(got), err, len(other), otherErr)
		}
	}
}

func TestReadErrors(t *testing.T) {
	needFast(t)
	broken := errors.New("the disk is gone")
	data := pack(t, letters(50_000), 6)
	r := byISAL(bufio.NewReader(io.MultiReader(bytes.NewReader(data[:2000]), iotest.ErrReader(broken))))
	got, err := io.ReadAll(r)
	if !errors.Is(err, broken) || Damaged(err) || len(got) < 1000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, again := r.Read(make([]byte, 1)); !errors.Is(again, broken) {
		t.Errorf("asked once more: %v", again)
	}
}

// TestReservedFlags of the first header, and of a later one.
func TestReservedFlags(t *testing.T) {
	needFast(t)
	plain := letters(3000)
	first := pack(t, plain, 6)
	for _, bit := range []byte{0x20, 0x40, 0x80} {
		second := bytes.Clone(first)
		second[3] |= bit
		for _, before := range [][]byte{nil, first} {
			data := slices.Concat(before, second)
			got, err := io.ReadAll(byISAL(bufio.NewReader(bytes.NewReader(data))))
			want, otherErr := byGo(data)
			if !Damaged(err) || !Damaged(otherErr) || !bytes.Equal(got, want) {
				t.Errorf("bit %#x after %d bytes: %d bytes, %v; the other has %d, %v", bit, len(before), len(got), err, len(want), otherErr)
			}
		}
	}
}

// FuzzBoth: whatever the data, both readers deliver the same valid content.
func FuzzBoth(f *testing.F) {
	needFast(f)
	f.Add(pack(f, letters(2000), 6))
	f.Add(append(pack(f, []byte("a"), 1), pack(f, make([]byte, 70_000), 9)...))
	f.Add([]byte("\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\xff\x03\x00abcname\x00comment\x00\x03\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 20
		got, err := io.ReadAll(io.LimitReader(byISAL(bufio.NewReader(bytes.NewReader(data))), limit))
		var want []byte
		in := bufio.NewReader(bytes.NewReader(data))
		r, wantErr := newStreams(in, &slow{in: in})
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(r, limit))
		}
		switch {
		case err == nil && wantErr == nil && !bytes.Equal(got, want):
			t.Errorf("%d bytes, the other has %d", len(got), len(want))
		case err != nil && !Damaged(err):
			t.Errorf("%v", err)
		case err == nil && wantErr != nil && len(got) < limit:
			t.Errorf("taken for good, though %v", wantErr)
		}
	})
}

func BenchmarkGunzip(b *testing.B) {
	data := pack(b, letters(4<<20), 6)
	for name, open := range map[string]func(*bufio.Reader) (io.Reader, error){
		"used": NewReader,
		"Go":   func(r *bufio.Reader) (io.Reader, error) { return newStreams(r, &slow{in: r}) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 << 20)
			for b.Loop() {
				r, err := open(bufio.NewReaderSize(bytes.NewReader(data), 64<<10))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestCollectorDuringReading: the garbage collector must not follow the pointers
// that ISA-L moves to the ends of buffers, and the content must be right.
func TestCollectorDuringReading(t *testing.T) {
	needFast(t)
	plain := letters(4 << 20)
	data := pack(t, plain, 6)
	var ended sync.WaitGroup
	for range 4 {
		ended.Go(func() {
			for range 4 {
				if err := compare(byISAL(bufio.NewReaderSize(bytes.NewReader(data), 64<<10)), plain); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { ended.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			runtime.GC()
		}
	}
}

// compare reads all of r, each time into new memory that is soon free.
func compare(r io.Reader, want []byte) error {
	for read := 0; ; {
		buf := make([]byte, 128<<10) // allocated in a span of its own
		n, err := r.Read(buf)
		if !bytes.HasPrefix(want[read:], buf[:n]) {
			return fmt.Errorf("other bytes than were packed, from %d to %d", read, read+n)
		}
		read += n
		switch {
		case err == io.EOF && read == len(want):
			return nil
		case err != nil:
			return fmt.Errorf("after %d of %d bytes: %w", read, len(want), err)
		}
	}
}

// TestWhatIsWrongIsNamed, by either reader, and all valid content is delivered.
func TestWhatIsWrongIsNamed(t *testing.T) {
	plain := letters(5000)
	good := pack(t, plain, 6)
	wrongSum, wrongSize, flipped := bytes.Clone(good), bytes.Clone(good), bytes.Clone(good)
	wrongSum[len(good)-8] ^= 1
	wrongSize[len(good)-1] ^= 1
	flipped[len(good)/2] ^= 0xff
	readers := map[string]func(*bufio.Reader) stream{"Go": func(in *bufio.Reader) stream { return &slow{in: in} }}
	if Fast() {
		readers["ISA-L"] = newFast
	}
	for name, tc := range map[string]struct {
		data  []byte
		whole bool // all content is delivered
		want  error
	}{
		"good":                      {good, true, nil},
		"zeros after it":            {slices.Concat(good, make([]byte, 70_000)), true, nil},
		"two, and a zero":           {slices.Concat(good, pack(t, nil, 6), []byte{0}), true, nil},
		"text after it":             {slices.Concat(good, []byte("text")), true, ErrTrailing},
		"zeros and text after it":   {slices.Concat(good, make([]byte, 512), []byte("text")), true, ErrTrailing},
		"zeros, then a stream":      {slices.Concat(good, make([]byte, 512), good), true, ErrTrailing},
		"a wrong checksum":          {wrongSum, true, ErrChecksum},
		"a wrong length":            {wrongSize, true, ErrChecksum},
		"cut in the data":           {good[:len(good)/2], false, ErrCut},
		"cut in the checksum":       {good[:len(good)-5], true, ErrCut},
		"cut in the second header":  {slices.Concat(good, good[:7]), true, ErrCut},
		"cut in the second's magic": {slices.Concat(good, good[:1]), true, ErrCut},
		"flipped bits":              {flipped, false, nil},
	} {
		for which, open := range readers {
			in := bufio.NewReader(bytes.NewReader(tc.data))
			r, err := newStreams(in, open(in))
			if err != nil {
				t.Fatalf("%s, %s: %v", name, which, err)
			}
			got, err := io.ReadAll(r)
			switch {
			case name == "flipped bits" && (!Damaged(err) || errors.Is(err, ErrTrailing)):
				t.Errorf("%s, %s: %v", name, which, err)
			case name != "flipped bits" && !errors.Is(err, tc.want):
				t.Errorf("%s, %s: %v, want %v", name, which, err, tc.want)
			case tc.whole && !bytes.Equal(got, plain):
				t.Errorf("%s, %s: %d bytes", name, which, len(got))
			}
		}
	}
}
