package devcore

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

// algorithms are the ones that core accepts; components use hmac-sha256.
var algorithms = map[string]func() hash.Hash{
	"hmac-sha1": sha1.New, "hmac-sha256": sha256.New, "hmac-sha512": sha512.New,
}

const target = "(request-target)"

// Sign adds the Date and Authorization headers that core accepts for the key, as
// components do. If date is empty, the request keeps its own.
func Sign(req *http.Request, keyID, secret, date string) {
	if date != "" {
		req.Header.Set("Date", date)
	}
	// Both headers are set, so this cannot fail.
	mac, _ := signature(req, "hmac-sha256", []string{target, "date"}, secret)
	req.Header.Set("Authorization", fmt.Sprintf(`Signature keyId="%s",algorithm="hmac-sha256",headers="%s date",signature="%s"`,
		keyID, target, base64.StdEncoding.EncodeToString(mac)))
}

// signature computes the HMAC over the named parts of a request.
func signature(r *http.Request, algorithm string, parts []string, secret string) ([]byte, error) {
	sum, ok := algorithms[algorithm]
	if !ok {
		return nil, fmt.Errorf("unknown algorithm %q", algorithm)
	}
	lines := make([]string, len(parts))
	for i, part := range parts {
		var value string
		switch part {
		case target:
			value = strings.ToLower(r.Method) + " " + r.URL.RequestURI()
		case "host":
			value = r.Host
		default:
			values := r.Header.Values(part)
			if len(values) == 0 {
				return nil, errors.New("no such header: " + part)
			}
			value = strings.Join(values, ", ")
		}
		lines[i] = part + ": " + value
	}
	mac := hmac.New(sum, []byte(secret))
	mac.Write([]byte(strings.Join(lines, "\n")))
	return mac.Sum(nil), nil
}

// authorization is a parsed Authorization header.
type authorization struct {
	scheme string            // lower case
	params map[string]string // names in lower case
}

// parseAuthorization parses `Scheme name="value",name="value"`.
func parseAuthorization(header string) authorization {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	a := authorization{scheme: strings.ToLower(scheme), params: map[string]string{}}
	for rest = strings.TrimLeft(rest, " ,"); rest != ""; rest = strings.TrimLeft(rest, " ,") {
		name, after, found := strings.Cut(rest, "=")
		if !found {
			break
		}
		var value string
		if quoted, isQuoted := strings.CutPrefix(after, `"`); isQuoted {
			value, rest, _ = strings.Cut(quoted, `"`)
		} else {
			value, rest, _ = strings.Cut(after, ",")
		}
		a.params[strings.ToLower(strings.TrimSpace(name))] = value
	}
	return a
}
