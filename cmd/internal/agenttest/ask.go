package agenttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/metrics"
	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// answerWithin is the timeout of a request to the agent.
const answerWithin = 20 * time.Second

// Get requests a page of the agent, with additional headers if there are any.
func (a *Agent) Get(ctx context.Context, path string, header http.Header) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// Health requests the agent's health on a new connection, and measures how long the
// response takes. The status is 0 if there is no response within 20 seconds.
func (a *Agent) Health(ctx context.Context) (status int, took time.Duration) {
	began := time.Now()
	status, _, err := a.Get(ctx, "/video-worker/health/", nil)
	if err != nil {
		status = 0
	}
	return status, time.Since(began)
}

// Metric returns the value of a metric, or the sum of its series that have all the
// labels, each written as in `state="done"`. It fails if the agent does not respond
// or has no metric of that name.
func (a *Agent) Metric(ctx context.Context, name string, labels ...string) (float64, error) {
	status, text, err := a.Get(ctx, metrics.Path, nil)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("metrics: status %d", status)
	}
	return metric(text, name, labels)
}

func metric(text, name string, labels []string) (sum float64, err error) {
	known := false
	for line := range strings.Lines(text) {
		end := strings.LastIndexByte(line, ' ')
		series, found := strings.CutPrefix(line[:max(end, 0)], name)
		if !found || series != "" && series[0] != '{' {
			continue
		}
		known = true
		value, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		if hasAll(strings.Trim(series, "{}"), labels) {
			sum += value
		}
	}
	if !known {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}

// hasAll reports whether the labels of a series, separated by commas, contain
// all the wanted ones.
func hasAll(series string, wanted []string) bool {
	for _, label := range wanted {
		if !strings.Contains(","+series+",", ","+label+",") {
			return false
		}
	}
	return true
}

// Tasks returns all tasks that the agent knows, by session.
func (a *Agent) Tasks(ctx context.Context) (map[string]task.View, error) {
	list, err := a.API.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	views := make(map[string]task.View, len(list))
	for _, v := range list {
		views[v.ID] = v
	}
	return views, nil
}

// Log returns the agent's log of all starts. It is empty before the first start.
func (a *Agent) Log() string {
	text, _ := os.ReadFile(a.Output) // before the first start there is no file
	return string(text)
}
