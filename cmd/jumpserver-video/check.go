package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/config"
)

// isCheck reports whether the program was called by a name that health checks use.
// JumpServer's compose files run `check URL` and `curl -fsL URL` in the image, where both
// names are links to this program.
func isCheck(name string) bool { return name == "check" || name == "curl" }

// Exit codes of curl, for the errors that are distinguished here.
const (
	curlUsage   = 2
	curlConnect = 7
	curlStatus  = 22
	curlTimeout = 28
)

// check fetches a URL, with the options that health checks use, and returns the exit code.
// The default URL of check is the agent's own. Its certificate is not verified, because
// the check only needs the agent's health.
func check(name string, args []string, out, errOut io.Writer) int {
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	fail := flags.BoolP("fail", "f", name == "check", "")
	insecure := flags.BoolP("insecure", "k", name == "check", "")
	output := flags.StringP("output", "o", "", "")
	seconds := flags.Float64P("max-time", "m", 30, "")
	for short, long := range map[string]string{"s": "silent", "S": "show-error", "L": "location"} { // accepted without effect: the behaviour is the same
		flags.BoolP(long, short, false, "")
	}
	if err := flags.Parse(args); err != nil {
		fmt.Fprintf(errOut, "%s: %v; this program supports only what health checks use: curl -fskSL [-m SECONDS] [-o FILE] URL, check [URL]\n", name, err)
		return curlUsage
	}
	url, err := checked(name, flags.Args())
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", name, err)
		return curlUsage
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*seconds*float64(time.Second)))
	defer cancel()
	code, body, err := ask(ctx, url, *insecure)
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintf(errOut, "%s: no response from %s in time\n", name, url)
		return curlTimeout
	case err != nil:
		fmt.Fprintf(errOut, "%s: %v\n", name, err)
		return curlConnect
	case *fail && code >= http.StatusBadRequest:
		fmt.Fprintf(errOut, "%s: %s responds with status %d\n", name, url, code)
		return curlStatus
	}
	if *output != "" {
		err = os.WriteFile(*output, body, 0o644)
	} else {
		_, err = out.Write(body)
	}
	if err != nil {
		fmt.Fprintf(errOut, "%s: %v\n", name, err)
		return 23
	}
	return 0
}

// checked returns the URL to fetch, or that of the agent's own health.
func checked(name string, args []string) (string, error) {
	switch {
	case len(args) == 1 && strings.Contains(args[0], "://"):
		return args[0], nil
	case len(args) == 1:
		return "http://" + args[0], nil
	case len(args) > 1 || name != "check":
		return "", errors.New("name one URL")
	}
	cfg, err := config.Load("")
	if err != nil {
		return "", err
	}
	return ownURL(cfg) + "video-worker/health/", nil
}

// ask fetches a URL, following redirects, and returns the status and the body.
func ask(ctx context.Context, url string, insecure bool) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: insecure}}} //nolint:gosec // see check
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, body, err
}
