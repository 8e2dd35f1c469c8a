package taskapi

import (
	"net"
	"net/http"
	"os"
	"os/user"
	"strings"
	"unicode"
)

// product is the name of the agent's own client in User-Agent; the name of its user
// follows in parentheses.
const product = "jumpserver-video-cli"

// userAgent returns the client's User-Agent with its user, for the agent's log.
func userAgent() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if name = printable(name); name == "" {
		return product
	}
	return product + " (" + name + ")"
}

// requester describes who sent a request, for logs: from which address, with which program,
// and which user the agent's own client names. It proves nothing.
func requester(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	with := "API"
	agent := r.Header.Get("User-Agent")
	switch {
	case strings.HasPrefix(agent, product):
		with = "command line"
		if name := printable(strings.Trim(strings.TrimPrefix(agent, product), " ()")); name != "" {
			return name + " with the command line from " + host
		}
	case fromBrowser(r):
		with = "status page"
	}
	return "someone with the " + with + " from " + host
}

// printable returns a user's name for a log: without other characters than letters, digits
// and a few others, and at most 64 bytes long.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-@\\", r) {
			return r
		}
		return -1
	}, name)
	return strings.ToValidUTF8(name[:min(len(name), 64)], "")
}
