package coreapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Key is the access key that core gives a component when it registers. Its
// printed and logged forms leave the secret out.
type Key struct {
	// ID names the key; core requires a UUID and fails with a 500 otherwise.
	ID string
	// Secret is the HMAC key: the bytes of this text, not decoded in any way.
	Secret string `json:"-"`
}

// Sign adds the Authorization header that core checks, and a Date when the
// request has none. The signature covers method, path, query and Date; neither
// body nor other headers. Core never compares the Date with its clock.
func (k Key) Sign(req *http.Request) {
	if req.Header.Get("Date") == "" {
		req.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	mac := hmac.New(sha256.New, []byte(k.Secret))
	fmt.Fprintf(mac, "(request-target): %s %s\ndate: %s",
		strings.ToLower(req.Method), req.URL.RequestURI(), req.Header.Get("Date"))
	req.Header.Set("Authorization", fmt.Sprintf(
		`Signature keyId="%s",algorithm="hmac-sha256",headers="(request-target) date",signature="%s"`,
		k.ID, base64.StdEncoding.EncodeToString(mac.Sum(nil))))
}

// String names the key without its secret.
func (k Key) String() string { return "access key " + k.ID }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return fmt.Sprintf("coreapi.Key{ID:%q}", k.ID) }

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID) }
