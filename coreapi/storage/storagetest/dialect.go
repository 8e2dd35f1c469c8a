package storagetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what the protocols sign with
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// Dialect is a protocol that descends from an old version of S3's: its requests are
// signed with HMAC-SHA1, and its headers have another prefix.
type Dialect struct {
	scheme       string   // of the Authorization header
	prefix       string   // of its headers, lower case
	subresources []string // signed query parameters among those used here
}

// The dialects, from their providers' documentation.
var (
	OSS = Dialect{"OSS", "x-oss-", []string{"uploadId", "uploads", "partNumber", "restore", "acl"}}
	OBS = Dialect{"AWS", "x-amz-", []string{"uploadId", "uploads", "partNumber", "restore", "acl"}}
)

// Gateway speaks a dialect in front of an S3 server. It checks the signature, with
// the clock tolerance of the real services, converts the headers to S3's and signs
// again. No server of these protocols is available; the storage behind the gateway
// is real.
func Gateway(t testing.TB, d Dialect, server *Server) *Server {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { d.translate(r, server) },
		ModifyResponse: func(r *http.Response) error {
			for name := range maps.Clone(r.Header) {
				if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-"); ok {
					r.Header[http.CanonicalHeaderKey(d.prefix+rest)] = r.Header[name]
				}
			}
			return encodeKeys(r)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, server.Bucket+".") { // the bucket is in the host's name
			r.URL.Path, r.URL.RawPath = "/"+server.Bucket+r.URL.Path, "/"+server.Bucket+r.URL.EscapedPath()
		}
		if code := d.check(r, server); code != "" {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>refused</Message><RequestId>1</RequestId></Error>`, code)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	u, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{URL: u, Access: server.Access, Secret: server.Secret, Region: server.Region, Bucket: server.Bucket}
}

var keyElement = regexp.MustCompile(`<(Key|Prefix|Marker|NextMarker|Delimiter)>([^<]*)</`)

// encodeKeys escapes the keys of a listing if the request asks for it
// (encoding-type=url), which the server behind does not support.
func encodeKeys(r *http.Response) error {
	if r.Request.URL.Query().Get("encoding-type") != "url" {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	text := keyElement.ReplaceAllStringFunc(string(body), func(element string) string {
		m := keyElement.FindStringSubmatch(element)
		return "<" + m[1] + ">" + url.QueryEscape(html.UnescapeString(m[2])) + "</"
	})
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return err
}

// check returns the code of the refusal; "" = the signature is valid.
func (d Dialect) check(r *http.Request, server *Server) string {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	id, signature, _ := strings.Cut(rest, ":")
	if scheme != d.scheme || id != server.Access {
		return "InvalidAccessKeyId"
	}
	date := r.Header.Get("Date")
	if at, err := time.Parse(http.TimeFormat, date); err != nil || time.Since(at).Abs() > 15*time.Minute {
		return "RequestTimeTooSkewed"
	}
	text := r.Method + "\n" + r.Header.Get("Content-Md5") + "\n" + r.Header.Get("Content-Type") + "\n" + date + "\n"
	own := map[string]string{}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, d.prefix) {
			own[lower] = r.Header.Get(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		text += name + ":" + own[name] + "\n"
	}
	resource := r.URL.Path
	if d.scheme == "AWS" {
		resource = r.URL.EscapedPath()
	}
	var signed []string
	for name, values := range r.URL.Query() {
		switch {
		case !slices.Contains(d.subresources, name):
		case values[0] == "":
			signed = append(signed, name)
		default:
			signed = append(signed, name+"="+values[0])
		}
	}
	if slices.Sort(signed); len(signed) > 0 {
		resource += "?" + strings.Join(signed, "&")
	}
	mac := hmac.New(sha1.New, []byte(server.Secret))
	mac.Write([]byte(text + resource))
	if base64.StdEncoding.EncodeToString(mac.Sum(nil)) != signature {
		return "SignatureDoesNotMatch"
	}
	return ""
}

// translate converts a request in the dialect to an S3 request.
func (d Dialect) translate(r *httputil.ProxyRequest, server *Server) {
	out := r.Out
	out.URL.Scheme, out.URL.Host, out.Host = server.URL.Scheme, server.URL.Host, server.URL.Host
	header := http.Header{}
	for name, values := range r.In.Header {
		lower := strings.ToLower(name)
		rest, own := strings.CutPrefix(lower, d.prefix)
		switch {
		case lower == "authorization" || lower == "date":
		case own:
			header["X-Amz-"+http.CanonicalHeaderKey(rest)] = values
		case slices.Contains([]string{"content-md5", "content-type", "range", "user-agent"}, lower):
			header[name] = values
		}
	}
	header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	out.Header = header
	// Requests that complete an upload are small, and S3 requires their length.
	if r.In.Method == http.MethodPost {
		body, err := io.ReadAll(r.In.Body)
		if err == nil {
			out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
	}
	signed := signer.SignV4(*out, server.Access, server.Secret, "", server.Region)
	out.Header = signed.Header
}
