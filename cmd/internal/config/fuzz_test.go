package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzConfigFile: names and values are parts of the file, on lines of their own. Each
// value is valid for a setting, or breaks a rule; the message contains the rule, and no
// secret.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"CORE_HOST=http://192.168.1.10:8080\nBOOTSTRAP_TOKEN='a#b' # comment\r\nexport NAME=\"x y\"\n# X=1\n",
		"\ufeffHTTPD_PORT = 9000 \nVIDEO_WORKER_SECRET_KEY=01234567890123456789012345678901\nQUEUE_URL=nats://u:p@h:4222,tls://h\n",
		"WORK_HOURS=22:00-06:00\nUPLOAD_MAX_SKEW=1.5d\nSETTLE_TIME=18446744074\nORIGINALS=keep\nVIDEO_CODEC=h264_vaapi\n",
		"A='\nB=\"\nC=#\nD==\n=E\nexport export F=1\n\x00=\x00", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := parse(data)
		if err != nil {
			return
		}
		for name, value := range values {
			if !keyPattern.MatchString(name) || strings.ContainsAny(value, "\n") || !bytes.Contains(data, []byte(value)) || !bytes.Contains(data, []byte(name)) {
				t.Fatalf("%q = %q", name, value)
			}
			decodes(t, value)
		}
	})
}

// decodes decodes a value as each kind of setting.
func decodes(t *testing.T, value string) {
	t.Helper()
	var c Config
	fields := reflect.ValueOf(&c).Elem()
	for i := range fields.NumField() {
		setting, ok := fields.Field(i).Addr().Interface().(interface{ Decode(string) error })
		if !ok {
			continue
		}
		err := setting.Decode(value)
		name := fields.Type().Field(i).Name
		if err == nil {
			continue
		}
		if err.Error() == "" {
			t.Fatalf("%s: %q is refused without a rule", name, value)
		}
		if name == "SecretKey" || name == "QueueURL" {
			if _, secret := err.(secretRuleError); !secret { //nolint:errorlint // it is never wrapped
				t.Fatalf("%s: the message for %q would contain the value: %v", name, value, err)
			}
		}
	}
	for _, span := range []time.Duration{time.Duration(c.UploadSkew), time.Duration(c.SettleTime)} {
		if span < 0 || span > 365*24*time.Hour {
			t.Fatalf("%q is a span of %v", value, span)
		}
	}
	if n := strings.TrimLeft(value, "+0"); c.SettleTime != 0 && len(n) > 9 && strings.Trim(n, "0123456789") == "" {
		t.Fatalf("%q seconds are %v", value, time.Duration(c.SettleTime))
	}
}
