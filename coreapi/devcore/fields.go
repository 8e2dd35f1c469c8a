package devcore

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// fields parses the JSON object that the call sends.
func (c *Core) fields(l *call) (map[string]json.RawMessage, *reply) {
	if kind, _, err := mime.ParseMediaType(l.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		a := refuse(http.StatusUnsupportedMediaType, "unsupported_media_type",
			"Unsupported media type \""+l.Header.Get("Content-Type")+"\" in request.")
		return nil, &a
	}
	body, err := io.ReadAll(http.MaxBytesReader(l.w, l.Body, 10<<20))
	if err != nil {
		a := refuse(http.StatusBadRequest, "parse_error", "JSON parse error - "+err.Error())
		return nil, &a
	}
	if l.Method == http.MethodPatch || strings.HasSuffix(l.URL.Path, "/lifecycle_log/") {
		c.note(l.entry, func(e *Request) { e.Body = string(body) })
	}
	var fields map[string]json.RawMessage
	switch err := json.Unmarshal(body, &fields); {
	case errors.As(err, new(*json.UnmarshalTypeError)):
		a := invalid("non_field_errors", "Invalid data. Expected a dictionary.")
		return nil, &a
	case err != nil:
		a := refuse(http.StatusBadRequest, "parse_error", "JSON parse error - "+err.Error())
		return nil, &a
	}
	return fields, nil
}

// textField reads a text with at most limit characters (0 = no limit). An absent
// field is "" unless it is required.
func textField(fields map[string]json.RawMessage, name string, limit int, required bool) (string, *reply) {
	problem := func(text string) (string, *reply) {
		a := invalid(name, text)
		return "", &a
	}
	raw, found := fields[name]
	if !found {
		if required {
			return problem(errRequired)
		}
		return "", nil
	}
	var s string
	var n json.Number
	switch {
	case string(raw) == "null":
		return problem(errNull)
	case json.Unmarshal(raw, &s) == nil:
	case json.Unmarshal(raw, &n) == nil:
		s = n.String() // core accepts numbers as text
	default:
		return problem("Not a valid string.")
	}
	s = strings.TrimSpace(s)
	switch {
	case s == "" && required:
		return problem(errBlank)
	case limit > 0 && utf8.RuneCountInString(s) > limit:
		return problem(errMax(limit))
	}
	return s, nil
}

// boolField parses a boolean in the spellings that core accepts.
func boolField(fields map[string]json.RawMessage, name string) (value, given bool, refusal *reply) {
	raw, given := fields[name]
	if !given {
		return false, false, nil
	}
	text := string(raw)
	if q, err := strconv.Unquote(text); err == nil {
		text = q
	}
	switch text {
	case "true", "True", "TRUE", "1", "t", "T", "yes", "on":
		return true, true, nil
	case "false", "False", "FALSE", "0", "f", "F", "no", "off":
		return false, true, nil
	case "null":
		a := invalid(name, errNull)
		return false, true, &a
	}
	a := invalid(name, errBool)
	return false, true, &a
}

// sizeField parses a number of bytes, which must fit into 63 bits.
func sizeField(name string, raw json.RawMessage) (int64, *reply) {
	if n, err := strconv.ParseInt(strings.Trim(string(raw), `" `), 10, 64); err == nil {
		return n, nil
	} else if errors.Is(err, strconv.ErrRange) {
		a := invalid(name, "Ensure this value is less than or equal to 9223372036854775807.")
		return 0, &a
	}
	return intField(name, raw)
}

// intField parses a whole number, also if it is given as text.
func intField(name string, raw json.RawMessage) (int64, *reply) {
	text := string(raw)
	if q, err := strconv.Unquote(text); err == nil {
		text = strings.TrimSpace(q)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), nil
	}
	a := invalid(name, errInteger)
	if text == "null" {
		a = invalid(name, errNull)
	}
	return 0, &a
}
