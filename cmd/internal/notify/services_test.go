package notify

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/textproto"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
)

const (
	dingToken   = "0b3c5d7e9f1a2b4c6d8e0f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e"
	dingSecret  = "SEC5f4dcc3b5aa765d61d8327deb882cf99b1a2b3c4d5e6f708192a3b4c5d6e7f80"
	wecomKey    = "693a91f6-7aec-4bc4-97a0-0ec2sifa5aaa"
	feishuHook  = "2f3e4d5c-6b7a-8990-a1b2-c3d4e5f60718"
	feishuSign  = "7hNq2LwXrT9bVc4KzMd1Pe"
	slackPath   = "T01ABCDEFGH/B02IJKLMNOP/q7rStUvWxYz0123456789abC"
	botToken    = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaww"
	hookToken   = "whk-9f8e7d6c5b4a"
	mailSecret  = "p4ssw0rd-of-mail"
	testAddress = "ops@example.org"
)

// internet simulates the services. They accept what the real ones accept, and respond
// like these.
type internet struct {
	texts map[string]string // the last accepted text by host
	close func()
}

// connect replaces all servers by local ones.
func connect(t *testing.T) *internet {
	t.Helper()
	net := &internet{texts: map[string]string{}}
	s := httptest.NewTLSServer(net)
	real := http.DefaultTransport
	http.DefaultTransport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (c conn, err error) {
			return dialer.DialContext(ctx, network, s.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // its certificate has another name
	}
	net.close = s.Close
	t.Cleanup(func() {
		http.DefaultTransport = real
		s.Close()
	})
	return net
}

type conn = net.Conn

var dialer net.Dialer

// ServeHTTP implements all services.
func (n *internet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var body map[string]any
	if err = errors.Join(err, json.Unmarshal(data, &body)); err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(w, fmt.Sprint("no JSON: ", err), http.StatusBadRequest)
		return
	}
	var text any
	answer := "{}"
	switch r.Host {
	case "oapi.dingtalk.com":
		text, answer = dingTalk(r, body)
	case "qyapi.weixin.qq.com":
		text, answer = weCom(r, body)
	case "open.feishu.cn":
		text, answer = feishu(r, body)
	case "api.telegram.org", "tg.example.org":
		text, answer = telegram(w, r, body)
	case "hooks.slack.com":
		text, answer = slack(w, r, body)
	case "hooks.example.org":
		if text = body["title"].(string) + "\n" + body["message"].(string); r.URL.Query().Get("token") != hookToken {
			w.WriteHeader(http.StatusForbidden)
			text = nil
		}
	default:
		w.WriteHeader(http.StatusBadGateway)
	}
	if text != nil {
		n.texts[r.Host] = text.(string)
	}
	_, _ = io.WriteString(w, answer)
}

// dingTalk implements https://open.dingtalk.com/document/orgapp/custom-robot-access and
// custom-bot-creation-and-installation (signature).
func dingTalk(r *http.Request, body map[string]any) (text any, answer string) {
	q := r.URL.Query()
	if r.URL.Path != "/robot/send" || q.Get("access_token") != dingToken {
		return nil, `{"errcode":300005,"errmsg":"token is not exist"}`
	}
	at, err := strconv.ParseInt(q.Get("timestamp"), 10, 64)
	if err != nil || math.Abs(time.Since(time.UnixMilli(at)).Hours()) > 1 {
		return nil, `{"errcode":310000,"errmsg":"invalid timestamp"}`
	}
	mac := hmac.New(sha256.New, []byte(dingSecret))
	mac.Write([]byte(q.Get("timestamp") + "\n" + dingSecret))
	if q.Get("sign") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return nil, `{"errcode":310000,"errmsg":"sign not match"}`
	}
	text = body["text"].(map[string]any)["content"]
	if !reflect.DeepEqual(body, map[string]any{"msgtype": "text", "text": map[string]any{"content": text}}) {
		return nil, `{"errcode":400102,"errmsg":"unknown parameter"}`
	}
	return text, `{"errcode":0,"errmsg":"ok"}`
}

// weCom implements https://developer.work.weixin.qq.com/document/path/91770.
func weCom(r *http.Request, body map[string]any) (text any, answer string) {
	if r.URL.Path != "/cgi-bin/webhook/send" || r.URL.Query().Get("key") != wecomKey {
		return nil, `{"errcode":93000,"errmsg":"invalid webhook url"}`
	}
	text = body["text"].(map[string]any)["content"]
	if body["msgtype"] != "text" || len(text.(string)) > 2048 {
		return nil, `{"errcode":40058,"errmsg":"text exceed max length 2048"}`
	}
	return text, `{"errcode":0,"errmsg":"ok"}`
}

// feishu implements https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.
func feishu(r *http.Request, body map[string]any) (text any, answer string) {
	if r.URL.Path != "/open-apis/bot/v2/hook/"+feishuHook {
		return nil, `{"code":19001,"data":{},"msg":"param invalid: incoming webhook access token invalid"}`
	}
	at, _ := body["timestamp"].(string)
	mac := hmac.New(sha256.New, []byte(at+"\n"+feishuSign))
	if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Hour ||
		body["sign"] != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return nil, `{"code":19021,"data":{},"msg":"sign match fail or timestamp is not within one hour from current time"}`
	}
	text = body["content"].(map[string]any)["text"]
	if body["msg_type"] != "text" || text == nil {
		return nil, `{"code":9499,"msg":"Bad Request","data":{}}`
	}
	return text, `{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}`
}

// telegram implements https://core.telegram.org/bots/api#sendmessage.
func telegram(w http.ResponseWriter, r *http.Request, body map[string]any) (text any, answer string) {
	switch {
	case r.URL.Path != "/bot"+botToken+"/sendMessage":
		w.WriteHeader(http.StatusUnauthorized)
		return nil, `{"ok":false,"error_code":401,"description":"Unauthorized"}`
	case body["chat_id"] != "-1001234567890":
		w.WriteHeader(http.StatusBadRequest)
		return nil, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`
	}
	return body["text"], `{"ok":true,"result":{"message_id":7}}`
}

// slack implements https://api.slack.com/messaging/webhooks.
func slack(w http.ResponseWriter, r *http.Request, body map[string]any) (text any, answer string) {
	if r.URL.Path != "/services/"+slackPath {
		w.WriteHeader(http.StatusForbidden)
		return nil, "invalid_token"
	}
	lines, _ := body["text"].(string)
	if more, ok := body["attachments"].([]any); ok {
		for _, a := range more {
			lines += "\n" + a.(map[string]any)["text"].(string)
		}
	}
	if lines == "" {
		w.WriteHeader(http.StatusBadRequest)
		return nil, "no_text"
	}
	return lines, "ok"
}

// message returns a message with everything that needs escaping.
func message() Message {
	w := writer{lang: i18n.Chinese, link: "https://video.example.org/video-worker/", agent: "worker-1"}
	return w.seal(Message{Event: "test", Title: "3 个录像失败 <b>", Body: "会话: \"a\" & б\n.\nend"})
}

// TestServicesTakeMessages: services accept messages in their documented format, with
// each form of the address.
func TestServicesTakeMessages(t *testing.T) {
	net := connect(t)
	for address, host := range map[string]string{
		"https://oapi.dingtalk.com/robot/send?access_token=" + dingToken + "&secret=" + dingSecret: "oapi.dingtalk.com",
		"dingtalk://" + dingToken + "?secret=" + dingSecret:                                        "oapi.dingtalk.com",
		"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + wecomKey:                         "qyapi.weixin.qq.com",
		"wecom://" + wecomKey: "qyapi.weixin.qq.com",
		"https://open.feishu.cn/open-apis/bot/v2/hook/" + feishuHook + "?secret=" + feishuSign:   "open.feishu.cn",
		"lark://open.feishu.cn/" + feishuHook + "?secret=" + feishuSign:                          "open.feishu.cn",
		"telegram://" + botToken + "@telegram?chats=-1001234567890":                              "api.telegram.org",
		"telegram://" + botToken + "@tg.example.org?chats=-1001234567890,-1001234567890":         "tg.example.org",
		"https://hooks.slack.com/services/" + slackPath:                                          "hooks.slack.com",
		"slack://hook:" + strings.ReplaceAll(slackPath, "/", "-") + "@webhook":                   "hooks.slack.com",
		"https://hooks.example.org/video?token=" + hookToken:                                     "hooks.example.org",
		"generic+https://hooks.example.org/video?token=" + hookToken + "&template=json&$title=x": "hooks.example.org",
	} {
		delete(net.texts, host)
		targets, err := Parse(address)
		if err != nil || len(targets) != 1 {
			t.Fatalf("%s: %v", address, err)
		}
		m := message()
		if err := targets[0].Send(t.Context(), m); err != nil {
			t.Errorf("%s: %v", targets[0], err)
		}
		for _, line := range append(strings.Split(m.Body, "\n"), "jumpserver-video worker-1: 3 个录像失败 <b>", m.Link) {
			if !strings.Contains(net.texts[host], line) {
				t.Errorf("%s has accepted %q, want %q in it", targets[0], net.texts[host], line)
			}
		}
	}
}

// TestRefusalsAreTold: errors contain the message of the service, without the address.
func TestRefusalsAreTold(t *testing.T) {
	connect(t)
	for address, want := range map[string]string{
		"https://oapi.dingtalk.com/robot/send?access_token=" + dingToken:                      "invalid timestamp",
		"dingtalk://" + dingToken + "?secret=" + dingSecret[1:]:                               "sign not match",
		"dingtalk://" + dingToken[1:] + "?secret=" + dingSecret:                               "token is not exist",
		"wecom://" + wecomKey[1:]:                                                             "invalid webhook url",
		"lark://open.feishu.cn/" + feishuHook + "?secret=" + feishuSign[1:]:                   "sign match fail",
		"telegram://" + botToken + "@telegram?chats=@elsewhere":                               "chat not found",
		"telegram://" + botToken[1:] + "@telegram?chats=-1001234567890":                       "Unauthorized",
		"https://hooks.slack.com/services/" + slackPath + "x":                                 "invalid_token",
		"https://hooks.example.org/video?token=other-" + hookToken:                            "403",
		"https://" + "user-of-hook:" + mailSecret + "@nowhere.example.org/video/" + hookToken: "502",
	} {
		refused(t, address, want)
	}
}

// TestANetworkThatFailsIsTold: errors of the network are reported for all services, also for
// those that the library sends to.
func TestANetworkThatFailsIsTold(t *testing.T) {
	net := connect(t)
	net.close()
	for _, address := range addresses {
		refused(t, address, "refused")
	}
}

var addresses = []string{
	"https://oapi.dingtalk.com/robot/send?access_token=" + dingToken + "&secret=" + dingSecret,
	"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + wecomKey,
	"https://open.feishu.cn/open-apis/bot/v2/hook/" + feishuHook + "?secret=" + feishuSign,
	"telegram://" + botToken + "@telegram?chats=-1001234567890",
	"https://hooks.slack.com/services/" + slackPath,
	"https://hooks.example.org/video/" + hookToken,
	"https://user-of-hook:" + mailSecret + "@hooks.example.org/video?token=" + hookToken,
	"smtp://user-of-mail:" + mailSecret + "@127.0.0.1:1/?from=video@example.org&to=" + testAddress,
}

// refused sends to an address. It requires an error that contains want and no secret.
func refused(t *testing.T, address, want string) {
	t.Helper()
	targets, err := Parse(address)
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	err = targets[0].Send(t.Context(), message())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", targets[0], err, want)
	}
	secretless(t, fmt.Sprint(targets[0], err))
}

// secretless fails if a text contains a secret part of an address.
func secretless(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{dingToken, dingSecret[1:], wecomKey[1:], feishuHook, feishuSign[1:], botToken[10:], hookToken, mailSecret, "user-of-", "q7rStUv", "T01ABC"} {
		if strings.Contains(text, s) {
			t.Errorf("%q holds %q", text, s)
		}
	}
}

// TestWrongAddressesAreTold: their errors do not contain the address.
func TestWrongAddressesAreTold(t *testing.T) {
	for _, address := range []string{
		"no-url-" + hookToken, "http://", "https:///" + hookToken, "dingtalk://", "telegram://" + botToken + "@telegram", "telegram://telegram?chats=1",
		"wecom://", "lark://example.org/" + feishuHook, "slack://" + hookToken, "smtp://user-of-mail:" + mailSecret + "@mail.example.org", "unknown://" + hookToken,
		addresses[0] + "," + addresses[1], "https://a\x7f/" + hookToken, "%zz://" + hookToken,
	} {
		_, err := Parse("https://hooks.example.org/ " + address)
		if err == nil || !strings.HasPrefix(err.Error(), "address 2: ") {
			t.Errorf("%s: %v", address, err)
			continue
		}
		secretless(t, err.Error())
	}
	if all, err := Parse(" \n"); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := Parse(strings.Join(addresses, "\n ")); err != nil || len(all) != len(addresses) {
		t.Errorf("%v, %v", all, err)
	}
}

// TestMailIsTakenAsItWasMeant: subject and text may be in any language.
func TestMailIsTakenAsItWasMeant(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	mails := make(chan string, 2)
	go func() {
		if c, err := listener.Accept(); err == nil {
			takeMail(c, mails)
		}
	}()
	targets, err := Parse("smtp://user-of-mail:" + mailSecret + "@" + listener.Addr().String() + "/?from=video@example.org&fromname=video&to=" + testAddress + ",second@example.org")
	if err != nil {
		t.Fatal(err)
	}
	m := message()
	if err := targets[0].Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{testAddress, "second@example.org"} {
		got, err := mail.ReadMessage(strings.NewReader(<-mails))
		if err != nil {
			t.Fatal(err)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
		if err != nil || subject != m.Title {
			t.Errorf("subject %q, %v", subject, err)
		}
		text, err := io.ReadAll(got.Body)
		if err != nil || strings.TrimSpace(string(text)) != m.Body {
			t.Errorf("text %q, want %q, %v", text, m.Body, err)
		}
		if got.Header.Get("To") != to || got.Header.Get("From") != "video <video@example.org>" || got.Header.Get("Content-Type") != `text/plain; charset="UTF-8"` {
			t.Errorf("%v", got.Header)
		}
		if _, err := got.Header.Date(); err != nil {
			t.Error(err)
		}
	}
}

// takeMail is a mail server that requires the password and accepts one connection.
func takeMail(c net.Conn, mails chan<- string) {
	defer c.Close()
	in, known, mail := textproto.NewReader(bufio.NewReader(c)), false, ""
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 mail.example.org ESMTP")
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch {
		case verb == "EHLO":
			say("250-mail.example.org\r\n250-8BITMIME\r\n250 AUTH PLAIN")
		case verb == "AUTH":
			known = rest == "PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00user-of-mail\x00"+mailSecret))
			say(map[bool]string{true: "235 OK", false: "535 5.7.8 authentication failed"}[known])
		case !known && verb == "MAIL":
			say("530 5.7.0 authentication required")
		case verb == "DATA":
			say("354 go ahead")
			data, err := in.ReadDotBytes()
			if err != nil {
				return
			}
			mail = string(data)
			mails <- mail
			say("250 queued")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 OK")
		}
	}
}
