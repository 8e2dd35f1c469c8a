package coreapi

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// slow returns one byte per read, after a delay.
type slow struct {
	left int
	wait time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.wait) // the pace of what it reads
	s.left--
	p[0] = 'x'
	return 1, nil
}

func (s *slow) Close() error { return nil }

func TestWatchdogLetsWhatAdvancesTakeItsTime(t *testing.T) {
	dog := watchdog{idle: time.Second, answer: time.Second, next: transport(func(r *http.Request) (*http.Response, error) {
		if n, err := io.Copy(io.Discard, r.Body); n != 25 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if r.Context().Err() != nil {
			t.Error("given up while sending")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: &slow{25, 50 * time.Millisecond}}, nil
	})}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://core/", &slow{25, 50 * time.Millisecond})
	resp, err := dog.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); len(b) != 25 || err != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestWatchdogEndsWhatStandsStill(t *testing.T) {
	stuck := func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
	for name, next := range map[string]transport{
		"before the answer": func(r *http.Request) (*http.Response, error) { return nil, stuck(r) },
		"while sending": func(r *http.Request) (*http.Response, error) {
			r.Body.Read(make([]byte, 1))
			return nil, stuck(r)
		},
		"after sending": func(r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, r.Body)
			return nil, stuck(r)
		},
		"while receiving": func(r *http.Request) (*http.Response, error) {
			pr, pw := io.Pipe()
			go func() { pw.CloseWithError(stuck(r)) }()
			return &http.Response{StatusCode: http.StatusOK, Body: pr}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dog := watchdog{next: next, idle: 20 * time.Millisecond, answer: 20 * time.Millisecond}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://core/", bytes.NewReader(make([]byte, 10)))
			resp, err := dog.RoundTrip(req)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, errStalled) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWatchdogWatchesABodyThatIsStartedAgain(t *testing.T) {
	dog := watchdog{idle: time.Minute, answer: time.Minute, next: transport(func(r *http.Request) (*http.Response, error) {
		b, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := b.(*watchedBody); !ok {
			t.Errorf("got a %T", b)
		}
		return nil, errors.New("enough")
	})}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://core/", bytes.NewReader([]byte("x")))
	if _, err := dog.RoundTrip(req); err == nil {
		t.Error("no error")
	}
}
