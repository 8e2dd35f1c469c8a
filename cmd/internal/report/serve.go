package report

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
	"github.com/jumpserver-video/jumpserver-video/transcode/taskapi"
)

// Path is the URL path of reports, below the task API:
//
//	GET report?from=2026-10-01&to=2026-10-31[&limit=200][&format=csv]
//
// from and to are as in a list of tasks, and both are required. limit limits the rows;
// the sums always cover all sessions.
const Path = taskapi.Prefix + "/report"

// longest limits the time of a report: core returns its sessions page by page.
const longest = 10 * time.Minute

// ServeHTTP returns a report. The caller must check who sends the request.
func (m *Maker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	fail := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(taskapi.Problem{Text: text})
	}
	from, to, err := taskapi.ParsePeriod(v)
	limit := -1
	if text := v.Get("limit"); err == nil && text != "" {
		limit, err = strconv.Atoi(text)
	}
	switch {
	case err != nil:
		fail(http.StatusBadRequest, err.Error())
		return
	case from.IsZero() || to.IsZero():
		fail(http.StatusBadRequest, "set both parameters: from and to")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	defer cancel()
	made, err := m.Make(ctx, from, to)
	if err != nil {
		fail(http.StatusServiceUnavailable, err.Error())
		return
	}
	if limit >= 0 {
		made.Rows = made.Rows[:min(limit, len(made.Rows))]
	}
	if v.Get("format") == "csv" {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="sessions.csv"`)
		_ = made.WriteCSV(w) // fails if the client has closed the connection
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(made) // likewise
}

// WriteCSV writes the rows for spreadsheets. Times are in UTC, sizes in bytes.
func (r *Report) WriteCSV(to io.Writer) error {
	if _, err := io.WriteString(to, taskapi.CSVMark); err != nil {
		return err
	}
	w := csv.NewWriter(to)
	_ = w.Write([]string{ // w.Error returns the error
		"session", "video", "incomplete", "state", "reason", "user", "asset", "account", "protocol", "start", "end", "bytes_before", "bytes_after", "error",
	})
	for _, row := range r.Rows {
		s := row.Session
		if s == nil {
			s = &task.Session{}
		}
		cells := []string{
			row.ID, strconv.FormatBool(row.Video), strconv.FormatBool(row.Incomplete), string(row.State), string(row.Reason),
			s.User, s.Asset, s.Account, s.Protocol, taskapi.CSVTime(&s.Start), taskapi.CSVTime(s.End), taskapi.CSVNumber(row.Before), taskapi.CSVNumber(row.After), row.Error,
		}
		for i, cell := range cells {
			cells[i] = taskapi.CSVCell(cell)
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return w.Error()
}
