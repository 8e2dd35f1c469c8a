package coreapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds an answer: a page of 1000 sessions is about 2 MB.
const maxAnswer = 32 << 20

// maxMessage is how many characters of core's words an error repeats.
const maxMessage = 300

// answer is what core said, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func readAnswer(resp *http.Response) (*answer, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("answer exceeds %d bytes", maxAnswer)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// mayPass tells whether core only cannot answer now.
func (a *answer) mayPass() bool { return a.status == http.StatusTooManyRequests || a.status >= 500 }

// fields returns the answer's object, nil when it is none.
func (a *answer) fields() map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(a.body, &m) != nil {
		return nil
	}
	return m
}

// failure describes an answer that is not a success, with the meaning that
// the status has for every call.
func (a *answer) failure() Error {
	e := Error{Status: a.status}
	fields := a.fields()
	_ = json.Unmarshal(fields["code"], &e.Code) // absent in many answers
	e.Message = message(fields, a.body)
	switch s := a.status; {
	case s >= 300 && s < 400:
		e.Kind = ErrRedirected
		e.Message = a.header.Get("Location")
	case s == http.StatusBadRequest:
		e.Kind = ErrBadForm
	case s == http.StatusUnauthorized:
		e.Kind = ErrUnauthorized
	case s == http.StatusForbidden:
		e.Kind = ErrForbidden
	case s == http.StatusNotFound:
		e.Kind = ErrNotFound
	case s == http.StatusMethodNotAllowed:
		e.Kind = ErrUnsupported
	case s == http.StatusRequestEntityTooLarge:
		e.Kind = ErrTooLarge
	case a.mayPass():
		e.Kind = ErrUnavailable
		e.RetryAfter = retryAfter(a.header)
	}
	return e
}

// message picks core's words out of the shapes that its errors have:
// {"detail":…,"code":…}, {"error":…}, {"msg":…} and {"field":["…"]}. Pages
// made for people are left out.
func message(fields map[string]json.RawMessage, body []byte) string {
	for _, name := range []string{"detail", "error", "msg"} {
		if raw, ok := fields[name]; ok {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			return shorten(text)
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return ""
	}
	return shorten(string(body))
}

// shorten makes one line of at most maxMessage characters.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > maxMessage {
		return string(r[:maxMessage-1]) + "…"
	}
	return s
}

// retryAfter reads the header in both of its forms; 0 when absent or past.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.ParseInt(v, 10, 32); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}
