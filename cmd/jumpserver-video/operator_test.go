package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/coreapi/devcore"
)

// TestWhoDidWhatAndWhetherThereIsAVideo: core's data about a session is in its task, in the
// list, in the report and in task.json, unless names are hidden. Names are untrusted text.
func TestWhoDidWhatAndWhetherThereIsAVideo(t *testing.T) {
	t.Parallel()
	l := newFixture(t, "4.10.13")
	const with, without = "aaaaaaaa-6666-4111-8111-111111111111", "bbbbbbbb-6666-4111-8111-111111111111"
	for _, id := range []string{with, without} {
		l.core.AddSession(devcore.Session{ID: id, User: "Ива\x1b[31mнов(ivanov)", Asset: "Бухгалтерия(10.3.4.8)\u202e", Account: "=cmd()", Protocol: "rdp",
			TerminalType: "lion", Start: sessionStart, End: sessionStart.Add(90 * time.Minute), Finished: true})
	}
	data, err := os.ReadFile(sample(t, "tiny/v3/*/*.replay.gz"))
	if err != nil {
		t.Fatal(err)
	}
	day := filepath.Join(l.replay(), sessionDay)
	if err := os.MkdirAll(day, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(day, with+".replay.gz"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	l.startHealthy()
	l.until("the session has its video", func() bool { return l.served(with) == "mp4" })
	l.until("the task is done", func() bool {
		out, _ := l.command("tasks", "--state", "done")
		return strings.Contains(out, with)
	})

	out, code := l.command("tasks", "--user", "ИВА", "--from", sessionStart.Local().Format(time.DateOnly))
	for _, want := range []string{with, "Ива[31mнов(ivanov)", "Бухгалтерия(10.3.4.8)"} {
		if code != 0 || !strings.Contains(out, want) || strings.ContainsAny(out, "\x1b\u202e") {
			t.Errorf("tasks: no %q: %d %q", want, code, out)
		}
	}
	if out, _ := l.command("tasks", "show", with[:6], "--lang", "ru"); !strings.Contains(out, "1 ч 30 мин") || !strings.Contains(out, "=cmd()") {
		t.Errorf("tasks show: %s", out)
	}
	if out, _ := l.command("tasks", "--csv"); !strings.Contains(out, ",'=cmd(),rdp,") {
		t.Errorf("tasks --csv: %s", out)
	}

	period := []string{"--from", sessionStart.Local().Format(time.DateOnly), "--to", sessionStart.Local().Format(time.DateOnly)}
	out, code = l.command(append([]string{"report", "--json"}, period...)...)
	var report struct {
		Source                   string
		Sessions, Video, Without int
		Rows                     []struct{ ID, Reason string }
	}
	text, _, _ := strings.Cut(out, "\njumpserver-video: ")
	if err := json.Unmarshal([]byte(text), &report); err != nil || code != 1 || report.Source != "core" || report.Sessions != 2 || report.Video != 1 ||
		report.Rows[0].ID != without || report.Rows[0].Reason != "no_recording" {
		t.Errorf("report: %d %v %s", code, err, out)
	}

	l.stop()
	l.agent.Env["STATUS_SHOW_NAMES"] = "false"
	l.startHealthy()
	for _, args := range [][]string{{"tasks", "--json"}, {"tasks", "show", with}, append([]string{"report", "--csv"}, period...)} {
		if out, _ := l.command(args...); strings.Contains(out, "ivanov") || !strings.Contains(out, with) {
			t.Errorf("%v: %s", args, out)
		}
	}
}
