package taskapi

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// indirect returns why a request may not have been sent directly by a process on this
// host; "" if nothing indicates that.
//
// Proxies add headers to requests, but not the same ones: there are Via, Forwarded and
// dozens of X-… headers, and each cloud has its own. So indirect has a list of the headers
// that browsers, curl, Prometheus and the agent's own client send, and any other header
// indicates a proxy. A proxy may also speak HTTP/1.0, as nginx did by default until 2026,
// or forward the host name of the original request. A web page that reaches a server on
// loopback sends such a host name, too. Closing each connection indicates nothing: Python's
// urllib does so.
//
// A proxy that does none of this is not recognized.
func indirect(r *http.Request) string {
	switch {
	case !loopback(r.RemoteAddr):
		return "from another host"
	case !r.ProtoAtLeast(1, 1):
		return r.Proto + ", which proxies speak"
	case r.URL.IsAbs() || r.URL.Host != "":
		return "of the form that is meant for proxies"
	case !loopback(r.Host):
		return fmt.Sprintf("for the host %.100q", r.Host)
	}
	for name := range r.Header {
		if !ofClients(name) {
			return fmt.Sprintf("with the header %.100q, which proxies add", name)
		}
	}
	return ""
}

// clientHeaders are the headers that browsers, curl, wget, Prometheus and programs in Go or
// Python send without a proxy.
var clientHeaders = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true, "Authorization": true,
	"Cache-Control": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Cookie": true, "Dnt": true,
	"Keep-Alive": true, "Origin": true, "Pragma": true, "Priority": true, "Purpose": true, "Range": true, "Referer": true,
	"Save-Data": true, "Te": true, "Upgrade-Insecure-Requests": true, "User-Agent": true,
	"X-Prometheus-Scrape-Timeout-Seconds": true,
}

// ofClients reports whether clients send a header, given in its canonical form, without a
// proxy.
func ofClients(name string) bool {
	return clientHeaders[name] || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "If-")
}

// fromBrowser reports whether a page in a browser has sent a request: all current browsers
// send at least one of these headers.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// loopback reports whether host, with or without port, is localhost or a loopback address.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
