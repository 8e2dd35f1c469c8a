package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) (Config, error) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	return Parse(fields)
}

// TestParse checks every form that core is known to send.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, fields string
		target       Target
		place        string
		bad          string // part of the error
	}{
		{"server", `{"TYPE":"server"}`, TargetServer, "server", ""},
		{"null", `{"TYPE":"null"}`, TargetNowhere, "null", ""},
		{"deleted", `{"default":{"TYPE":"server"}}`, TargetServer, "server", ""},
		{"type null", `{"TYPE":null}`, TargetServer, "server", ""},
		{"unknown", `{"TYPE":"ftp","HOST":"x"}`, TargetServer, "ftp", ""},
		{"sftp", `{"TYPE":"sftp","SFTP_HOST":"h","SFTP_PORT":22,"SFTP_PASSWORD":"p","STP_SECRET_TYPE":"password"}`, TargetServer, "sftp", ""},
		{"s3", `{"TYPE":"s3","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"https://s3.cn-north-1.amazonaws.com.cn"}`,
			TargetBucket, "s3 s3.cn-north-1.amazonaws.com.cn/b", ""},
		{"s3 upper case", `{"TYPE":"S3","BUCKET":" b ","ENDPOINT":"http://10.1.2.3:9000/"}`, TargetBucket, "s3 10.1.2.3:9000/b", ""},
		{"s3, all null", `{"TYPE":"s3","BUCKET":null,"ACCESS_KEY":null,"SECRET_KEY":null,"ENDPOINT":null}`, TargetBucket, "s3 jumpserver", ""},
		{"s3, all empty", `{"TYPE":"s3","BUCKET":"","ACCESS_KEY":"","SECRET_KEY":"","ENDPOINT":""}`, TargetBucket, "s3 jumpserver", ""},
		{"ceph", `{"TYPE":"ceph","BUCKET":"b","ENDPOINT":"http://rgw:7480"}`, TargetBucket, "s3 rgw:7480/b", ""},
		{"swift", `{"TYPE":"swift","signer":"S3SignerType","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"http://sw:8080","REGION":"r1","PROTOCOL":"http"}`,
			TargetBucket, "swift sw:8080/b", ""},
		{"cos", `{"TYPE":"cos","BUCKET":"b-125","ENDPOINT":"cos.ap-guangzhou.myqcloud.com"}`, TargetBucket, "cos cos.ap-guangzhou.myqcloud.com/b-125", ""},
		{"oss", `{"TYPE":"oss","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"oss-cn-hangzhou.aliyuncs.com"}`,
			TargetBucket, "oss oss-cn-hangzhou.aliyuncs.com/b", ""},
		{"oss without endpoint", `{"TYPE":"oss","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":""}`, TargetBucket, "oss b", "ENDPOINT is not set"},
		{"obs without scheme", `{"TYPE":"obs","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"obs.cn-north-4.myhuaweicloud.com"}`,
			TargetBucket, "obs obs.cn-north-4.myhuaweicloud.com/b", ""},
		{"obs with a path", `{"TYPE":"obs","BUCKET":"b","ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"https://obs.example.com/b/"}`,
			TargetBucket, "obs obs.example.com/b", ""},
		{"obs without bucket", `{"TYPE":"obs","BUCKET":null,"ACCESS_KEY":"a","SECRET_KEY":"s","ENDPOINT":"h"}`, TargetBucket, "obs h/", "BUCKET is not set"},
		{"azure", `{"TYPE":"azure","CONTAINER_NAME":"c","ACCOUNT_NAME":"n","ACCOUNT_KEY":"k","ENDPOINT_SUFFIX":"core.windows.net"}`,
			TargetBucket, "azure n.blob.core.windows.net/c", ""},
		{"azure by default in China", `{"TYPE":"azure","CONTAINER_NAME":"c","ACCOUNT_NAME":"n","ACCOUNT_KEY":"k","ENDPOINT_SUFFIX":null}`,
			TargetBucket, "azure n.blob.core.chinacloudapi.cn/c", ""},
		{"azure without key", `{"TYPE":"azure","CONTAINER_NAME":"c","ACCOUNT_NAME":"n"}`, TargetBucket, "azure n.blob.core.chinacloudapi.cn/c", "ACCOUNT_KEY"},
		{"strange scheme", `{"TYPE":"s3","ENDPOINT":"ftp://h"}`, TargetBucket, "s3 jumpserver", "want http or https"},
		{"no host", `{"TYPE":"s3","ENDPOINT":"https://"}`, TargetBucket, "s3 jumpserver", "no host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(t, tt.fields)
			if tt.bad == "" && err != nil || tt.bad != "" && (!errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.bad)) {
				t.Fatalf("error %v, want %q", err, tt.bad)
			}
			if c.Target() != tt.target {
				t.Errorf("target %d, want %d", c.Target(), tt.target)
			}
			if tt.bad == "" && c.Place() != tt.place {
				t.Errorf("place %q, want %q", c.Place(), tt.place)
			}
		})
	}
}

func TestEndpointScheme(t *testing.T) {
	for text, want := range map[string]string{
		`{"TYPE":"oss","ENDPOINT":"oss-cn-hangzhou.aliyuncs.com"}`: "https", // recordings are not sent unencrypted over the Internet
		`{"TYPE":"oss","ENDPOINT":"oss.intra.example"}`:            "http",
		`{"TYPE":"obs","ENDPOINT":"obs.intra.example"}`:            "https",
		`{"TYPE":"s3","ENDPOINT":"http://minio:9000"}`:             "http",
	} {
		c, _ := parse(t, text)
		if c.Endpoint.Scheme != want {
			t.Errorf("%s: %s, want %s", text, c.Endpoint.Scheme, want)
		}
	}
}

func TestSigningRegion(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                                       "",
		"https://s3.amazonaws.com":               "s3",
		"https://s3.eu-west-1.amazonaws.com":     "eu-west-1",
		"https://s3.cn-north-1.amazonaws.com.cn": "cn-north-1",
		"cos.ap-guangzhou.myqcloud.com":          "ap-guangzhou",
		"https://minio.example.com":              "minio",
		"http://10.1.2.3:9000":                   "1", // of 10 . 1 . 2 . 3, the third from the right
		"http://minio:9000":                      "minio",
		"http://[::1]:9000":                      "",
	} {
		u, err := parseEndpoint(endpoint, KindS3)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Config{Kind: KindS3, Endpoint: u}).SigningRegion(); got != want {
			t.Errorf("%s: %q, want %q", endpoint, got, want)
		}
		if got := (Config{Kind: KindSwift, Endpoint: u, Region: "said"}).SigningRegion(); got != "said" {
			t.Errorf("%s: %q, want what was said", endpoint, got)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, fields := range []string{
		`{"TYPE":"s3","ACCESS_KEY":"id","SECRET_KEY":"` + secret + `","ENDPOINT":"https://user:` + secret + `@h/` + secret + `"}`,
		`{"TYPE":"s3","ACCESS_KEY":"id","SECRET_KEY":"` + secret + `","ENDPOINT":"https://user:` + secret + `@h:port"}`,
		`{"TYPE":"obs","ACCESS_KEY":"id","SECRET_KEY":"` + secret + `"}`,
		`{"TYPE":"azure","ACCOUNT_NAME":"n","ACCOUNT_KEY":"` + secret + `"}`,
		`{"TYPE":"sftp","SFTP_PASSWORD":"` + secret + `","STP_PRIVATE_KEY":"` + secret + `","STP_PASSPHRASE":"` + secret + `"}`,
	} {
		c, err := parse(t, fields)
		b, jsonErr := json.Marshal(c)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "error", err, "key", c.SecretKey, "pointer", &c)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "error", err, "key", c.SecretKey, "pointer", &c)
		all := fmt.Sprintf("%v %+v %#v %s %q %s %v %s", c, c, c, c.SecretKey, c.SecretKey, b, err, log.String())
		if strings.Contains(all, secret) {
			t.Errorf("%s: %s", fields, all)
		}
	}
	if Secret(secret).Reveal() != secret {
		t.Error("the secret itself is lost")
	}
}
