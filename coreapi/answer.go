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

// maxAnswer limits the size of a response body: a page of 1000 sessions is about 2
// MB.
const maxAnswer = 32 << 20

// maxMessage limits how many characters of core's message an error repeats.
const maxMessage = 300

// answer is core's response, read completely.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func readAnswer(resp *http.Response) (*answer, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("response exceeds %d bytes", maxAnswer)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// mayPass reports whether the response stands for a temporary failure of core.
func (a *answer) mayPass() bool { return a.status == http.StatusTooManyRequests || a.status >= 500 }

// fields returns the fields of the JSON object in the body, nil if the body is not
// an object.
func (a *answer) fields() map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(a.body, &m) != nil {
		return nil
	}
	return m
}

// failure returns the error for a response that is not a success, with the meaning
// that its status has for every call.
func (a *answer) failure() Error {
	e := Error{Status: a.status}
	fields := a.fields()
	_ = json.Unmarshal(fields["code"], &e.Code) // absent in many responses
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

// message returns core's error message. Core's errors have one of the forms
// {"detail":…,"code":…}, {"error":…}, {"msg":…} and {"field":["…"]}. HTML pages are
// ignored.
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

// shorten returns s as one line of at most maxMessage characters.
func shorten(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > maxMessage {
		return string(r[:maxMessage-1]) + "…"
	}
	return s
}

// retryAfter parses the Retry-After header in both of its forms. It returns 0 if
// the header is absent or names a time in the past.
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
