package taskapi

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// indirect returns why a request was perhaps not sent by a process on this host
// straight to the agent; "" when nothing speaks against it.
//
// What proxies add to a request has no common form: there are Via, Forwarded,
// dozens of X-… headers, and each cloud has its own. So it is the other way
// round: a header that no browser, curl, Prometheus or client of ours sends by
// itself speaks against it. A proxy may also speak HTTP/1.0, as nginx did by
// default until 2026, or pass on the name that it was asked for, which is also how
// a web page would reach a server on loopback. That it ends each connection says
// nothing: so does Python's urllib.
//
// A proxy that does nothing of the kind cannot be seen.
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

// clientHeaders are what browsers, curl, wget, Prometheus and clients like ours
// send by themselves.
var clientHeaders = map[string]bool{
	"Accept": true, "Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true, "Authorization": true,
	"Cache-Control": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Cookie": true, "Dnt": true,
	"Keep-Alive": true, "Origin": true, "Pragma": true, "Priority": true, "Purpose": true, "Range": true, "Referer": true,
	"Save-Data": true, "Te": true, "Upgrade-Insecure-Requests": true, "User-Agent": true,
	"X-Prometheus-Scrape-Timeout-Seconds": true,
}

// ofClients reports whether a header, in its canonical form, is none that tells
// of a proxy.
func ofClients(name string) bool {
	return clientHeaders[name] || strings.HasPrefix(name, "Sec-") || strings.HasPrefix(name, "If-")
}

// fromBrowser reports whether a request was made by a page: every browser of
// today says so with one of these.
func fromBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// loopback reports whether host, with or without port, is this machine's own.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
