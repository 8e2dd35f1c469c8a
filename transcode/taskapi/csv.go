package taskapi

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jumpserver-video/jumpserver-video/transcode/task"
)

// CSVMark is the byte order mark at the beginning of a CSV file, without which some
// spreadsheets do not read it as UTF-8.
const CSVMark = "\ufeff"

// CSVCell returns a cell that spreadsheets do not run as a formula: an apostrophe is put
// before a text that begins like one. Names come from outside.
func CSVCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

// CSVColumns are the columns of a list of tasks. Times are in UTC, sizes in bytes.
var CSVColumns = []string{
	"session", "state", "reason", "user", "asset", "account", "protocol", "start", "end", "session_seconds",
	"bytes_before", "bytes_after", "video_seconds", "incomplete", "error", "path", "created", "updated",
}

// CSVRow returns a task in the order of [CSVColumns].
func CSVRow(v task.View) []string {
	s := v.Session
	if s == nil {
		s = &task.Session{}
	}
	row := []string{
		v.ID, string(v.State), string(v.Reason), s.User, s.Asset, s.Account, s.Protocol, CSVTime(&s.Start), CSVTime(s.End), seconds(s.Length()),
		strconv.FormatInt(v.Before, 10), CSVNumber(v.After), seconds(time.Duration(v.Duration) * time.Millisecond),
		strings.Join(v.Incomplete, "; "), v.Error, v.Path, CSVTime(&v.Created), CSVTime(&v.Updated),
	}
	for i, cell := range row {
		row[i] = CSVCell(cell)
	}
	return row
}

// CSVTime returns a time in UTC as a cell; "" for none.
func CSVTime(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// CSVNumber returns a number as a cell; "" for 0, which means unknown.
func CSVNumber(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// seconds returns a duration in seconds as a cell; "" for 0, which means unknown.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

func (s *Server) respondCSV(w http.ResponseWriter, views []task.View) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="tasks.csv"`)
	if _, err := w.Write([]byte(CSVMark)); err != nil {
		return
	}
	out := csv.NewWriter(w)
	_ = out.Write(CSVColumns) // out.Error returns errors of all writes
	for _, v := range views {
		_ = out.Write(CSVRow(v))
	}
	out.Flush()
	if err := out.Error(); err != nil {
		s.Log.Debug("could not send a response", "error", err)
	}
}
