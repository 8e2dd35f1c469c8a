package coreapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func config(t *testing.T, text string) (c TerminalConfig) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStorageTypeIsWhatCoreMeans(t *testing.T) {
	for storage, want := range map[string]string{
		`{"TYPE":"server"}`:                       "server",
		`{"default":{"TYPE":"server"}}`:           "server",
		`{}`:                                      "server",
		`{"TYPE":null}`:                           "server",
		`{"TYPE":"null"}`:                         "null",
		`{"TYPE":"s3","BUCKET":"b"}`:              "s3",
		`{"TYPE":"OSS"}`:                          "oss",
		`{"TYPE":"sftp","SFTP_PORT":22}`:          "sftp",
		`{"TYPE":"azure","ENDPOINT_SUFFIX":null}`: "azure",
	} {
		c := config(t, `{"TERMINAL_REPLAY_STORAGE":`+storage+`}`)
		if got := c.ReplayStorage.Type(); got != want {
			t.Errorf("%s: got %s", storage, got)
		}
	}
}

func TestStorageFieldsAreReadAsText(t *testing.T) {
	s := config(t, `{"TERMINAL_REPLAY_STORAGE":{"A":"x ","B":null,"C":22,"D":true,"E":{"x":1},"F":""}}`).ReplayStorage
	got := map[string]string{}
	for _, name := range []string{"A", "B", "C", "D", "E", "F", "G"} {
		got[name] = s.Get(name)
	}
	if diff := cmp.Diff(map[string]string{"A": "x", "B": "", "C": "22", "D": "true", "E": "", "F": "", "G": ""}, got); diff != "" {
		t.Error(diff)
	}
}

func TestKeepDaysSurvivesOddValues(t *testing.T) {
	for text, want := range map[string]int{"200": 200, `"30"`: 30, "null": 0, "-1": 0, `"x"`: 0} {
		c := config(t, `{"TERMINAL_REPLAY_STORAGE":{},"TERMINAL_SESSION_KEEP_DURATION":`+text+`}`)
		if c.KeepDays != want {
			t.Errorf("%s: got %d", text, c.KeepDays)
		}
	}
}

func TestStorageSecretsAreNeverShown(t *testing.T) {
	c := config(t, `{"TERMINAL_REPLAY_STORAGE":{"TYPE":"s3","BUCKET":"the-bucket","ACCESS_KEY":"hush1","SECRET_KEY":"hush2",
		"ACCOUNT_KEY":"hush3","SFTP_PASSWORD":"hush4","STP_PRIVATE_KEY":"hush5","STP_PASSPHRASE":"hush6","PASSWORD":"hush7",
		"NEW_FIELD":"hush8"}}`)
	var b bytes.Buffer
	holder := struct{ Config TerminalConfig }{c}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("x", "config", c, "storage", c.ReplayStorage, "ptr", &c, "in", holder)
	}
	for _, f := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&b, f+f+f, c, c.ReplayStorage, holder)
	}
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	if strings.Contains(b.String(), "hush") {
		t.Errorf("secret shown:\n%s", &b)
	}
	if !strings.Contains(b.String(), "the-bucket") {
		t.Errorf("nothing shown:\n%s", &b)
	}
	if raw := map[string]any(c.ReplayStorage); raw["SECRET_KEY"] != "hush2" {
		t.Errorf("secret lost: %v", raw)
	}
}
